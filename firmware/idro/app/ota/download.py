"""Downloads a release into the idle slot, verifies it and starts its trial.

A download that broke off resumes at the byte where it stopped. file_download determines which
files are missing and where they go.
"""

import asyncio
import binascii
import gc
import os

from idro.app.ota.paths import remove, size_of
from idro.errors import ProtocolError, UpdateError
from idro.protocol import update_messages as messages
from idro.protocol.reason import Reason
from idro.protocol.release_layout import MANIFEST
from idro.update import file_slots, slots, state, verify
from idro.update.manifest import entries

_PART = ".part"
_RESPONSE_MS = (3_000, 6_000, 12_000, 24_000, 60_000)
_MAX_TRIES = 40  # requests in a row without a response, some 36 minutes
_IDLE_MS = 1_000
_MAX_IDLE_MS = 3_600_000
_MIN_HEAP_B = 24_000


def refusal(offer, running_release, obstacle, has_space):
    """Return the Reason why the release of `offer` is not downloaded now, or None.

    `running_release` is the hash of the release that runs, `obstacle` the Reason why the board
    must not restart now, or None.
    """
    if slots.running.state == "trial":
        return Reason("trial")
    if running_release == offer.sha256:
        return Reason("runs_already")
    if obstacle:
        return obstacle
    if not has_space:
        return Reason("flash_refuses")
    reason = file_slots.obstacle()
    if reason:
        return reason
    gc.collect()
    if gc.mem_free() < _MIN_HEAP_B:
        return Reason("memory_low", free_kb=gc.mem_free() // 1_000)
    trusted = verify.trusted_keys()
    if not trusted:
        return Reason("no_update_key")
    if not any(verify.key_id(key) == offer.key_id for key in trusted):
        return Reason("unknown_key")
    return None


class Download:
    """One update, from the Offer to the reset."""

    def __init__(self, offer, *, clock, network, readings, restart_obstacle, restart):
        """The keywords are as in UpdateService; `readings` are the Sampler's."""
        self._offer = offer
        self._clock = clock
        self._network = network
        self._readings = readings
        self._restart_obstacle = restart_obstacle
        self._restart = restart
        self._sha8 = binascii.unhexlify(offer.sha256)[:8]
        self.slot = file_slots.idle_slot()
        self._root = "/" + self.slot
        self._number = 0  # of the request that waits for its response
        self._piece = None
        self._answered = asyncio.Event()
        self._cancelled = None  # the Reason
        self._made = ""  # the folder that exists

    def take(self, payload):
        """Take one down/update_data. Ignores a piece that was not requested."""
        try:
            piece = messages.unpack_chunk(payload)
        except ProtocolError:
            return
        if piece.sha8 == self._sha8 and piece.number == self._number:
            self._piece = piece.data
            self._answered.set()

    def cancel(self, reason):
        """End the download at its next step."""
        self._cancelled = reason
        self._answered.set()

    async def run(self, on_complete):
        """Download, verify and install; ends in a reset.

        Raises UpdateError and OSError: the application that runs has not changed.
        """
        from idro.app.ota.file_download import FileDownload

        await self._fetch_manifest()
        verify.check_manifest(self.slot)
        await self.pause()
        files = FileDownload(self)
        files.prepare()
        for entry in entries(f"{self._root}/{MANIFEST}"):
            await files.complete(entry)
        files.delete_others()
        on_complete()
        await self._until_idle()
        self._save_health()
        for _ in verify.check(self.slot):
            await self.pause()
        await self._until_idle()
        file_slots.start_trial(self.slot)  # last: a refused release must not start at a reset
        self._restart()

    async def pause(self):
        """Let other tasks run. Raises UpdateError if the download was cancelled."""
        if self._cancelled:
            raise UpdateError(self._cancelled)
        await self._clock.sleep_ms(1)

    async def _fetch_manifest(self):
        offer = self._offer
        path = f"{self._root}/{MANIFEST}"
        if state.manifest_sha256(self.slot) != binascii.unhexlify(offer.sha256):
            remove(path)
            self.make_folder(self.slot + "/")
            with open(path + _PART, "wb") as file:
                while file.tell() < offer.size:
                    at = file.tell()
                    file.write(await self.request(MANIFEST, at, offer.size - at))
            os.rename(path + _PART, path)
        if state.manifest_sha256(self.slot) != binascii.unhexlify(offer.sha256):
            remove(path)
            raise UpdateError(Reason("other_manifest"))
        with open(f"{self._root}/{verify.SIGNATURE}", "wb") as file:
            file.write(offer.signature)

    async def request(self, path, offset, size):
        """Return bytes of a file from the host, `size` or MAX_CHUNK_BYTES of them.

        Repeats the request without a response. Raises UpdateError after _MAX_TRIES, and when the
        file ends too early.
        """
        size = min(size, messages.MAX_CHUNK_BYTES)
        for attempt in range(_MAX_TRIES):
            self._number = (self._number + 1) & messages.MAX_NUMBER
            self._piece = None
            self._answered.clear()
            ask = messages.ChunkRequest(self._offer.sha256, self._number, path, offset, size)
            self._network.publisher.send_update(messages.pack_chunk_request(ask))
            wait_ms = _RESPONSE_MS[min(attempt, len(_RESPONSE_MS) - 1)]
            try:
                await asyncio.wait_for(self._answered.wait(), wait_ms / 1_000)
            except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no built-in one)
                continue
            if self._cancelled:
                raise UpdateError(self._cancelled)
            if self._piece is not None:
                if len(self._piece) != size:
                    raise UpdateError(Reason("path_short", path=path))
                return self._piece
        raise UpdateError(Reason("host_silent"))

    async def _until_idle(self):
        """Wait until the board may restart. Raises UpdateError."""
        waited_ms = 0
        while self._restart_obstacle() or self._network.publisher.has_unsent_ack:
            if waited_ms >= _MAX_IDLE_MS:
                raise UpdateError(Reason("never_idle"))
            waited_ms += _IDLE_MS
            await self._clock.sleep_ms(_IDLE_MS)
            await self.pause()

    def _save_health(self):
        """Save connection and plausible channels; the trial is compared with them."""
        lines = ["online" if self._network.is_stored_lately else "offline"]
        lines += [channel for channel, sample in self._readings.items() if sample.fault is None]
        with open(f"{self._root}/{verify.HEALTH_FILE}", "w") as file:
            file.write("\n".join(lines) + "\n")

    def make_folder(self, path):
        """Create the folders of `path`, which is relative to the root of the flash."""
        folder = path.rsplit("/", 1)[0]
        if folder == self._made:
            return
        made = ""
        for part in folder.split("/"):
            made += "/" + part
            if size_of(made) is None:
                os.mkdir(made)
        self._made = folder
