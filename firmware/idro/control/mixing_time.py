"""How long this tank takes to mix, measured: what still moves after the wait was not mixed yet.

The wait of the settings is never shortened: it is stretched where a dose was seen to go on working
long after it, and comes back slowly where it was not.
"""

_LONGEST = 4.0
# What a dose did in half a wait more, as a share of what it did before: too much, and hardly any.
_LATE, _DONE = 0.2, 0.05


class Mixing:
    """One loop. `least` is what a dose must have moved to tell anything from noise."""

    def __init__(self, least):
        self._least = least
        self._before = None
        self._after = None  # (value, at_ms) when the wait was over
        self.stretch = 1.0

    def dosed(self, value):
        """A dose was given at `value`."""
        self._before = value
        self._after = None

    def invalidate(self):
        """Something else moves the water: nothing can be measured."""
        self._before = None
        self._after = None

    def left_ms(self, now_ms, mixing_left_ms, wait_ms):
        """Return what is left of the stretched wait."""
        if self._before is None or self.stretch <= 1.0:
            return mixing_left_ms
        if mixing_left_ms > 0:
            return mixing_left_ms + int((self.stretch - 1.0) * wait_ms)
        if self._after is None:
            return 0
        return max(0, int((self.stretch - 1.0) * wait_ms) - (now_ms - self._after[1]))

    def look(self, value, now_ms, wait_ms, drift_per_h):
        """Take in a reading after the wait. Every cycle."""
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
        if abs(early) < self._least:
            return
        late = (value - self._after[0] - drift_per_h * since_ms / 3_600_000) / early
        if late > _LATE:
            self.stretch = min(_LONGEST, 1.5 * self.stretch)
        elif late < _DONE:
            self.stretch = max(1.0, 0.9 * self.stretch)
