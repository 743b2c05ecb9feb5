"""Completes the files of a release in a slot: copies those that run already, downloads the others.

A file is named `.part` until its hash is verified.
"""

import os

from idro.app.ota.paths import remove, size_of
from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import MANIFEST
from idro.update import slots
from idro.update.manifest import entries, is_file, walk

_PART = ".part"
_COMMIT_BYTES = 4_096  # the file is closed after so many: a power cut loses no more
_COPY_BYTES = 512
_TRIES = 3
_BLOCK_BYTES = 4_096
_SPARE_BLOCKS = 24  # for the slot's folders, and for replacing ledger and settings


class FileDownload:
    """The files of a slot, completed with the requests of a Download."""

    def __init__(self, download):
        self._download = download
        self._root = "/" + download.slot

    def prepare(self):
        """Delete other files and check the free space. Raises UpdateError and OSError."""
        self.delete_others()
        blocks = _SPARE_BLOCKS
        for entry in entries(f"{self._root}/{MANIFEST}"):
            blocks += -(-entry.size // _BLOCK_BYTES) - -(-self._size(entry.path) // _BLOCK_BYTES)
        stat = os.statvfs("/")
        free = stat[0] * stat[3] // _BLOCK_BYTES
        if blocks > free:
            raise UpdateError(Reason("flash_needed", needed_kb=blocks * 4, free_kb=free * 4))

    def delete_others(self):
        """Delete the files that are not of this release; its parts remain."""
        wanted = entries(f"{self._root}/{MANIFEST}")
        entry = next(wanted, None)
        for found in walk(self._root + "/idro"):
            name = "idro/" + found
            if name.endswith(_PART):
                name = name[: -len(_PART)]
            while entry is not None and entry.path < name:
                entry = next(wanted, None)
            if entry is None or entry.path != name:
                os.remove(f"{self._root}/idro/{found}")

    async def complete(self, entry):
        """Copy or download the file of a manifest Entry. Raises UpdateError and OSError."""
        path = f"{self._root}/{entry.path}"
        buffer = bytearray(_COPY_BYTES)
        if is_file(path, entry, buffer):
            await self._download.pause()
            return
        remove(path)
        self._download.make_folder(f"{self._download.slot}/{entry.path}")
        part = path + _PART
        runs = slots.running.slot
        source = f"/{runs}/{entry.path}" if runs else "/" + entry.path
        if is_file(source, entry, buffer):
            await self._copy(source, part, buffer)
            if is_file(part, entry, buffer):
                os.rename(part, path)
                return
        for _ in range(_TRIES):
            await self._fetch(entry, part)
            if is_file(part, entry, buffer):
                os.rename(part, path)
                return
            remove(part)
        raise UpdateError(Reason("path_mismatch", path=entry.path))

    def _size(self, path):
        size = size_of(f"{self._root}/{path}")
        return size if size is not None else size_of(f"{self._root}/{path}{_PART}") or 0

    async def _fetch(self, entry, part):
        at = size_of(part) or 0
        if at > entry.size:
            remove(part)
            at = 0
        is_new = at == 0
        while at < entry.size or is_new:
            with open(part, "wb" if is_new else "ab") as file:
                is_new = False
                until = min(entry.size, (at // _COMMIT_BYTES + 1) * _COMMIT_BYTES)
                while at < until:
                    data = await self._download.request(entry.path, at, until - at)
                    file.write(data)
                    at += len(data)

    async def _copy(self, source, part, buffer):
        view = memoryview(buffer)
        with open(source, "rb") as old, open(part, "wb") as new:
            while True:
                count = old.readinto(buffer)
                if not count:
                    break
                new.write(view[:count])
                await self._download.pause()
