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


class CommandIdLog:
    """Ids of commands, on flash before each runs, so that none runs twice. Keeps the last 200.

    In memory each is 30 bits of its hash, which takes no room on the heap: an id that was never
    seen is taken for one that was once in some 3 million times, and then it does not run."""

    def __init__(self, path):
        self._path = path
        self._marks = []
        try:
            with open(path) as file:
                for line in file:
                    self._marks.append(_mark(line.rstrip("\n")))
                    del self._marks[:-_KEPT_IDS]
        except (OSError, ValueError):
            self._marks = []  # commands are bound to a boot: those of earlier ones never run

    def has(self, command_id):
        """True when `command_id` was added before."""
        return _mark(command_id) in self._marks

    def add(self, command_id):
        """Write `command_id` down. Raises OSError; then it must not run."""
        with open(self._path, "a") as file:
            file.write(command_id + "\n")
        self._marks.append(_mark(command_id))
        if len(self._marks) > 2 * _KEPT_IDS:
            del self._marks[:-_KEPT_IDS]
            self._shorten()

    def _shorten(self):
        """Leave the last 200 lines of the file."""
        with open(self._path) as file:
            left = sum(1 for _ in file)
        with open(self._path) as file, open(self._path + ".new", "w") as newer:
            for line in file:
                if left <= _KEPT_IDS:
                    newer.write(line)
                left -= 1
        os.rename(self._path + ".new", self._path)


def _mark(command_id):
    digest = hashlib.sha256(command_id.encode()).digest()
    return int.from_bytes(digest[:4], "little") & 0x3FFF_FFFF
