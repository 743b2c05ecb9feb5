"""The correction of a fresh fill that may be open, and the task that looks at its button."""

import asyncio

from idro.safety.limits import CORRECTED
from idro.safety.outputs import Refused

_LOOK_MS = 100
_GRACE_MS = 10_000


class CorrectionTask:
    """At most one correction at a time. `button` is None on a board without one."""

    def __init__(self, node, button):
        """`node` gives outputs, gate, supervisor, and what an OpenCorrection needs."""
        self._node = node
        self._button = button
        self._open = None
        self._wanted = asyncio.Event()

    @property
    def is_open(self):
        """True from begin() until it has ended."""
        return self._open is not None

    def begin(self, doser, target_milli_ph, volume_ul, by):
        """Open a correction. Raises Refused."""
        node = self._node
        if self._button is None:
            raise Refused("button", "this board has no button: pour by hand")
        if doser not in CORRECTED or doser not in node.outputs:
            raise Refused("unknown", f"{doser} corrects no pH here")
        if self.is_open:
            raise Refused("busy", "a correction is open already")
        if node.gate.latch_reason:
            raise Refused("latched", node.gate.latch_reason)
        from idro.app.correction_run import CorrectionRun

        wanted = (doser, target_milli_ph, volume_ul)
        self._open = CorrectionRun(node, self._button, wanted, by)
        self._wanted.set()

    def end(self, why):
        """Close the correction, if one is open."""
        if self._open is not None:
            self._open.end(why)
            self._open = None

    async def run(self):
        """Look for presses while a correction is open, for ever."""
        beat = self._node.supervisor.beat
        while True:
            self._wanted.clear()
            beat("correction")
            if not self.is_open:
                await self._wanted.wait()
            while self.is_open:
                beat("correction", _GRACE_MS)
                self.look()
                await self._node.clock.sleep_ms(_LOOK_MS)

    def look(self):
        """Look once at an open correction."""
        found = self._open
        if found is not None:
            found.look()
            if found.has_ended:
                self._open = None
