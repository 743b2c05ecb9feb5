"""Irrigation as a task of its own: turns shorter than a cycle begin and end on time.

Nothing here is imported on a board without an irrigation pump.
"""

from idro.control import irrigation
from idro.protocol.types import hold

_LOOK_MS = 20_000
_SOONEST_MS = 100
_GRACE_MS = 10_000


class IrrigationTask:
    """Decides after each sampling cycle, and when a turn is over. All asking is `switch`'s."""

    def __init__(self, node, tell, switch):
        """`tell(loop, decision)` and `switch(name, decision)` are those of all loops."""
        self._node = node
        self._tell = tell
        self._switch = switch
        self._driver = node.outputs[irrigation.ACTUATOR].driver
        self._timer = irrigation.CycleTimer()
        self._flow = irrigation.FlowCheck()
        self._level = None
        self._was_wished = False

    @property
    def is_water_out(self):
        """True while water of the tank stands in the beds, or may."""
        node = self._node
        return self._timer.is_water_out(node.settings.values, node.clock.now_ms())

    def cycle(self, level):
        """Take in the Reading of the level and what the meter says, then decide."""
        node = self._node
        self._level = level
        sample = node.sampler.readings.get(irrigation.FLOW)
        event = self._flow.update(
            sample, self._driver.on_ms_total, node.settings.values, self.is_water_out
        )
        if event is not None:
            node.record(*event)
        self._step()

    async def run(self):
        """Decide when a turn is over, and now and then, for ever."""
        node = self._node
        while True:
            node.supervisor.beat(irrigation.ACTUATOR, _LOOK_MS + _GRACE_MS)
            if self._level is not None:
                self._step()
            await node.clock.sleep_ms(self._pause_ms())

    def _step(self):
        node, timer = self._node, self._timer
        values = node.settings.values
        now_ms = node.clock.now_ms()
        self._note(now_ms)
        second_of_day = node.clock.second_of_day(values["clock.utc_offset_min"])
        decision = irrigation.decide(
            self._level, values, timer, self._flow, now_ms, second_of_day
        )
        wish = node.overrides.of(irrigation.ACTUATOR)
        is_program = wish is None and not self._was_wished
        self._was_wished = wish is not None
        is_over = decision.actuator is None and timer.due_ms is not None
        if is_program and is_over and irrigation.is_burst(values) and not self._driver.is_on:
            self._tell(irrigation.ACTUATOR, decision)
            return  # it ended by itself, and is told with those to come
        refusal = self._switch(irrigation.ACTUATOR, decision)
        if refusal is not None:
            timer.refused(refusal)
            decision = hold("off: " + refusal)
        elif wish is not None and not wish[1]:
            timer.restart()
        self._tell(irrigation.ACTUATOR, decision)
        self._note(now_ms)

    def _note(self, now_ms):
        self._timer.update(self._driver.is_on or self._flow.is_stuck_on, now_ms)

    def _pause_ms(self):
        due_ms = self._timer.due_ms
        if due_ms is None:
            return _LOOK_MS
        return min(_LOOK_MS, max(_SOONEST_MS, due_ms - self._node.clock.now_ms()))
