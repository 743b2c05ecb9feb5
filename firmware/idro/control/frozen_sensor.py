"""Is the thermometer of the air dead though it answers: heated air never stays as it is.

A sensor that hangs repeats its last value, and a heater that goes by it heats for ever.
"""

from idro.control.filters import Reading

# Heated for so long without moving by as much as any sensor's noise.
STILL_MS = 900_000
_STILL_C = 0.005


class FrozenSensorDetector:
    """Told of every cycle. What does not move while it is heated is `flat`, until it moves."""

    def __init__(self):
        self._at_c = None
        self._heated_ms = 0
        self._last_ms = 0

    def judged(self, reading, is_heating, now_ms):
        """Return the Reading of temp_c, or its fault where it is dead."""
        elapsed_ms = now_ms - self._last_ms
        self._last_ms = now_ms
        temp_c = reading.value
        if temp_c is None or self._at_c is None or abs(temp_c - self._at_c) > _STILL_C:
            self._at_c = temp_c
            self._heated_ms = 0
        elif is_heating:
            self._heated_ms += elapsed_ms
        return Reading(None, "flat") if self._heated_ms >= STILL_MS else reading
