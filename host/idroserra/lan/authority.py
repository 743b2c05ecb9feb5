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
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from idroserra.certificates import (
    builder,
    general_name,
    new_key,
    private_pem,
    usage,
    write_private,
)
from idroserra.errors import ConfigError
from idroserra.lan.names import LOCAL_DOMAINS, PRIVATE_NETWORKS, is_local

AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397  # the most that browsers take from anybody
RENEW_DAYS = 30
SKEW = timedelta(days=1)  # a phone's clock may be behind


class Authority:
    """The authority whose key and certificate lie in `folder`; made there where there is none."""

    def __init__(self, folder: Path, site: str, now: datetime | None = None) -> None:
        """Read or make it. Raises ConfigError that names the file."""
        self._folder = folder
        self.path = folder / "authority.pem"
        key_path = folder / "authority.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if key_path.exists() != self.path.exists():
                lost = self.path if key_path.exists() else key_path
                raise ConfigError(str(lost), "", "missing: restore it from a backup, or remove "
                                  "the folder, and every phone must trust the host anew")
            if not key_path.exists():
                self._make(key_path, site, now or datetime.now(UTC))
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            self._certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        except OSError as error:
            raise ConfigError(str(folder), "", error.strerror or str(error)) from error
        except (ValueError, TypeError) as error:
            raise ConfigError(str(folder), "", f"no key and certificate: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(str(key_path), "", "not an ECDSA key")
        self._key = key

    @property
    def name(self) -> str:
        """What phones list it as."""
        found = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value)

    @property
    def pem(self) -> bytes:
        """The certificate that people install, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The same as DER, which phones take best."""
        return self._certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate as people compare it: AB:CD:..."""
        return self._certificate.fingerprint(hashes.SHA256()).hex(":").upper()

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
                self._issue(cert_path, key_path, names, now)
        except OSError as error:
            raise ConfigError(str(self._folder), "", error.strerror or str(error)) from error
        return cert_path, key_path

    def _make(self, key_path: Path, site: str, now: datetime) -> None:
        key = new_key()
        name = x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Idroserra"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Idroserra {site}"),
        ])
        permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in LOCAL_DOMAINS]
        permitted += [x509.IPAddress(ipaddress.ip_network(net)) for net in PRIVATE_NETWORKS]
        unsigned = (
            builder(name, key.public_key(), *_span(now, AUTHORITY_DAYS)).issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(permitted, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                           critical=False)
        )
        write_private(key_path, private_pem(key))
        write_private(self.path, unsigned.sign(key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM))

    def _issue(
        self, cert_path: Path, key_path: Path, names: Sequence[str], now: datetime
    ) -> None:
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        unsigned = (
            builder(subject, key.public_key(), *_span(now, SERVER_DAYS))
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
                           critical=False)
            .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]),
                           critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self._key.public_key()), critical=False)
        )
        certificate = unsigned.sign(self._key, hashes.SHA256())
        cert_path.unlink(missing_ok=True)  # never a certificate beside another one's key
        write_private(key_path, private_pem(key))
        write_private(cert_path, certificate.public_bytes(serialization.Encoding.PEM) + self.pem)

    def _still_good(self, cert_path: Path, names: Sequence[str], now: datetime) -> bool:
        if not cert_path.exists():
            return False
        try:
            known = x509.load_pem_x509_certificate(cert_path.read_bytes())
            san = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            known.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False  # none, or not ours
        ends = known.not_valid_after_utc - timedelta(days=RENEW_DAYS)
        return now < ends and set(san) == {general_name(name) for name in names}


def _span(now: datetime, days: int) -> tuple[datetime, datetime]:
    return now - SKEW, now - SKEW + timedelta(days=days)
