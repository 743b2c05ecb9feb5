"""Detects air that warms while the heater is off, such as from a welded relay contact.

Ignores the time after the lamps switch; the sun warms a greenhouse more slowly than RISE_C.
"""

# Ignored time after the heater, or the light, was switched.
SETTLE_MS = 120_000
SETTLE_LIGHT_MS = 1_800_000
# A rise above the lowest temperature, within a time.
RISE_C = 3.0
WITHIN_MS = 900_000
# Hysteresis of the cooling fan above the temperature at which the heater ends.
_COOL_FROM_C = 1.5


class StuckHeaterDetector:
    """`is_suspect` from such a rise until the air is colder than a stuck heater would allow;
    `must_cool` while the fan must cool the air."""

    def __init__(self):
        self.is_suspect = False
        self.must_cool = False
        self.risen_c = 0.0
        self._lowest = None  # (lowest temp_c, at_ms)
        self._ignored_until_ms = SETTLE_MS
        self._was_day = None

    def update(self, temp_c, is_heating, by_day, heat_c, deadband_c, now_ms):
        """Process one cycle (temp_c may be None); return True if is_suspect changed."""
        if self._was_day is not None and by_day != self._was_day:
            self._ignore_until(now_ms + SETTLE_LIGHT_MS)
        self._was_day = by_day
        if is_heating:
            self._ignore_until(now_ms + SETTLE_MS)
        if temp_c is None:
            self._lowest = None
            return False
        heated_c = heat_c + deadband_c
        if self.is_suspect:
            self.is_suspect = temp_c >= heat_c - deadband_c
            self.must_cool = self.is_suspect and temp_c > heated_c + (
                0 if self.must_cool else _COOL_FROM_C)
            return not self.is_suspect
        if now_ms < self._ignored_until_ms:
            return False
        lowest = self._lowest
        if lowest is None or temp_c < lowest[0] or now_ms - lowest[1] > WITHIN_MS:
            self._lowest = (temp_c, now_ms)
            return False
        self.risen_c = temp_c - lowest[0]
        self.is_suspect = self.must_cool = self.risen_c >= RISE_C and temp_c > heated_c
        return self.is_suspect

    def _ignore_until(self, until_ms):
        self._ignored_until_ms = max(self._ignored_until_ms, until_ms)
        self._lowest = None
