"""What is still missing of a release that is one application frozen into MicroPython: it goes into
the partition that is idle, block by block. How far it came is kept in NVS after each block."""

import binascii
import hashlib

from idro.errors import UpdateError
from idro.protocol.kernel import ABOUT_FILE
from idro.update import chip, partitions
from idro.update.manifest import is_file

_ERASE = 6  # of MicroPython's block devices
_CHUNK_BYTES = 1_024


class FetchedFirmware:
    """The application in a partition, and its description in a file."""

    def __init__(self, fetch):
        """`fetch` is the Fetch that asks for it."""
        self._fetch = fetch
        self._slot = fetch.slot
        self._at_key = "update_at_" + self._slot

    def forget(self):
        """Another release is to come: nothing of this one can stay. Raises OSError."""
        chip.Store().put(**{self._at_key: 0})

    def prepare(self):
        """Nothing of it takes room between files."""

    def finish(self):
        """Nothing lies beside it."""

    async def have(self, entry):
        """Have one file of the manifest in its place. Raises UpdateError and OSError."""
        if entry.path == ABOUT_FILE:
            if not is_file(f"/{self._slot}/{ABOUT_FILE}", entry, bytearray(_CHUNK_BYTES)):
                await self._fetch.small_file(ABOUT_FILE, entry.size)
            partitions.check_about(self._slot, entry)
            await self._fetch.rest()
            return
        room = partitions.size_bytes(self._slot)
        if entry.size > room:
            raise UpdateError(f"it needs {entry.size // 1_024} kB of flash, "
                              f"{room // 1_024} kB are free")
        await self._download(entry)
        if not await self._reads_back(entry):
            self.forget()
            raise UpdateError(f"{entry.path} does not read back as its manifest says")

    async def _download(self, entry):
        part, store = partitions.partition(self._slot), chip.Store()
        block_bytes = partitions.BLOCK_BYTES
        at = store.number(self._at_key) or 0
        while at < entry.size:
            block = at // block_bytes
            until = min(entry.size, at + block_bytes)
            await self._fetch.until_no_dose()
            part.ioctl(_ERASE, block)
            while at < until:
                data = await self._fetch.asked(entry.path, at, until - at)
                part.writeblocks(block, data, at % block_bytes)
                at += len(data)
            store.put(**{self._at_key: at})

    async def _reads_back(self, entry):
        part = partitions.partition(self._slot)
        view = memoryview(bytearray(_CHUNK_BYTES))
        digest = hashlib.sha256()
        for at in range(0, entry.size, _CHUNK_BYTES):
            piece = view[: min(_CHUNK_BYTES, entry.size - at)]
            part.readblocks(at // partitions.BLOCK_BYTES, piece, at % partitions.BLOCK_BYTES)
            digest.update(piece)
            await self._fetch.rest()
        return digest.digest() == binascii.unhexlify(entry.sha256)
