"""Interlocks of heater and humidifier: unknown, too hot or too humid air, or a running fan.

Imported only if the board has one of both. Air above the limit locks the heater until it has
cooled by 5 C and 30 min have passed; no setting raises the frozen ceiling.
"""

from idro.protocol.reason import Reason
from idro.safety.interlocks import arming_reason, check_reading
from idro.safety.limits import AIR_MAX_RH_PCT, FAN, HEATER, HUMIDIFIER, TRIP_BELOW_C, TRIP_HOLD_MS

TEMP, HUMIDITY = "air.temp_c", "air.rh_pct"
# Channels that must be armed.
NEEDS = {HEATER: (TEMP,), HUMIDIFIER: (TEMP, HUMIDITY)}


class AirInterlocks:
    """Blocks heater and humidifier; `names` are those of the board."""

    def __init__(self, outputs, arming, record_event):
        self.names = [name for name in (HEATER, HUMIDIFIER) if outputs.driver(name) is not None]
        self._fan = outputs.driver(FAN)
        self._arming = arming
        self._record_event = record_event
        self._too_hot_ms = None  # uptime when it was last too hot, None once released

    def observe(self, readings, now_ms, limits):
        """Process one sampling cycle: lock or release the heater."""
        sample = readings.get(TEMP) if HEATER in self.names else None
        if sample is None or sample.fault is not None:
            return
        if sample.value >= limits.air_max_c:
            if self._too_hot_ms is None:
                self._record("began", Reason(
                    "air_too_hot", deci_c=_deci(sample.value),
                    limit_deci_c=_deci(limits.air_max_c)))
            self._too_hot_ms = now_ms
        elif (
            self._too_hot_ms is not None
            and now_ms - self._too_hot_ms >= TRIP_HOLD_MS
            and sample.value <= limits.air_max_c - TRIP_BELOW_C
        ):
            self._too_hot_ms = None
            self._record("ended", Reason("air_cooled", deci_c=_deci(sample.value)))

    def blocked(self, actuator, readings, now_ms, limits):
        """Return the Reason why an output of `names` is blocked now, or None."""
        for channel in NEEDS[actuator]:
            blocked = check_reading(channel, readings, now_ms, limits.stale_ms)
            if blocked:
                return blocked
            if not self._arming.is_armed(channel, now_ms):
                return arming_reason(channel, self._arming)
        if actuator == HUMIDIFIER:
            rh_pct = readings[HUMIDITY].value
            if rh_pct >= AIR_MAX_RH_PCT:
                return Reason("air_wet", rh_pct=int(rh_pct + 0.5), limit_pct=AIR_MAX_RH_PCT)
            return None
        if self._too_hot_ms is not None:
            left_ms = TRIP_HOLD_MS - (now_ms - self._too_hot_ms)
            if left_ms <= 0:
                return Reason("hot_lock_warm")
            return Reason("hot_lock", left_ms=left_ms)
        if self._fan is not None and self._fan.is_on:
            return Reason("fan_runs")
        return None

    def _record(self, state, reason):
        self._record_event("air_too_hot", {"state": state, "reason": reason})


def _deci(value):
    return int(round(value * 10))
