"""Base class of the two CAs: ECDSA P-256 (RFC 5480), X.509 version 3 (RFC 5280).

The page (pki/https_ca.py) and the broker (pki/broker_ca.py) have separate CAs, so that trust in
the page does not include trust in node certificates.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idroserra.core.errors import ConfigError
from idroserra.core.hostnames import is_address

PEM = serialization.Encoding.PEM


class Validity(NamedTuple):
    """Validity period of a certificate."""

    begins: datetime
    ends: datetime


class CertificateAuthority:
    """A key and its certificate, read from two PEM files."""

    def __init__(self, path: Path, key_path: Path) -> None:
        """Read key and certificate. Raises OSError; ConfigError naming the file."""
        self.path = path
        try:
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            self.certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (ValueError, TypeError) as error:
            raise ConfigError(
                str(path.parent), "", f"invalid key or certificate: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(str(key_path), "", "not an ECDSA key")
        self._key = key

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate as text: AB:CD:..."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Return whether this CA signed a certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _issue(
        self, name: str, validity: Validity, purposes: Sequence[x509.ObjectIdentifier],
        cert_path: Path, key_path: Path, *, alt_names: Sequence[x509.GeneralName],
        is_chained: bool = False, keeps_key: bool = False,
    ) -> None:
        """Write a new key, or keep the one that is there, and write its certificate; is_chained
        appends the CA certificate. Raises OSError; ConfigError for a key that is kept."""
        key = read_key(key_path) if keeps_key else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        unsigned = (
            _builder(subject, self.certificate.subject, key.public_key(), validity, is_ca=False)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(alt_names), critical=False)
        )
        text = unsigned.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        cert_path.unlink(missing_ok=True)  # a crash must not leave it beside a new key
        if not keeps_key:
            _write_key(key_path, key)
        write_private(cert_path, text + self.certificate.public_bytes(PEM) if is_chained else text)


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in a file. Raises ConfigError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(str(path), "", f"not a key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(path), "", "not an ECDSA key")
    return key


def make_authority(
    path: Path, key_path: Path, name: str, validity: Validity,
    constraints: x509.NameConstraints | None = None,
) -> None:
    """Write the key and certificate of a new CA. Raises OSError.

    Both are complete before one is in its place: see finish_authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Idroserra"),
        x509.NameAttribute(NameOID.COMMON_NAME, name)])
    unsigned = _builder(subject, subject, key.public_key(), validity, is_ca=True).add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if constraints is not None:
        unsigned = unsigned.add_extension(constraints, critical=True)
    part = path.with_suffix(".part")
    part.mkdir(mode=0o700)
    _write_key(part / key_path.name, key)
    write_private(part / path.name, unsigned.sign(key, hashes.SHA256()).public_bytes(PEM))
    part.rename(path.with_suffix(".new"))
    finish_authority(path, key_path)


def finish_authority(path: Path, key_path: Path) -> None:
    """Place the files of a new CA that are complete, and delete incomplete ones, which were never
    used: their process was killed. Raises OSError."""
    made, part = path.with_suffix(".new"), path.with_suffix(".part")
    if part.exists():
        shutil.rmtree(part)
    if made.exists():
        for file in (key_path, path):
            if (made / file.name).exists():
                (made / file.name).replace(file)
        made.rmdir()


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey,
    validity: Validity, *, is_ca: bool,
) -> x509.CertificateBuilder:
    """Return a builder with a random serial number, basic constraints and key usage."""
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        .public_key(public_key).serial_number(x509.random_serial_number())
        .not_valid_before(validity.begins).not_valid_after(validity.ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None),
                       critical=True)
        .add_extension(x509.KeyUsage(
            digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca,
            content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, encipher_only=False, decipher_only=False), critical=True)
    )


def general_name(name: str) -> x509.GeneralName:
    """Return a host name or address as an X.509 general name."""
    if is_address(name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file of this mode atomically. Raises OSError."""
    fresh = path.with_suffix(path.suffix + ".part")  # .new: what mosquitto writes itself
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    write_private(path, key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
