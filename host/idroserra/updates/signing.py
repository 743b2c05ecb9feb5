"""The keys of releases: RSA-3072, PKCS#1 v1.5 over SHA-256 (RFC 8017, section 8.2).

The private key is only on the release maker's machine: a file of mode 0600, encrypted if a
passphrase is given. The host and the nodes have public keys only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from idroserra.core.errors import ConfigError

if TYPE_CHECKING:  # saves 7 MiB on a host without keys
    from cryptography.hazmat.primitives.asymmetric import rsa

    from idroserra.provisioning.nvs import Value

KEY_BITS = 3_072
MODULUS_BYTES = KEY_BITS // 8
EXPONENT = 65_537
ID_CHARS = 16
MOST_TRUSTED = 2  # the current key and a spare, as on a node


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies releases."""

    key: rsa.RSAPublicKey

    @property
    def modulus(self) -> bytes:
        """The modulus as stored on a node: 384 bytes, big endian."""
        return self.key.public_numbers().n.to_bytes(MODULUS_BYTES, "big")

    @property
    def id(self) -> str:
        """The first 16 hex digits of SHA-256 over the modulus."""
        return hashlib.sha256(self.modulus).hexdigest()[:ID_CHARS]

    def has_signed(self, manifest: bytes, signature: bytes) -> bool:
        """Return True if the signature is valid for these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            self.key.verify(signature, manifest, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def make(private_path: Path, public_path: Path, passphrase: bytes | None) -> PublicKey:
    """Generate a key pair in two new files; return the public key. Raises ConfigError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    for path in (private_path, public_path):
        if path.exists():
            raise ConfigError(str(path), "", "exists already: a key is never replaced; choose "
                              "another name")
    key = rsa.generate_private_key(EXPONENT, KEY_BITS)
    locked = (serialization.NoEncryption() if passphrase is None
              else serialization.BestAvailableEncryption(passphrase))
    _write(private_path, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked), 0o600)
    _write(public_path, key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return PublicKey(key.public_key())


def needs_passphrase(path: Path) -> bool:
    """Return True if the private key in this file is encrypted. Raises ConfigError."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in _read(path)


def load_private(path: Path, passphrase: bytes | None) -> rsa.RSAPrivateKey:
    """Return the private key of a file. Raises ConfigError without any of its content."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    data = _read(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(str(path), "", "others can read this private key: chmod 600, and "
                          "consider whether it is still secret")
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except (ValueError, TypeError):
        why = "not a private key, or a wrong passphrase" if passphrase else "not a private key"
        raise ConfigError(str(path), "", why) from None
    if not isinstance(key, rsa.RSAPrivateKey) or not _fits(key.public_key()):
        raise ConfigError(str(path), "", f"not a key of `idroserra update keygen`: RSA with "
                          f"{KEY_BITS} bits is needed")
    return key


def load_public(path: Path) -> PublicKey:
    """Return the public key of a file. Raises ConfigError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    data = _read(path)
    if b"PRIVATE KEY" in data:
        raise ConfigError(str(path), "", "this is the private key, which stays with the release "
                          "maker; use the .pub file")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError):
        raise ConfigError(str(path), "", "not a public key of `idroserra update keygen`") from None
    if not isinstance(key, rsa.RSAPublicKey) or not _fits(key):
        raise ConfigError(str(path), "", f"RSA with {KEY_BITS} bits is needed")
    return PublicKey(key)


def load_trusted(paths: Iterable[Path]) -> tuple[PublicKey, ...]:
    """Return the public keys of files, two at most. Raises ConfigError."""
    found = tuple(load_public(path) for path in paths)
    if len(found) > MOST_TRUSTED:
        raise ConfigError("update keys", "", f"{MOST_TRUSTED} at most, as on a node")
    if len({key.id for key in found}) < len(found):
        raise ConfigError("update keys", "", "the same key twice")
    return found


def update_key_values(paths: Iterable[Path]) -> dict[str, Value]:
    """Return the NVS values of the release keys in files, or {} without. Raises ConfigError."""
    from idroserra.provisioning.nvs import UPDATE_KEYS  # loads the serial port

    moduli = [key.modulus for key in load_trusted(paths)]
    return dict(zip_longest(UPDATE_KEYS, moduli)) if moduli else {}


def sign(key: rsa.RSAPrivateKey, manifest: bytes) -> bytes:
    """Return the signature, 384 bytes. The same key and bytes give the same signature."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    return key.sign(manifest, padding.PKCS1v15(), hashes.SHA256())


def _fits(key: rsa.RSAPublicKey) -> bool:
    return key.key_size == KEY_BITS and key.public_numbers().e == EXPONENT


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
