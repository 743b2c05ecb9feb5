"""The task that polls the button while the correction of a fresh fill is open."""

import asyncio

from idro.protocol.reason import Reason
from idro.safety.outputs import Refused

_POLL_MS = 100
_GRACE_MS = 10_000


class CorrectionTask:
    """At most one correction at a time. `button` is None on a board without one."""

    def __init__(self, context, *, button, doses, beat, dosing_cycle):
        self._context = context
        self._button = button
        self._doses = doses
        self._beat = beat
        self._dosing_cycle = dosing_cycle
        self._run = None
        self._strengths = {}  # {doser: (strength in %, ended_ms)} of the last corrections
        self._requested = asyncio.Event()

    @property
    def is_open(self):
        """True from begin() until the correction has ended."""
        return self._run is not None

    def begin(self, doser, target, volume_ul, by):
        """Open a correction; `target` is in thousandths of pH, or uS/cm for nutrient, None if it
        is missing. Raises Refused."""
        if self._button is None:
            raise Refused(Reason("no_button"))
        from idro.app.correction_run import CorrectionRun, checked

        correction = checked(
            self._context, doser, target, volume_ul, self.is_open, self._known_pct(doser))
        self._run = CorrectionRun(
            self._context, correction, by, button=self._button, doses=self._doses,
            dosing_cycle=self._dosing_cycle)
        self._requested.set()

    def _known_pct(self, doser):
        """Return how strong `doser` is in this water, % of the titration: fourfold at least if it
        corrected it before, as hard water loses its carbonate within the hour."""
        strength_pct, ended_ms = self._strengths.get(doser, (0, 0))
        # A correction that starts eight hours later is of another fill.
        is_same = strength_pct and self._context.clock.now_ms() - ended_ms < 28_800_000
        return max(400, strength_pct) if is_same else 100

    def end(self, why):
        """Close the correction, if one is open; `why` is a Reason."""
        if self._run is not None:
            self._run.end(why)
            self._learn()

    def _learn(self):
        """Close the correction; control and a further one of this water dose by what it taught."""
        correction, self._run = self._run.correction, None
        doser, strength_pct = correction.doser, correction.strength_pct
        if strength_pct and doser in ("ph_down", "ph_up"):  # EC answers always the same
            self._strengths[doser] = (strength_pct, self._context.clock.now_ms())
            self._dosing_cycle.set_strength(doser, strength_pct)

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
                self._learn()
