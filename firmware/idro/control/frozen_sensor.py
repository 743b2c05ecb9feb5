"""Detects an air thermometer that repeats its last value: heated air never stays constant.

A heater controlled by such a sensor would never stop.
"""

from idro.control.filters import Reading

# Heating time without a change larger than the noise of any sensor.
STILL_MS = 900_000
_STILL_C = 0.005


class FrozenSensorDetector:
    """Reports `flat` while heated air does not change, until it does."""

    def __init__(self):
        self._at_c = None
        self._heated_ms = 0
        self._last_ms = 0

    def check(self, reading, is_heating, now_ms):
        """Return the Reading of temp_c, or the fault `flat`. Call it in every cycle."""
        elapsed_ms = now_ms - self._last_ms
        self._last_ms = now_ms
        temp_c = reading.value
        if temp_c is None or self._at_c is None or abs(temp_c - self._at_c) > _STILL_C:
            self._at_c = temp_c
            self._heated_ms = 0
        elif is_heating:
            self._heated_ms += elapsed_ms
        return Reading(None, "flat") if self._heated_ms >= STILL_MS else reading
