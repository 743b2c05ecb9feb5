"""How this water answers a dose: learned from the titration at commissioning and every dose since.

Between two readings of mixed water a value moves by what was dosed and by itself:

    moved = strength * predicted + drift * hours

`predicted` is what the declared titration says of the doses, `strength` how much more or less they
really do: 1 is as declared, 7 is water that has lost its carbonate since. Both unknowns are
followed by a Kalman filter without cross terms: each difference is shared out by how uncertain
each of them is. No dose moves a strength by more than threefold, and none leaves its limits.
"""

import math

LOWEST, HIGHEST = 0.3, 10.0
_STEP = 3.0
_HOUR_MS = 3_600_000
_LOOK_EVERY_MS = 1_200_000
_SHORTEST_MS = 240_000
# Standard deviations: of a strength that was only declared, of what it wanders in the root of an
# hour, both as a share of it.
_DECLARED, _LEARNED_BEFORE, _WANDERS = 0.5, 0.25, 0.15
_CERTAIN = 0.25


class Response:
    """One loop: its dosers, its drift. Values in the loop's unit, drift in that unit an hour.

    `noise` is the standard deviation of a filtered reading, `drifts` that of the drift before
    anything is known of it.
    """

    def __init__(self, dosers, noise, drifts):
        self._noise = noise
        self._drifts = drifts
        self._strengths = {name: [1.0, _DECLARED * _DECLARED] for name in dosers}
        self.drift_per_h = 0.0
        self._drift_variance = drifts * drifts
        self._from = None  # (value, at_ms) of mixed water
        self._predicted = {}  # by the doses since then, by doser

    def strength(self, doser):
        """Return how much `doser` does of what the titration says."""
        return self._strengths[doser][0]

    def set_strength(self, doser, strength):
        """Take up what was learned before a reset."""
        strength = min(HIGHEST, max(LOWEST, strength))
        self._strengths[doser] = [strength, (_LEARNED_BEFORE * strength) ** 2]

    def forget(self, doser):
        """The titration was declared anew."""
        self._strengths[doser] = [1.0, _DECLARED * _DECLARED]

    def surely_at_most(self, doser):
        """Return the strength to dose by: the less is known, the more is assumed."""
        strength, variance = self._strengths[doser]
        return strength + 2.0 * math.sqrt(variance)

    def is_certain(self, doser):
        """True where doses have shown what `doser` does."""
        strength, variance = self._strengths[doser]
        return variance <= (_CERTAIN * strength) ** 2

    def drift_error_per_h(self):
        """Return the standard deviation of the drift."""
        return math.sqrt(self._drift_variance)

    def disturbed(self):
        """Something else moves the water or the reading: learn nothing across it."""
        self._from = None
        self._predicted = {}

    def look(self, value, now_ms):
        """Take in a reading of mixed water. Every cycle."""
        if self._from is None:
            self._from = (value, now_ms)
        elif self._predicted or now_ms - self._from[1] >= _LOOK_EVERY_MS:
            self._learn(value, now_ms)

    def dosed(self, doser, value, predicted, now_ms):
        """Note a dose given at `value`, declared to move it by `predicted` (signed)."""
        if not self._predicted:
            if self._from is not None and now_ms - self._from[1] >= _SHORTEST_MS:
                self._learn(value, now_ms)
            self._from = (value, now_ms)
        self._predicted[doser] = self._predicted.get(doser, 0.0) + predicted

    def _learn(self, value, now_ms):
        since, since_ms = self._from
        hours = (now_ms - since_ms) / _HOUR_MS
        doses = self._predicted
        self._from = (value, now_ms)
        self._predicted = {}
        if hours <= 0.0:
            return
        self._wander(hours)
        missed = value - since - self.drift_per_h * hours
        variance = 2.0 * self._noise * self._noise + self._drift_variance * hours * hours
        for doser in doses:
            strength, own = self._strengths[doser]
            missed -= strength * doses[doser]
            variance += own * doses[doser] * doses[doser]
        gain = self._drift_variance * hours / variance
        self.drift_per_h += gain * missed
        limit = 5.0 * self._drifts
        self.drift_per_h = min(limit, max(-limit, self.drift_per_h))
        self._drift_variance *= 1.0 - gain * hours
        for doser in doses:
            self._strengthen(doser, doses[doser], missed, variance)

    def _wander(self, hours):
        """Let certainty fade."""
        most = self._drifts * self._drifts
        self._drift_variance = min(most, self._drift_variance + 0.04 * most * hours)
        for entry in self._strengths.values():
            wanders = _WANDERS * entry[0]
            most = (_DECLARED * entry[0]) ** 2
            entry[1] = min(most, entry[1] + wanders * wanders * hours)

    def _strengthen(self, doser, predicted, missed, variance):
        entry = self._strengths[doser]
        gain = entry[1] * predicted / variance
        strength = entry[0] + gain * missed
        strength = min(_STEP * entry[0], max(entry[0] / _STEP, strength))
        entry[0] = min(HIGHEST, max(LOWEST, strength))
        entry[1] *= 1.0 - gain * predicted
