"""The irrigation task: starts and ends runs shorter than a sampling cycle on time.

Imported only on a board with an irrigation pump.
"""

from idro.control import irrigation
from idro.protocol.types import hold

_POLL_MS = 20_000
_MIN_PAUSE_MS = 100
_GRACE_MS = 10_000


class IrrigationTask:
    """Decides after each sampling cycle and when a wet or dry phase is over."""

    def __init__(self, context, overrides, beat):
        self._context = context
        self._overrides = overrides
        self._beat = beat
        self._driver = context.outputs[irrigation.ACTUATOR].driver
        self._timer = irrigation.CycleTimer()
        self._flow = irrigation.FlowCheck()
        self._level = None
        self._was_overridden = False

    @property
    def is_water_out(self):
        """True while water of the tank is, or may be, in the beds."""
        context = self._context
        return self._timer.is_water_out(context.values, context.clock.now_ms())

    def cycle(self, level):
        """Take the Reading of the level and the sample of the flow meter, then decide."""
        context = self._context
        self._level = level
        sample = context.sampler.readings.get(irrigation.FLOW)
        event = self._flow.update(
            sample, self._driver.on_ms_total, context.values, self.is_water_out)
        if event is not None:
            context.events.record(*event)
        self._step()

    async def run(self):
        """Decide at the end of each phase, and every 20 s at the latest, for ever."""
        while True:
            self._beat(irrigation.ACTUATOR, _POLL_MS + _GRACE_MS)
            if self._level is not None:
                self._step()
            await self._context.clock.sleep_ms(self._pause_ms())

    def _step(self):
        context, timer = self._context, self._timer
        values, name = context.values, irrigation.ACTUATOR
        now_ms = context.clock.now_ms()
        self._note(now_ms)
        second_of_day = context.clock.second_of_day(values["clock.utc_offset_min"])
        decision = irrigation.decide(self._level, values, timer, self._flow, now_ms, second_of_day)
        override = self._overrides.of(name)
        is_program = override is None and not self._was_overridden
        self._was_overridden = override is not None
        is_over = decision.actuator is None and timer.due_ms is not None
        if is_program and is_over and irrigation.is_burst(values) and not self._driver.is_on:
            context.events.record_decision(name, decision)
            return  # the lease has ended by itself: its end is recorded with later ones
        refusal = self._overrides.lease(name, decision)
        if refusal is not None:
            timer.refused(refusal)
            decision = hold(refusal)
        elif override is not None and not override[1]:
            timer.restart()
        context.events.record_decision(name, decision)
        self._note(now_ms)

    def _note(self, now_ms):
        self._timer.update(self._driver.is_on or self._flow.is_stuck_on, now_ms)

    def _pause_ms(self):
        due_ms = self._timer.due_ms
        if due_ms is None:
            return _POLL_MS
        return min(_POLL_MS, max(_MIN_PAUSE_MS, due_ms - self._context.clock.now_ms()))
