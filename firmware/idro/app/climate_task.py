"""The climate part of the control cycle: imported only on a board with an output for it."""

from idro.control import climate
from idro.control.filters import deci
from idro.control.frozen_sensor import FrozenSensorDetector
from idro.control.stuck_heater import StuckHeaterDetector
from idro.protocol.reason import Reason

_ACTUATORS = (climate.FAN, climate.HEATER, climate.HUMIDIFIER)


class ClimateTask:
    """Decides on fan, heater and humidifier; the fan first, because it ends overheating."""

    def __init__(self, context, lease):
        """`lease(name, decision)` is that of Overrides."""
        self._context = context
        self._lease = lease
        self._air_conditions = climate.AirConditions()
        self._frozen_sensor = FrozenSensorDetector()
        self._stuck_heater = StuckHeaterDetector()
        self._since = {name: (False, 0) for name in _ACTUATORS if name in context.outputs}

    def cycle(self, values, now_ms, stale_ms):
        """Decide and ask the gate, once."""
        context = self._context
        temp = context.sampler.reading(climate.TEMP, stale_ms)
        air = climate.combine(
            self._frozen_sensor.check(temp, self._is_on(climate.HEATER), now_ms),
            context.sampler.reading(climate.HUMIDITY, stale_ms))
        second_of_day = context.clock.second_of_day(values["clock.utc_offset_min"])
        by_day = climate.is_day(second_of_day, values)
        setpoints = climate.setpoints(values, by_day)
        self._air_conditions.update(air, setpoints, values)
        self._watch_heater(air, setpoints, by_day, values, now_ms)
        for name in self._since:
            decision = self._decide(name, air, setpoints, values, now_ms)
            context.events.record_decision(name, decision)
            self._lease(name, decision)

    def _decide(self, name, air, setpoints, values, now_ms):
        run = self._run(name, now_ms)
        readings, stuck = self._air_conditions, self._stuck_heater
        if name == climate.FAN:
            return climate.fan(air, readings, setpoints, stuck.must_cool, values, run, now_ms)
        if name == climate.HUMIDIFIER:
            return climate.humidifier(air, readings, setpoints, run)
        is_fan_on = self._is_on(climate.FAN)
        return climate.heater(air, readings, setpoints, stuck.is_suspect, is_fan_on, values, run)

    def _watch_heater(self, air, setpoints, by_day, values, now_ms):
        stuck = self._stuck_heater
        is_heating = self._is_on(climate.HEATER)
        temp_c = air.thermometer.value
        if not stuck.update(
            temp_c, is_heating, by_day, setpoints.heat_c, values["climate.deadband_c"], now_ms
        ):
            return
        if stuck.is_suspect:
            state = "began"
            reason = Reason(
                "air_warmed", rise_deci_c=deci(stuck.risen_c), deci_c=deci(temp_c))
        else:
            state, reason = "ended", Reason("air_cooled", deci_c=deci(temp_c))
        self._context.events.record("air_warms", {"state": state, "reason": reason})

    def _is_on(self, name):
        output = self._context.outputs.get(name)
        return output is not None and output.driver.is_on

    def _run(self, name, now_ms):
        """Return the OutputState of an output. A reset counts as switching it off."""
        is_on = self._is_on(name)
        was_on, since_ms = self._since[name]
        if is_on != was_on:
            since_ms = now_ms
            self._since[name] = (is_on, since_ms)
        return climate.OutputState(is_on, now_ms - since_ms)
