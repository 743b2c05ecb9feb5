"""Is a message from our host: HMAC-SHA256 with the key of this node, compared in constant time.

RFC 2104 over hashlib: MicroPython has no hmac module.
"""

import binascii
import hashlib
import os

_BLOCK_BYTES = 64
_KEPT_IDS = 200


def hmac_sha256_hex(key, message):
    """Return the HMAC-SHA256 of `message` under `key` (bytes) as 64 hex digits.

    A message is bytes, or a list of them: a crowded heap may have no room for it in one."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = key + bytes(_BLOCK_BYTES - len(key))
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    for piece in message if isinstance(message, list) else (message,):
        inner.update(piece)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
    outer.update(inner.digest())
    return str(binascii.hexlify(outer.digest()), "ascii")


def is_authentic(key, message, auth_hex):
    """True when `auth_hex` is the HMAC of `message`. A missing key authenticates nothing."""
    if not key or not isinstance(auth_hex, str) or len(auth_hex) != 64:
        return False
    wanted = hmac_sha256_hex(key, message)
    difference = 0
    for index in range(64):
        difference |= ord(wanted[index]) ^ ord(auth_hex[index])
    return difference == 0


class SeenIds:
    """Ids of commands, on flash before each runs, so that none runs twice. Keeps the last 200."""

    def __init__(self, path):
        self._path = path
        self._ids = []
        try:
            with open(path) as file:
                self._ids = [line for line in file.read().split("\n") if line][-_KEPT_IDS:]
        except (OSError, ValueError):
            self._ids = []  # commands are bound to a boot: those of earlier ones never run

    def has(self, command_id):
        """True when `command_id` was added before."""
        return command_id in self._ids

    def add(self, command_id):
        """Write `command_id` down. Raises OSError; then it must not run."""
        with open(self._path, "a") as file:
            file.write(command_id + "\n")
        self._ids.append(command_id)
        if len(self._ids) > 2 * _KEPT_IDS:
            self._ids = self._ids[-_KEPT_IDS:]
            with open(self._path + ".new", "w") as file:
                file.write("\n".join(self._ids) + "\n")
            os.rename(self._path + ".new", self._path)
