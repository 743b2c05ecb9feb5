"""Measures how long the tank takes to mix: a value that still moves after the wait had not mixed.

The wait in the settings is never shortened. It is stretched if doses still act long after it, and
shrinks back slowly if they do not.
"""

_MAX_STRETCH = 4.0
# Effect in another half wait, relative to the effect before: stretch above, shrink below.
_LATE_RATIO, _DONE_RATIO = 0.2, 0.05


class MixingTime:
    """Mixing time of one loop. Effects below `min_effect` are noise and are ignored."""

    def __init__(self, min_effect):
        self._min_effect = min_effect
        self._before = None
        self._after = None  # (value, at_ms) at the end of the wait
        self.stretch = 1.0

    def dosed(self, value):
        """Record the `value` before a dose."""
        self._before = value
        self._after = None

    def invalidate(self):
        """Discard the measurement: something else changes the water."""
        self._before = None
        self._after = None

    def left_ms(self, now_ms, mixing_left_ms, wait_ms):
        """Return the ms left of the stretched wait."""
        if self._before is None or self.stretch <= 1.0:
            return mixing_left_ms
        if mixing_left_ms > 0:
            return mixing_left_ms + int((self.stretch - 1.0) * wait_ms)
        if self._after is None:
            return 0
        return max(0, int((self.stretch - 1.0) * wait_ms) - (now_ms - self._after[1]))

    def update(self, value, now_ms, wait_ms, drift_per_h):
        """Process a reading after the wait. Call it in every cycle."""
        if self._before is None:
            return
        if self._after is None:
            self._after = (value, now_ms)
            return
        since_ms = now_ms - self._after[1]
        if since_ms < wait_ms // 2:
            return
        early = self._after[0] - self._before
        self._before = None
        if abs(early) < self._min_effect:
            return
        late = (value - self._after[0] - drift_per_h * since_ms / 3_600_000) / early
        if late > _LATE_RATIO:
            self.stretch = min(_MAX_STRETCH, 1.5 * self.stretch)
        elif late < _DONE_RATIO:
            self.stretch = max(1.0, 0.9 * self.stretch)
