"""Judges doses that seem to have had no effect by the drift of the water without doses.

Hard water that loses CO2 rises against acid that works, and then pH stands still: only without
doses does it show how fast it would have risen. So nothing is dosed for an hour, which begins
again after a fill. A worn probe that drifts looks the same: the doses after it are judged by the
bare reading, whatever drifts.
"""

_HOUR_MS = 3_600_000
# The last dose mixes further than it had to; then the means of the first and last window count.
_SETTLE_MS = 600_000
_WINDOW_MS = 600_000
_WINDOWS = 5
WATCH_MS = _SETTLE_MS + _WINDOWS * _WINDOW_MS
# Of what doses should have done, they must have done this share.
_SHARE = 1 / 3


class EffectWatch:
    """Watches one loop for an hour from the first mixed value.

    `sign` is 1 for doses that raise its value, -1 for those that lower it. They should have moved
    it by `predicted` and moved it by `effect` in `during_ms`, without a drift against them of
    `excused_per_h`. `excess` of that is no effect, unless it is taken back. `thresholds` are of
    dose_verification.
    """

    def __init__(self, sign, predicted, effect, excess, during_ms, excused_per_h, thresholds):
        self._sign = sign
        self._least = max(thresholds.observed, _SHARE * predicted)
        self._effect = effect
        self._excess = excess
        self._during_h = during_ms / _HOUR_MS
        self._excused_per_h = excused_per_h
        self._most_per_h = thresholds.drift_per_h
        self._count = 0  # of the times that it began
        self._began_ms = None

    def restart(self):
        """Begin again with the next mixed value, as something else changes the water. Returns
        None after three times, as in such water no hour shows anything; else itself."""
        self._began_ms = None
        return self if self._count < 3 else None

    def left_ms(self, now_ms):
        """Return the ms until it ends, at least 1."""
        return WATCH_MS if self._began_ms is None else max(1, self._began_ms + WATCH_MS - now_ms)

    def has_worked(self, value, now_ms):
        """Return whether the doses had an effect by the mixed `value`; None: not known yet."""
        if self._began_ms is None:
            self._count += 1
            self._value, self._began_ms = value, now_ms
            self._first, self._last = [0.0, 0], [0.0, 0]  # sum of the values, and their number
        window = (now_ms - self._began_ms - _SETTLE_MS) // _WINDOW_MS
        if window < 0:
            return None
        if window < _WINDOWS:
            if window in (0, _WINDOWS - 1):
                sum_count = self._last if window else self._first
                sum_count[0] += value
                sum_count[1] += 1
            return None
        (first, first_count), (last, last_count) = self._first, self._last
        if first_count == 0 or last_count == 0:
            self._began_ms = None  # the water was not mixed, or the probe had a fault: again
            return None
        return self._judge(first / first_count, last / last_count)

    def _judge(self, first, last):
        """Return whether the doses had an effect, by two means."""
        apart_h = (_WINDOWS - 1) * _WINDOW_MS / _HOUR_MS
        against_per_h = self._sign * (first - last) / apart_h
        if against_per_h > self._most_per_h:
            against_per_h = self._excused_per_h  # no water is as fast: it is the probe
        until_first_h = (_SETTLE_MS + 0.5 * _WINDOW_MS) / _HOUR_MS
        moved = self._sign * (first - self._value) + against_per_h * until_first_h
        effect = self._effect + moved - max(0.0, self._excess + min(0.0, moved))
        effect += (against_per_h - self._excused_per_h) * self._during_h
        return effect >= self._least
