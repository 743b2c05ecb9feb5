"""Reserves flash space with a dummy file that is deleted when flash is full or fails.

Ledger, settings and command ids then use its space, and the outbox stops growing. The file is
created again once twice its space is free.
"""

import os

BLOCKS = 32  # two ledgers at their longest, one being rewritten, and half as much again
FULL_BLOCKS = 8  # with fewer free, flash is full
CHECK_EVERY_MS = 600_000  # counting free blocks reads all folders of littlefs
_BLOCK_BYTES = 4_096
_CHUNK_BYTES = 512


class ReservedSpace:
    """The dummy file at `path`. `is_reserved` is True while it exists."""

    def __init__(self, path):
        self._path = path
        self._check_due_ms = 0
        self.is_reserved = False

    def update(self, now_ms, has_failed):
        """Create or delete the file as needed. Returns True when it was just deleted."""
        if has_failed:
            return self.is_reserved and self._release()
        if now_ms < self._check_due_ms:
            return False
        self._check_due_ms = now_ms + CHECK_EVERY_MS
        try:
            free_blocks = self._free_blocks()
            if self.is_reserved or self._is_whole():
                self.is_reserved = True
                return free_blocks < FULL_BLOCKS and self._release()
            if free_blocks >= 2 * BLOCKS:
                self._write()
        except OSError as error:
            print("no space reserved:", error)
        return False

    def _release(self):
        self.is_reserved = False
        try:
            os.remove(self._path)
        except OSError as error:
            print("reserved space not released:", error)
        return True

    def _free_blocks(self):
        size = os.statvfs("/")
        return size[0] * size[3] // _BLOCK_BYTES

    def _is_whole(self):
        try:
            return os.stat(self._path)[6] == BLOCKS * _BLOCK_BYTES
        except OSError:
            return False

    def _write(self):
        chunk = bytes(_CHUNK_BYTES)
        with open(self._path, "wb") as file:
            for _ in range(BLOCKS * _BLOCK_BYTES // _CHUNK_BYTES):
                file.write(chunk)
        self.is_reserved = True
