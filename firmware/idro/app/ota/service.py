"""The update service: accepts offers, downloads a release and watches one on trial.

Imports the modules that do the work only while they are needed.
"""

import asyncio
import gc

from idro.errors import UpdateError
from idro.net.module_cache import unload
from idro.protocol.messages import RunningRelease
from idro.protocol.reason import Reason
from idro.safety.outputs import Refused
from idro.update import slots

_TEMPORARY = ("idro.app.ota.download", "idro.app.ota.paths", "idro.app.ota.file_download",
              "idro.app.ota.trial", "idro.protocol.update_messages", "idro.update.verify",
              "idro.update.file_slots", "idro.update.state", "idro.update.manifest")


class UpdateService:
    """At most one update at a time."""

    def __init__(self, context, *, commands, network, space, ledger, restart_obstacle, restart):
        """`restart_obstacle()` returns the Reason why the board must not restart now, or None;
        `restart()` restarts it; `space` is the ReservedSpace."""
        self._context = context
        self._commands = commands
        self._network = network
        self._restart_obstacle = restart_obstacle
        self._space = space
        self._ledger = ledger
        self._restart = restart
        self._requested = asyncio.Event()
        self._offer: tuple | None = None  # (Offer, by)
        self._download = None
        self.running = self._read_running()
        _unload()

    def receive(self, leaf, payload):
        """Take down/update or down/update_data."""
        if leaf == "update_data":
            if self._download is not None:
                self._download.take(payload)
            return
        from idro.protocol.update_messages import unpack_update

        self._commands.receive(payload, unpack_update)
        if self._offer is None:
            _unload()

    def offer(self, offer, by, answer):
        """Accept an offered release for download. Raises Refused."""
        from idro.app.ota.download import refusal

        if self._offer is None:
            reason = refusal(offer, self.running.release, self._restart_obstacle(),
                             self._space.is_reserved)
        else:
            reason = Reason("update_busy")
        if reason is not None:
            self._record("update_refused", offer, reason=reason)
            raise Refused(reason)
        self._offer = (offer, by)
        self._record("update_offered", offer, by=by)
        self._requested.set()
        answer("done", Reason("update_fetching", version=offer.version))

    def cancel(self, args, by, answer):
        """Cancel the download of an update."""
        if self._download is None:
            answer("done", Reason("no_update"))
            return
        self._download.cancel(Reason("cancelled", by=by))
        answer("done", Reason("update_cancelled"))

    async def run(self):
        """Watch a release on trial, then download what is offered, for ever."""
        self._offer = self._download = None
        if slots.running.state == "trial":
            await self._watch_trial()
        while True:
            _unload()
            self._requested.clear()
            await self._requested.wait()
            await self._update()
            self._offer = self._download = None

    def _read_running(self):
        """Return the Running of up/info, and record the outcome of the last update."""
        from idro.protocol.release_layout import KERNEL
        from idro.update import state

        now = slots.running
        report = state.pending_report()
        if report is not None:
            release, version, reason = report
            if reason is not None:
                self._context.events.record("update_reverted", {
                    "release": release, "version": version, "reason": reason})
                state.clear_report()
            elif now.state == "ok":
                self._context.events.record(
                    "update_confirmed", {"release": release, "version": version})
                state.clear_report()
        release = state.as_hex(state.manifest_sha256(now.slot))
        return RunningRelease(now.slot, now.state, release, state.security_counter(), KERNEL)

    async def _update(self):
        if self._offer is None:
            return
        offer, by = self._offer
        from idro.app.ota.download import Download

        self._download = Download(
            offer, clock=self._context.clock, network=self._network,
            readings=self._context.sampler.readings, restart_obstacle=self._restart_obstacle,
            restart=self._restart)
        try:
            await self._download.run(lambda: self._record("update_downloaded", offer, by=by))
        except UpdateError as error:
            self._record("update_refused", offer, reason=error.reason)
        except OSError as error:
            reason = Reason("flash_failed", detail=repr(error))
            self._record("update_refused", offer, reason=reason)
        except MemoryError:
            self._record("update_refused", offer, reason=Reason("memory_send_again"))

    async def _watch_trial(self):
        from idro.app.ota.trial import watch

        now = slots.running
        self._context.events.record("update_trial", {
            "release": self.running.release[:16], "version": now.version, "tries_left": now.tries})
        await watch(self._context, self._ledger, self._network)
        self.running = self._read_running()
        self._network.publisher.publish_info()

    def _record(self, kind, offer, **more):
        detail = dict(more, release=offer.sha256[:16], version=offer.version)
        self._context.events.record(kind, detail)


def _unload():
    unload(*_TEMPORARY)
    gc.collect()
