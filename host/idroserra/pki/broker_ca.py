"""CA of the MQTT broker: issues the certificates of broker, host and nodes.

Certificates are valid from 1970, and those of CA and broker until 2049, because a board has no
clock when it connects (it starts in 1970 or 2000). Revoked client certificates are on the CRL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from idro.protocol.topics import RESERVED_NODE_IDS
from idroserra.core.errors import ConfigError
from idroserra.pki.x509 import (
    PEM,
    CertificateAuthority,
    Validity,
    general_name,
    make_authority,
    read_key,
)

BEGINS = datetime(1970, 1, 1, tzinfo=UTC)
ENDS = datetime(2049, 12, 31, tzinfo=UTC)  # the last year of ASN.1 UTCTime
NODE_YEARS = 20
HOST = RESERVED_NODE_IDS[0]  # the broker's user of the host
_NAME = "line "  # of the CA, before its number


class BrokerCA(CertificateAuthority):
    """The CA whose key and certificate are in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Read key and certificate. Raises ConfigError naming the file."""
        self.key_path = folder / "ca.key"
        try:
            super().__init__(folder / "ca.pem", self.key_path)
        except OSError as error:
            raise ConfigError(str(error.filename), "", f"{error.strerror}: restore it from a "
                              "backup; with a new CA every node must be provisioned again"
                              ) from None

    @staticmethod
    def make(folder: Path) -> BrokerCA:
        """Create a new CA in `folder`. Raises OSError.

        The subject is short ASCII: a node reads certificates of up to 512 bytes."""
        make_authority(folder / "ca.pem", folder / "ca.key", f"{_NAME}{secrets.token_hex(4)}",
                       Validity(BEGINS, ENDS))
        return BrokerCA(folder)

    @property
    def cell(self) -> str:
        """The cell whose users this CA names, such as `3f9a12c0`: their virtual host in a cluster
        of brokers."""
        found = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value).removeprefix(_NAME)

    def issue_server(self, names: Sequence[str], cert_path: Path, key_path: Path) -> None:
        """Write key and certificate of a broker with these host names. Raises OSError.

        Brokers of a cluster are clients of one another with it."""
        self._issue(names[0], Validity(BEGINS, ENDS),
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
                    cert_path, key_path, alt_names=[general_name(name) for name in names])

    def issue_client(
        self, user: str, cert_path: Path, key_path: Path, *, good_for: timedelta | None = None,
        now: datetime | None = None, keeps_key: bool = False,
    ) -> None:
        """Write key and certificate of the broker's user `user`, valid for 20 years, or for
        `good_for` from now. With `keeps_key` the certificate is for the key in `key_path`. Raises
        OSError, and ConfigError for that key.

        mosquitto reads the common name. A cluster of brokers reads the alternative names: the
        URI is the login, and a DNS name the only client id that it accepts; `host`, which has
        several connections, has none."""
        now = now or datetime.now(UTC)
        ends = now + (good_for or timedelta(days=365 * NODE_YEARS))
        login = x509.UniformResourceIdentifier(f"{self.cell}:{secrets.token_hex(6)}")
        client_id = [] if user == HOST else [x509.DNSName(user)]
        self._issue(user, Validity(BEGINS, min(ends, ENDS)), [ExtendedKeyUsageOID.CLIENT_AUTH],
                    cert_path, key_path, alt_names=[login, *client_id], keeps_key=keeps_key)

    def revocations(self, serials: Iterable[int], now: datetime | None = None) -> bytes:
        """Return the signed certificate revocation list (CRL) as PEM.

        It expires with the CA: an expired CRL makes the broker refuse every client."""
        now = now or datetime.now(UTC)
        listed = (x509.CertificateRevocationListBuilder()
                  .issuer_name(self.certificate.subject).last_update(now).next_update(ENDS))
        for serial in sorted(serials):
            listed = listed.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
                .build())
        return listed.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def is_ours(self, path: Path) -> bool:
        """Whether this CA issued the certificate in a file."""
        try:
            return self.has_issued(read_certificate(path))
        except ConfigError:
            return False


def read_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate in a file. Raises ConfigError."""
    return read_certificates(path)[0]


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates in a file, at least one. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except ValueError as error:
        raise ConfigError(str(path), "", f"not a certificate: {error}") from None


def login_of(certificate: x509.Certificate) -> str:
    """Return the cell and the login of a client certificate in a cluster of brokers, such as
    `3f9a12c0:5b7d22e1a04c`; "" for a certificate issued by an earlier version."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(found.get_values_for_type(x509.UniformResourceIdentifier)), "")


def subject_alt_names(certificate: x509.Certificate) -> set[str]:
    """Return the subject alternative names: host names and addresses."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(one.value) for one in found}


def to_der(cert_path: Path, key_path: Path) -> tuple[bytes, bytes]:
    """Return (certificate, key) in DER for a board, the key in RFC 5915 form.

    Raises ConfigError."""
    certificate = read_certificate(cert_path).public_bytes(serialization.Encoding.DER)
    return certificate, read_key(key_path).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption())
