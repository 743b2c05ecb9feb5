"""Does the air warm though the heater is off: a relay that has welded, or heat nobody declared.

Lamps that come on or go off say nothing for a while, and the sun warms a house more slowly.
"""

# From so long after the heater, or the light, was switched.
SETTLE_MS = 120_000
SETTLE_LIGHT_MS = 1_800_000
# By so much, within so long, from its coolest.
RISE_C = 3.0
WITHIN_MS = 900_000
# The fan ends where the heater would, and begins again so far above.
_COOL_FROM_C = 1.5


class StuckHeaterDetector:
    """Looks at every cycle. `is_suspect` from such a rise on, until it is colder than a heater
    that is stuck would let it be; `wants_air` while the fan is to cool meanwhile."""

    def __init__(self):
        self.is_suspect = False
        self.wants_air = False
        self.risen_c = 0.0
        self._from = None  # (its coolest, when)
        self._not_before_ms = SETTLE_MS
        self._was_day = None

    def look(self, temp_c, is_heating, by_day, heat_c, deadband_c, now_ms):
        """Take in one cycle, None without a temperature; returns True when is_suspect changes."""
        if self._was_day is not None and by_day != self._was_day:
            self._wait(now_ms + SETTLE_LIGHT_MS)
        self._was_day = by_day
        if is_heating:
            self._wait(now_ms + SETTLE_MS)
        if temp_c is None:
            self._from = None
            return False
        enough_c = heat_c + deadband_c
        if self.is_suspect:
            self.is_suspect = temp_c >= heat_c - deadband_c
            self.wants_air = self.is_suspect and temp_c > enough_c + (
                0 if self.wants_air else _COOL_FROM_C
            )
            return not self.is_suspect
        if now_ms < self._not_before_ms:
            return False
        coolest = self._from
        if coolest is None or temp_c < coolest[0] or now_ms - coolest[1] > WITHIN_MS:
            self._from = (temp_c, now_ms)
            return False
        self.risen_c = temp_c - coolest[0]
        self.is_suspect = self.wants_air = self.risen_c >= RISE_C and temp_c > enough_c
        return self.is_suspect

    def _wait(self, until_ms):
        self._not_before_ms = max(self._not_before_ms, until_ms)
        self._from = None
