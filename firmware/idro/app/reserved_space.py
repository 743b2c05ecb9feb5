"""Room on flash that is kept for what must go on when flash is full: a file of nothing.

When flash is full or refuses, the file goes, and ledger, settings and command ids have its place;
the outbox grows no more meanwhile. It is laid anew once there is room for it twice.
"""

import os

BLOCKS = 32  # two ledgers at their longest, one being rewritten, and half as much again
FULL_BLOCKS = 8  # fewer are free: full
LOOK_EVERY_MS = 600_000  # counting free blocks reads all folders of littlefs
_BLOCK_BYTES = 4_096
_CHUNK_BYTES = 512


class ReservedSpace:
    """The file at `path`. `is_laid` is True while it is there."""

    def __init__(self, path):
        self._path = path
        self._look_due_ms = 0
        self.is_laid = False

    def watch(self, now_ms, has_failed):
        """Drop or lay the file as flash is. Returns True when it was dropped now."""
        if has_failed:
            return self.is_laid and self._drop()
        if now_ms < self._look_due_ms:
            return False
        self._look_due_ms = now_ms + LOOK_EVERY_MS
        try:
            free_blocks = self._free_blocks()
            if self.is_laid or self._is_whole():
                self.is_laid = True
                return free_blocks < FULL_BLOCKS and self._drop()
            if free_blocks >= 2 * BLOCKS:
                self._write()
        except OSError as error:
            print("no ballast:", error)
        return False

    def _drop(self):
        self.is_laid = False
        try:
            os.remove(self._path)
        except OSError as error:
            print("the ballast stays:", error)
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
        self.is_laid = True
