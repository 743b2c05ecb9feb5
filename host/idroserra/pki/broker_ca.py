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
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from idroserra.core.errors import ConfigError
from idroserra.pki.x509 import PEM, CertificateAuthority, Validity, make_authority

BEGINS = datetime(1970, 1, 1, tzinfo=UTC)
ENDS = datetime(2049, 12, 31, tzinfo=UTC)  # the last year that all encodings of ASN.1 know
NODE_YEARS = 20


class BrokerCA(CertificateAuthority):
    """The key and certificate in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Read them. Raises ConfigError that names the file."""
        self.key_path = folder / "ca.key"
        try:
            super().__init__(folder / "ca.pem", self.key_path)
        except OSError as error:
            raise ConfigError(str(error.filename), "", f"{error.strerror}: restore it from a "
                              "backup; a new one means every node must be provisioned again"
                              ) from None

    @staticmethod
    def make(folder: Path) -> BrokerCA:
        """Make a new one in `folder`. Raises OSError.

        Its name is short ASCII: a node reads no certificate of more than 512 bytes."""
        make_authority(folder / "ca.pem", folder / "ca.key", f"line {secrets.token_hex(4)}",
                       Validity(BEGINS, ENDS))
        return BrokerCA(folder)

    def issue_server(self, names: Sequence[str], cert_path: Path, key_path: Path) -> None:
        """Write key and certificate of a broker with these names. Raises OSError."""
        self._issue(names[0], Validity(BEGINS, ENDS), ExtendedKeyUsageOID.SERVER_AUTH,
                    cert_path, key_path, alt_names=names)

    def issue_client(
        self, user: str, cert_path: Path, key_path: Path, *, good_for: timedelta | None = None,
        now: datetime | None = None,
    ) -> None:
        """Write key and certificate of who is `user` at the broker: for 20 years, or `good_for`
        from now on. Raises OSError."""
        now = now or datetime.now(UTC)
        ends = now + (good_for or timedelta(days=365 * NODE_YEARS))
        self._issue(user, Validity(BEGINS, min(ends, ENDS)), ExtendedKeyUsageOID.CLIENT_AUTH,
                    cert_path, key_path)

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
        return listed.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def is_ours(self, path: Path) -> bool:
        """Whether the certificate in a file is of this authority."""
        try:
            return self.has_issued(read_certificate(path))
        except ConfigError:
            return False


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in a file. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except ValueError as error:
        raise ConfigError(str(path), "", f"no certificate: {error}") from None


def subject_alt_names(certificate: x509.Certificate) -> set[str]:
    """Return the names and addresses a broker's certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(one.value) for one in found}


def to_der(cert_path: Path, key_path: Path) -> tuple[bytes, bytes]:
    """Return a certificate and its key as a board takes them: DER, the key as RFC 5915 has it.

    Raises ConfigError."""
    certificate = read_certificate(cert_path).public_bytes(serialization.Encoding.DER)
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(str(key_path), "", f"no key: {error}") from None
    return certificate, key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption())
