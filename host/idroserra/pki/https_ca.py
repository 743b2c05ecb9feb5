"""A private certificate authority: one a host, which people trust on their phones once.

It may vouch for names and addresses of one's own network only (name constraints, RFC 5280
4.2.1.10), so whoever trusts it gives it no say over anything on the internet. Keys are ECDSA on
P-256 and lie in files that only the owner reads.
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
from idroserra.pki.x509 import PEM, CertificateAuthority, Validity, general_name, make_authority

AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397  # the most that browsers take from anybody
RENEW_DAYS = 30
SKEW = timedelta(days=1)  # a phone's clock may be behind


class HttpsCA(CertificateAuthority):
    """The authority whose key and certificate lie in `folder`; made there where there is none."""

    def __init__(self, folder: Path, site: str, now: datetime | None = None) -> None:
        """Read or make it. Raises ConfigError that names the file."""
        self._folder = folder
        path, key_path = folder / "authority.pem", folder / "authority.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if key_path.exists() != path.exists():
                lost = path if key_path.exists() else key_path
                raise ConfigError(str(lost), "", "missing: restore it from a backup, or remove "
                                  "the folder, and every phone must trust the host again")
            if not key_path.exists():
                make_authority(path, key_path, f"Idroserra {site}",
                               _span(now or datetime.now(UTC), AUTHORITY_DAYS), _local_only())
            super().__init__(path, key_path)
        except OSError as error:
            raise ConfigError(str(folder), "", error.strerror or str(error)) from error

    @property
    def name(self) -> str:
        """What phones list it as."""
        found = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value)

    @property
    def pem(self) -> bytes:
        """The certificate that people install, as PEM."""
        return self.certificate.public_bytes(PEM)

    @property
    def der(self) -> bytes:
        """The same as DER, which phones take best."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def server(self, names: Sequence[str], now: datetime | None = None) -> tuple[Path, Path]:
        """Return (certificate, key) files of a server with these names and addresses.

        A new one is made where there is none, where its names are others, and 30 days before it
        ends. Raises ConfigError for a name that is not of one's own network."""
        for name in names:
            if not is_local(name):
                raise ConfigError("lan", f"names: {name}", "not a name of your own network (.lan, "
                                  ".local, .home.arpa, .internal): for a public name give "
                                  "cert_file and key_file")
        now = now or datetime.now(UTC)
        cert_path, key_path = self._folder / "server.pem", self._folder / "server.key"
        try:
            if not (key_path.exists() and self._still_good(cert_path, names, now)):
                self._issue(names[0], _span(now, SERVER_DAYS), ExtendedKeyUsageOID.SERVER_AUTH,
                            cert_path, key_path, alt_names=names, is_chained=True)
        except OSError as error:
            raise ConfigError(str(self._folder), "", error.strerror or str(error)) from error
        return cert_path, key_path

    def _still_good(self, cert_path: Path, names: Sequence[str], now: datetime) -> bool:
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
    """Return the names and addresses the authority may vouch for."""
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in LOCAL_DOMAINS]
    permitted += [x509.IPAddress(ipaddress.ip_network(net)) for net in PRIVATE_NETWORKS]
    return x509.NameConstraints(permitted, None)


def _span(now: datetime, days: int) -> Validity:
    return Validity(now - SKEW, now - SKEW + timedelta(days=days))
