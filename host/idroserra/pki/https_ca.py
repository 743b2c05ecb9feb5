"""CA for the host's HTTPS page. Users install its certificate on their phones once.

Name constraints (RFC 5280 4.2.1.10) limit it to names and addresses of local networks, so that
trusting it does not affect sites on the internet. Keys are ECDSA P-256 in files of mode 0600.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import LOCAL_DOMAINS, PRIVATE_NETWORKS, is_local
from idroserra.pki.x509 import (
    PEM,
    CertificateAuthority,
    Validity,
    finish_authority,
    general_name,
    make_authority,
)

AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397  # the maximum that browsers accept
RENEW_DAYS = 30
SKEW = timedelta(days=1)  # a phone's clock may be behind


class HttpsCA(CertificateAuthority):
    """The CA whose key and certificate are in `folder`."""

    def __init__(self, folder: Path, site: str, now: datetime | None = None) -> None:
        """Read the CA, or create it. Raises ConfigError naming the file."""
        self._folder = folder
        path, key_path = folder / "authority.pem", folder / "authority.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            finish_authority(path, key_path)
            if key_path.exists() != path.exists():
                missing = path if key_path.exists() else key_path
                raise ConfigError(str(missing), "", "missing: restore it from a backup, or remove "
                                  "the folder and install the new certificate on every phone")
            if not key_path.exists():
                make_authority(path, key_path, f"Idroserra {site}",
                               _span(now or datetime.now(UTC), AUTHORITY_DAYS), _local_only())
            super().__init__(path, key_path)
        except OSError as error:
            raise ConfigError(str(folder), "", error.strerror or str(error)) from error

    @property
    def name(self) -> str:
        """The common name, as phones list it."""
        found = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value)

    @property
    def pem(self) -> bytes:
        """The CA certificate in PEM."""
        return self.certificate.public_bytes(PEM)

    @property
    def der(self) -> bytes:
        """The CA certificate in DER, the form that phones accept best."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def server(self, names: Sequence[str], now: datetime | None = None) -> tuple[Path, Path]:
        """Return (certificate, key) files of a server with these names and addresses.

        Issues a new certificate if none exists, if the names differ, and 30 days before expiry.
        Raises ConfigError for a name outside of local networks."""
        for name in names:
            if not is_local(name):
                raise ConfigError("lan", f"names: {name}", "not a name of a local network (.lan, "
                                  ".local, .home.arpa, .internal): for a public name set "
                                  "cert_file and key_file")
        now = now or datetime.now(UTC)
        cert_path, key_path = self._folder / "server.pem", self._folder / "server.key"
        try:
            if not (key_path.exists() and self._is_valid(cert_path, names, now)):
                self._issue(names[0], _span(now, SERVER_DAYS), [ExtendedKeyUsageOID.SERVER_AUTH],
                            cert_path, key_path,
                            alt_names=[general_name(name) for name in names], is_chained=True)
        except OSError as error:
            raise ConfigError(str(self._folder), "", error.strerror or str(error)) from error
        return cert_path, key_path

    def _is_valid(self, cert_path: Path, names: Sequence[str], now: datetime) -> bool:
        if not cert_path.exists():
            return False
        try:
            known = x509.load_pem_x509_certificate(cert_path.read_bytes())
            san = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            return False
        ends = known.not_valid_after_utc - timedelta(days=RENEW_DAYS)
        return (self.has_issued(known) and now < ends
                and set(san) == {general_name(name) for name in names})


def _local_only() -> x509.NameConstraints:
    """Return the constraint to names and addresses of local networks."""
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in LOCAL_DOMAINS]
    permitted += [x509.IPAddress(ipaddress.ip_network(net)) for net in PRIVATE_NETWORKS]
    return x509.NameConstraints(permitted, None)


def _span(now: datetime, days: int) -> Validity:
    return Validity(now - SKEW, now - SKEW + timedelta(days=days))
