"""Verifies that a slot holds a complete, signed release for this board before it runs.

Everything is read back from flash. The key is RSA-3072, PKCS#1 v1.5 with SHA-256 (RFC 8017,
8.2.2), its modulus written to NVS over USB and never over the air.
"""

import binascii
import hashlib

from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE_BYTES
from idro.update import file_slots, platform, state
from idro.update.manifest import file_sha256, malformed

SIGNATURE = "signature"
# Written before the trial, which compares the health of the application with it.
HEALTH_FILE = "before"
_EXPONENT = 65_537
_KEYS = ("update_key", "update_spare")
_CHUNK_BYTES = 512
# DER of DigestInfo for SHA-256, without the digest (RFC 8017, 9.2).
_DIGEST_INFO = b"010\r\x06\t`\x86H\x01e\x03\x04\x02\x01\x05\x00\x04 "


def is_signed(modulus, signature, digest):
    """True if `signature` over `digest` is of this key; all are big-endian bytes."""
    number, value = int.from_bytes(modulus, "big"), int.from_bytes(signature, "big")
    if len(signature) != SIGNATURE_BYTES or not 1 < value < number:
        return False
    padding = b"\xff" * (SIGNATURE_BYTES - 3 - len(_DIGEST_INFO) - len(digest))
    block = b"\x00\x01" + padding + b"\x00" + _DIGEST_INFO + digest
    return pow(value, _EXPONENT, number) == int.from_bytes(block, "big")


def trusted_keys():
    """Return the moduli of the keys that this board trusts, none to two."""
    store = platform.NvsStore()
    found = [store.blob(name, SIGNATURE_BYTES) for name in _KEYS]
    return [key for key in found if key and len(key) == SIGNATURE_BYTES and key[0] & 0x80]


def key_id(modulus):
    """Return the id of a key, 16 hex digits."""
    return str(binascii.hexlify(hashlib.sha256(modulus).digest()[:8]), "ascii")


def check_manifest(slot):
    """Verify the manifest in `slot`; returns its Header. Raises UpdateError and OSError."""
    root = "/" + slot
    with open(f"{root}/{SIGNATURE}", "rb") as file:
        signature = file.read(SIGNATURE_BYTES + 1)
    trusted = trusted_keys()
    if not trusted:
        raise UpdateError(Reason("no_update_key"))
    with open(f"{root}/{MANIFEST}", "rb") as file:
        file.seek(0, 2)
        if file.tell() > MAX_MANIFEST_BYTES:
            raise malformed()
    digest = file_sha256(f"{root}/{MANIFEST}", bytearray(_CHUNK_BYTES))
    if not any(is_signed(key, signature, digest) for key in trusted):
        raise UpdateError(Reason("bad_signature"))
    header = state.header(slot)
    reason = state.incompatibility(header)
    if reason is not None:
        raise UpdateError(reason)
    minimum = state.security_counter()
    if header.security_counter < minimum:
        raise UpdateError(Reason(
            "counter_low", counter=header.security_counter, current_counter=minimum))
    if state.was_reverted(digest):
        raise UpdateError(Reason("rolled_back_before"))
    return header


def check(slot):
    """Verify all of `slot` again. Yields often. Raises UpdateError and OSError."""
    check_manifest(slot)
    yield None
    yield from file_slots.check_files(slot)
