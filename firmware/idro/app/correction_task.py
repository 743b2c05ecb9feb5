"""The task that polls the button while the correction of a fresh fill is open."""

import asyncio

from idro.protocol.reason import Reason
from idro.safety.limits import CORRECTED
from idro.safety.outputs import Refused

_UL_PER_PH = {"ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph"}
_POLL_MS = 100
_GRACE_MS = 10_000


class CorrectionTask:
    """At most one correction at a time. `button` is None on a board without one."""

    def __init__(self, context, *, button, doses, beat, on_given):
        """`on_given(actuation)` accounts for each step that was dosed."""
        self._context = context
        self._button = button
        self._doses = doses
        self._beat = beat
        self._on_given = on_given
        self._run = None
        self._requested = asyncio.Event()

    @property
    def is_open(self):
        """True from begin() until the correction has ended."""
        return self._run is not None

    def begin(self, doser, target_milli_ph, volume_ul, by):
        """Open a correction. Raises Refused."""
        context = self._context
        if self._button is None:
            raise Refused(Reason("no_button"))
        if doser not in CORRECTED or doser not in context.outputs:
            raise Refused(Reason("not_correctable", actuator=doser))
        if self.is_open:
            raise Refused(Reason("correction_already"))
        latch_reason = context.gate.latch_reason
        if latch_reason:
            raise Refused(latch_reason)
        from idro.app.correction_run import CorrectionRun
        from idro.safety.correction import Correction

        correction = Correction(
            doser, target_milli_ph, volume_ul, context.values[_UL_PER_PH[doser]],
            context.clock.now_ms())
        self._run = CorrectionRun(
            context, correction, by, button=self._button, doses=self._doses,
            on_given=self._on_given)
        self._requested.set()

    def end(self, why):
        """Close the correction, if one is open; `why` is a Reason."""
        if self._run is not None:
            self._run.end(why)
            self._run = None

    async def run(self):
        """Poll the button while a correction is open, for ever."""
        while True:
            self._requested.clear()
            self._beat("correction")
            if not self.is_open:
                await self._requested.wait()
            while self.is_open:
                self._beat("correction", _GRACE_MS)
                self.poll()
                await self._context.clock.sleep_ms(_POLL_MS)

    def poll(self):
        """Poll an open correction once."""
        run = self._run
        if run is not None:
            run.poll()
            if run.has_ended:
                self._run = None
