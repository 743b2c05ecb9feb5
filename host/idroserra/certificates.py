"""What certificates of ours are made of: ECDSA P-256 (RFC 5480), X.509 version 3 (RFC 5280).

The authority of the page (lan/authority.py) and that of the line to the nodes (line/authority.py)
are two, so that a phone that trusts the page says nothing about who may be a node.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from idroserra.lan.names import is_address


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def builder(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    """Return the beginning of a certificate with a random serial number."""
    return (x509.CertificateBuilder().subject_name(subject).public_key(public_key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins)
            .not_valid_after(ends))


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return the key usage of an authority, or of who proves its own name."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False)


def general_name(name: str) -> x509.GeneralName:
    """Return a host name or an address as certificates hold it."""
    if is_address(name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all. Raises OSError."""
    fresh = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
