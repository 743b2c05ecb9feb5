"""Authenticates messages of the host: HMAC-SHA256 with the node's key, constant-time compare.

Implements RFC 2104 over hashlib, because MicroPython has no hmac module.
"""

import binascii
import hashlib
import os

_BLOCK_BYTES = 64
_KEPT_IDS = 320  # more than a node takes in the longest life of a command: 10 and 5/s for 60 s
_MAX_IDS = 400  # then the file is cut to _KEPT_IDS


def hmac_sha256_hex(key, message):
    """Return the HMAC-SHA256 of `message` under `key` (bytes) as 64 hex digits.

    `message` is bytes or a list of bytes: a fragmented heap may have no block for all of it."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    pad = int.from_bytes(b"\x36" * _BLOCK_BYTES, "big")
    inner = hashlib.sha256((block ^ pad).to_bytes(_BLOCK_BYTES, "big"))
    for piece in message if isinstance(message, list) else (message,):
        inner.update(piece)
    pad = int.from_bytes(b"\x5c" * _BLOCK_BYTES, "big")
    outer = hashlib.sha256((block ^ pad).to_bytes(_BLOCK_BYTES, "big"))
    outer.update(inner.digest())
    return str(binascii.hexlify(outer.digest()), "ascii")


def is_authentic(key, message, auth_hex):
    """True when `auth_hex` is the HMAC of `message`. False without a key."""
    if not key or not isinstance(auth_hex, str) or len(auth_hex) != 64:
        return False
    expected, given = hmac_sha256_hex(key, message).encode(), auth_hex.encode()
    difference = 0
    for index in range(64):
        difference |= expected[index] ^ given[index]
    return difference == 0


class CommandIdLog:
    """Ids of the last 320 commands, on flash before each runs, so that none runs twice.

    Memory holds 30 bits of each hash, a small integer without heap cost. One new id in about
    3 million is mistaken for a known one; that command does not run."""

    def __init__(self, path):
        self._path = path
        self._hashes = []
        try:
            with open(path) as file:
                for line in file:
                    self._hashes.append(_short_hash(line.rstrip("\n")))
                    del self._hashes[:-_KEPT_IDS]
        except (OSError, ValueError):
            self._hashes = []  # commands are bound to one boot, so older ids are not needed

    def has(self, command_id):
        """True if `command_id` was added before."""
        return _short_hash(command_id) in self._hashes

    def add(self, command_id):
        """Store `command_id`. Raises OSError: the command must not run."""
        with open(self._path, "a") as file:
            file.write(command_id + "\n")
        self._hashes.append(_short_hash(command_id))
        if len(self._hashes) > _MAX_IDS:
            del self._hashes[:-_KEPT_IDS]
            self._truncate()

    def _truncate(self):
        """Truncate the file to its last 320 lines."""
        with open(self._path) as file:
            left = sum(1 for _ in file)
        with open(self._path) as file, open(self._path + ".new", "w") as new_file:
            for line in file:
                if left <= _KEPT_IDS:
                    new_file.write(line)
                left -= 1
        os.rename(self._path + ".new", self._path)


def _short_hash(command_id):
    digest = hashlib.sha256(command_id.encode()).digest()
    return int.from_bytes(digest[:4], "little") & 0x3FFF_FFFF
