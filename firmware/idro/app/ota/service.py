"""The node's side of updates: takes offers, fetches what is taken, watches what is on trial.

What does the work is loaded when there is some and let go after it.
"""

import asyncio
import gc

from idro.errors import UpdateError
from idro.net.module_cache import unload
from idro.protocol.messages import RunningRelease
from idro.safety.outputs import Refused
from idro.update import slots

_LOADED = ("idro.app.ota.download", "idro.app.ota.paths", "idro.app.ota.file_download",
           "idro.app.ota.trial", "idro.protocol.update_messages", "idro.update.verify",
           "idro.update.file_slots", "idro.update.state", "idro.update.manifest")


class UpdateService:
    """At most one update at a time. `ask` is a function that sends up/update, set by the link."""

    def __init__(self, node, commands):
        """`node` gives what an update must not disturb."""
        self._node = node
        self._commands = commands
        self._wanted = asyncio.Event()
        self._offer: tuple | None = None  # (Offer, who asked)
        self._fetch = None
        self.ask = None
        self.running = self._look()
        self._let_go()

    def receive(self, leaf, payload):
        """Take down/update or down/update_data."""
        if leaf == "update_data":
            if self._fetch is not None:
                self._fetch.take(payload)
            return
        from idro.protocol.update_messages import unpack_update

        self._commands.receive(payload, unpack_update)
        if self._offer is None:
            self._let_go()

    def offer(self, offer, by, answer):
        """Take an offer to be fetched. Raises Refused."""
        from idro.app.ota.download import refusal

        why = "another update is under way"
        if self._offer is None:
            why = refusal(self._node, offer, self.running)
        if why:
            self._tell("update_refused", offer, reason=why)
            raise Refused("update", why)
        self._offer = (offer, by)
        self._tell("update_offered", offer, by=by)
        self._wanted.set()
        answer("done", f"the update to {offer.version} is being fetched")

    def cancel(self, args, by, answer):
        """End the download of an update."""
        if self._fetch is None:
            answer("done", "no update was under way")
            return
        self._fetch.cancel(f"cancelled by {by}")
        answer("done", "the update is cancelled")

    async def run(self):
        """Watch what is on trial, then fetch what is offered, for ever."""
        self._offer = self._fetch = None
        self._node.supervisor.beat("update")
        if slots.running.state == "trial":
            await self._watch_trial()
        while True:
            self._let_go()
            self._wanted.clear()
            await self._wanted.wait()
            await self._update()
            self._offer = self._fetch = None

    def _look(self):
        """Return the Running of up/info, and tell what became of an update."""
        from idro.protocol.release_layout import KERNEL
        from idro.update import state

        now = slots.running
        told = state.pending_report()
        if told is not None and told[2]:
            self._node.record(
                "update_reverted", {"release": told[0], "version": told[1], "reason": told[2]}
            )
            state.clear_report()
        elif told is not None and now.state == "ok":
            self._node.record("update_confirmed", {"release": told[0], "version": told[1]})
            state.clear_report()
        release = state.as_hex(state.manifest_sha256(now.slot))
        counter = state.counter()
        return RunningRelease(now.slot, now.state, release, counter, KERNEL)

    async def _update(self):
        if self._offer is None:
            return
        offer, by = self._offer
        from idro.app.ota.download import Download

        self._fetch = Download(self._node, offer, self.ask)
        try:
            await self._fetch.run(lambda: self._tell("update_downloaded", offer, by=by))
        except UpdateError as error:
            self._tell("update_refused", offer, reason=error.why[:200])
        except OSError as error:
            self._tell("update_refused", offer, reason=f"flash failed: {error!r}"[:200])
        except MemoryError:
            self._tell("update_refused", offer, reason="no memory was left: send it again")

    async def _watch_trial(self):
        from idro.app.ota.trial import watch

        now = slots.running
        self._node.record("update_trial", {
            "release": self.running.release[:16], "version": now.version, "tries_left": now.tries,
        })
        await watch(self._node)
        self.running = self._look()
        self._node.link.publish_info()

    def _tell(self, kind, offer, **more):
        self._node.record(kind, dict(more, release=offer.sha256[:16], version=offer.version))

    def _let_go(self):
        """Free what only an update needs."""
        unload(*_LOADED)
        gc.collect()
