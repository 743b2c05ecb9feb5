"""The authority of the line: it says who is the broker, who the host, and who which node.

Its certificates begin in 1970 and the broker's and the authority's own end in 2049: a board has no
clock when it connects (it wakes in 1970 or in 2000), so for the node time proves nothing. What a
node must not trust any more is renewed with `broker init --renew-server`; whom the broker must not
trust any more is on the revocation list.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
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

BEGINS = datetime(1970, 1, 1, tzinfo=UTC)
ENDS = datetime(2049, 12, 31, tzinfo=UTC)  # the last year that all encodings of ASN.1 know
NODE_YEARS = 20
_PEM = serialization.Encoding.PEM


class LineAuthority:
    """The key and certificate in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Read them. Raises ConfigError that names the file."""
        self.path, self.key_path = folder / "ca.pem", folder / "ca.key"
        try:
            key = serialization.load_pem_private_key(self.key_path.read_bytes(), None)
            self.certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        except OSError as error:
            raise ConfigError(str(error.filename), "", f"{error.strerror}: restore it from a "
                              "backup; a new one means every node must be provisioned anew"
                              ) from None
        except (ValueError, TypeError) as error:
            raise ConfigError(str(folder), "", f"no key and certificate: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(str(self.key_path), "", "not an ECDSA key")
        self._key = key

    @staticmethod
    def make(folder: Path) -> LineAuthority:
        """Make a new one in `folder`. Raises OSError.

        Its name is short and of ASCII: a node reads no certificate of more than 512 bytes."""
        key = new_key()
        name = x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Idroserra"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"line {secrets.token_hex(4)}"),
        ])
        unsigned = (
            builder(name, key.public_key(), BEGINS, ENDS).issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                           critical=False)
        )
        write_private(folder / "ca.key", private_pem(key))
        write_private(folder / "ca.pem", unsigned.sign(key, hashes.SHA256()).public_bytes(_PEM))
        return LineAuthority(folder)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def issue_server(self, names: Sequence[str], cert_path: Path, key_path: Path) -> None:
        """Write key and certificate of a broker with these names. Raises OSError."""
        unsigned, key = self._begun(names[0], ENDS, ExtendedKeyUsageOID.SERVER_AUTH)
        unsigned = unsigned.add_extension(
            x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        self._write(unsigned, key, cert_path, key_path)

    def issue_client(
        self, user: str, cert_path: Path, key_path: Path, *, good_for: timedelta | None = None,
        now: datetime | None = None,
    ) -> None:
        """Write key and certificate of who is `user` at the broker: for 20 years, or `good_for`
        from now on. Raises OSError."""
        now = now or datetime.now(UTC)
        ends = now + (good_for or timedelta(days=365 * NODE_YEARS))
        unsigned, key = self._begun(user, min(ends, ENDS), ExtendedKeyUsageOID.CLIENT_AUTH)
        self._write(unsigned, key, cert_path, key_path)

    def revocations(self, serials: Iterable[int], now: datetime | None = None) -> bytes:
        """Return the signed list of certificates that count no more, as PEM.

        It does not end before the authority does: a list that has ended shuts everybody out."""
        now = now or datetime.now(UTC)
        listed = (x509.CertificateRevocationListBuilder()
                  .issuer_name(self.certificate.subject).last_update(now).next_update(ENDS))
        for serial in sorted(serials):
            listed = listed.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
                .build())
        return listed.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def is_ours(self, path: Path) -> bool:
        """Whether the certificate in a file is of this authority."""
        try:
            read(path).verify_directly_issued_by(self.certificate)
        except (ConfigError, ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _begun(
        self, name: str, ends: datetime, purpose: x509.ObjectIdentifier
    ) -> tuple[x509.CertificateBuilder, ec.EllipticCurvePrivateKey]:
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        unsigned = (
            builder(subject, key.public_key(), BEGINS, ends)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self._key.public_key()), critical=False)
        )
        return unsigned, key

    def _write(
        self, unsigned: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey,
        cert_path: Path, key_path: Path,
    ) -> None:
        certificate = unsigned.sign(self._key, hashes.SHA256())
        cert_path.unlink(missing_ok=True)  # never a certificate beside another one's key
        write_private(key_path, private_pem(key))
        write_private(cert_path, certificate.public_bytes(_PEM))


def read(path: Path) -> x509.Certificate:
    """Return the certificate in a file. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except ValueError as error:
        raise ConfigError(str(path), "", f"no certificate: {error}") from None


def names_of(certificate: x509.Certificate) -> set[str]:
    """Return the names and addresses a broker's certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(one.value) for one in found}


def as_der(cert_path: Path, key_path: Path) -> tuple[bytes, bytes]:
    """Return a certificate and its key as a board takes them: DER, the key as RFC 5915 has it.

    Raises ConfigError."""
    certificate = read(cert_path).public_bytes(serialization.Encoding.DER)
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(str(key_path), "", f"no key: {error}") from None
    return certificate, key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption())
