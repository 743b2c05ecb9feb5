"""Fetches a release into the slot that is idle, checks it and puts it on trial.

What lies in the slot from an earlier try is kept, the rest is asked for piece by piece. Whatever
breaks it off, a new offer goes on at the byte. fetched_files knows what is still missing, and
where it goes.
"""

import asyncio
import binascii
import gc
import os

from idro.app.ota.paths import remove, size_of
from idro.app.ota.reasons import PLANNED
from idro.errors import ProtocolError, UpdateError
from idro.protocol import update_messages as messages
from idro.protocol.release_layout import MANIFEST
from idro.update import file_slots, slots, state, verify
from idro.update.manifest import entries

_PART = ".part"
_ANSWER_MS = (3_000, 6_000, 12_000, 24_000, 60_000)
_GIVE_UP_AFTER = 40  # unanswered questions in a row, some 36 minutes
_IDLE_MS = 1_000
_MAX_IDLE_MS = 3_600_000
_MIN_HEAP_B = 24_000


def refusal(node, offer, running):
    """Return why nothing is fetched now, or None. `running` is that of up/info."""
    if slots.running.state == "trial":
        return "an update is on trial and not confirmed yet"
    if running.release == offer.sha256:
        return "it runs already"
    why = busy(node)
    if why:
        return why
    if not node.ballast.is_laid:
        return "flash is full or refuses"
    why = file_slots.obstacle()
    if why:
        return why
    gc.collect()
    if gc.mem_free() < _MIN_HEAP_B:
        return f"memory is low, {gc.mem_free() // 1_000} kB are free"
    trusted = verify.keys()
    if not trusted:
        return "this board has no key for updates"
    if not any(verify.key_id(key) == offer.key_id for key in trusted):
        return "its key is not one of this board's"
    return None


def busy(node):
    """Return why the node must not be invalidate now, or None."""
    if node.gate.dosing is not None or node.doses.is_busy:
        return "a dose is under way"
    if node.correction.is_open:
        return "a correction is open: end it first"
    if node.loops.held_ms:
        return "probes are being calibrated"
    if node.loops.water_moves:
        return "water moves by itself: look at the tank first"
    return None


class Download:
    """One update, from the offer to the reset. `ask(payload)` sends up/update."""

    def __init__(self, node, offer, ask):
        self._node = node
        self._offer = offer
        self._ask = ask
        self._sha8 = binascii.unhexlify(offer.sha256)[:8]
        self.slot = file_slots.idle()
        self._root = "/" + self.slot
        self._number = 0
        self._piece = None
        self._answered = asyncio.Event()
        self._stopped = ""
        self._made = ""  # the folder that is known to be there

    def take(self, payload):
        """Take one down/update_data; what was not asked for is passed over."""
        try:
            piece = messages.unpack_chunk(payload)
        except ProtocolError:
            return
        if piece.sha8 == self._sha8 and piece.number == self._number:
            self._piece = piece.data
            self._answered.set()

    def cancel(self, why):
        """Break off as soon as it can be."""
        self._stopped = why
        self._answered.set()

    async def run(self, on_complete):
        """Do all of it; ends in a reset. Raises UpdateError and OSError: nothing has changed."""
        from idro.app.ota.file_download import FileDownload

        await self._fetch_manifest()
        verify.check_manifest(self.slot)
        await self.rest()
        fetched = FileDownload(self)
        fetched.prepare()
        for entry in entries(f"{self._root}/{MANIFEST}"):
            await fetched.have(entry)
        fetched.finish()
        on_complete()
        await self._until_idle()
        self._note_before()
        for _ in verify.install(self.slot):
            await self.rest()
        await self._until_idle()
        self._node.restart(PLANNED)

    async def rest(self):
        """Let everything else run."""
        if self._stopped:
            raise UpdateError(self._stopped)
        await self._node.clock.sleep_ms(1)

    async def _fetch_manifest(self):
        offer = self._offer
        path = f"{self._root}/{MANIFEST}"
        if state.manifest_sha256(self.slot) != binascii.unhexlify(offer.sha256):
            remove(path)
            self.make_folder(self.slot + "/")
            with open(path + _PART, "wb") as file:
                while file.tell() < offer.size:
                    at = file.tell()
                    file.write(await self.asked(MANIFEST, at, offer.size - at))
            os.rename(path + _PART, path)
        if state.manifest_sha256(self.slot) != binascii.unhexlify(offer.sha256):
            remove(path)
            raise UpdateError("its manifest is not the one that was offered")
        with open(f"{self._root}/{verify.SIGNATURE}", "wb") as file:
            file.write(offer.signature)

    async def asked(self, path, offset, size):
        """Return bytes of the release from the host; asks again for what does not come.

        Raises UpdateError when nothing comes at all, or the file ends before its time.
        """
        size = min(size, messages.MAX_CHUNK_BYTES)
        for attempt in range(_GIVE_UP_AFTER):
            self._number = (self._number + 1) & messages.MAX_NUMBER
            self._piece = None
            self._answered.clear()
            ask = messages.ChunkRequest(self._offer.sha256, self._number, path, offset, size)
            self._ask(messages.pack_chunk_request(ask))
            wait_ms = _ANSWER_MS[min(attempt, len(_ANSWER_MS) - 1)]
            try:
                await asyncio.wait_for(self._answered.wait(), wait_ms / 1_000)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no built-in one)
                continue
            if self._stopped:
                raise UpdateError(self._stopped)
            if self._piece is not None:
                if len(self._piece) != size:
                    raise UpdateError(f"{path} ends too soon")
                return self._piece
        raise UpdateError("the host does not answer")

    async def _until_idle(self):
        """Wait for a moment in which nothing is dosed and no pump runs. Raises UpdateError."""
        node = self._node
        waited_ms = 0
        while busy(node) or node.link.has_unsent_ack:
            if waited_ms >= _MAX_IDLE_MS:
                raise UpdateError("the node was never idle")
            waited_ms += _IDLE_MS
            await node.clock.sleep_ms(_IDLE_MS)
            await self.rest()

    def _note_before(self):
        """Write down how well the node is: the trial is held against it."""
        node = self._node
        lines = ["online" if node.link.is_stored_lately else "offline"]
        lines += [channel for channel, sample in node.sampler.readings.items()
                  if sample.fault is None]
        with open(f"{self._root}/{verify.BEFORE}", "w") as file:
            file.write("\n".join(lines) + "\n")

    def make_folder(self, path):
        """Make the folders above `path`, which is relative to the root of the flash."""
        folder = path.rsplit("/", 1)[0]
        if folder == self._made:
            return
        made = ""
        for part in folder.split("/"):
            made += "/" + part
            if size_of(made) is None:
                os.mkdir(made)
        self._made = folder
