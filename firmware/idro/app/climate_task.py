"""The air's part of the control cycle: imported only where the board has an output for it."""

from idro.control import climate
from idro.control.frozen_sensor import FrozenSensorDetector
from idro.control.stuck_heater import StuckHeaterDetector

_DECIDED = (climate.FAN, climate.HEATER, climate.HUMIDIFIER)


class ClimateTask:
    """Decides on fan, heater and humidifier, the fan first: it ends what warms."""

    def __init__(self, node, tell, switch):
        """`tell(loop, decision)` and `switch(name, decision)` are those of the Loops."""
        self._node = node
        self._tell = tell
        self._switch = switch
        self._conditions = climate.AirConditions()
        self._stillness = FrozenSensorDetector()
        self._warming = StuckHeaterDetector()
        self._since = {name: (False, 0) for name in _DECIDED if name in node.outputs}

    def cycle(self, values, now_ms, stale_ms):
        """Decide and ask the gate, once."""
        node = self._node
        warmth = node.sampler.reading(climate.TEMP, stale_ms)
        air = climate.combine(
            self._stillness.check(warmth, self._is_on(climate.HEATER), now_ms),
            node.sampler.reading(climate.HUMIDITY, stale_ms),
        )
        second_of_day = node.clock.second_of_day(values["clock.utc_offset_min"])
        by_day = climate.is_day(second_of_day, values)
        targets = climate.setpoints(values, by_day)
        self._conditions.update(air, targets, values)
        self._watch(air, targets, by_day, values, now_ms)
        for name in self._since:
            decision = self._decide(name, air, targets, values, now_ms)
            self._tell(name, decision)
            self._switch(name, decision)

    def _decide(self, name, air, targets, values, now_ms):
        output = self._output_state(name, now_ms)
        conditions, warming = self._conditions, self._warming
        if name == climate.FAN:
            return climate.fan(air, conditions, targets, warming.must_cool, values, output, now_ms)
        if name == climate.HUMIDIFIER:
            return climate.humidifier(air, conditions, targets, output)
        is_fan_on = self._is_on(climate.FAN)
        return climate.heater(
            air, conditions, targets, warming.is_suspect, is_fan_on, values, output
        )

    def _watch(self, air, targets, by_day, values, now_ms):
        warming = self._warming
        is_heating = self._is_on(climate.HEATER)
        if not warming.update(
            air.thermometer.value, is_heating, by_day, targets.heat_c,
            values["climate.deadband_c"], now_ms,
        ):
            return
        if warming.is_suspect:
            state, reason = "began", f"by {warming.risen_c:.1f} C to {air.thermometer.value:.1f} C"
        else:
            state, reason = "ended", f"to {air.thermometer.value:.1f} C"
        self._node.record("air_warms", {"state": state, "reason": reason})

    def _is_on(self, name):
        output = self._node.outputs.get(name)
        return output is not None and output.driver.is_on

    def _output_state(self, name, now_ms):
        """Return the Run of an output: a reset counts as switching it off."""
        is_on = self._is_on(name)
        was_on, since_ms = self._since[name]
        if is_on != was_on:
            since_ms = now_ms
            self._since[name] = (is_on, since_ms)
        return climate.OutputState(is_on, now_ms - since_ms)
