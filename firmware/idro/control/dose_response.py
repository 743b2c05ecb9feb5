"""How this water answers a dose: learned from the titration at commissioning and every dose since.

Between two readings of mixed water a value moves by what was dosed and by itself:

    moved = strength * predicted + drift * hours

`predicted` is what the declared titration says of the doses, `strength` how much more or less they
really do: 1 is as declared, 10 is water that has lost its carbonate since. Both unknowns are
followed by a Kalman filter without cross terms: each difference is shared out by how uncertain
each of them is. No dose moves a strength by more than threefold, and none leaves its limits. What
neither a drift nor a dose of about the known strength can do was no drift: something else came
into the water.

A dose from a swapped bottle looks like a drift as well. So what the water does by itself is kept a
second time, from times without any dose: only that may excuse what doses did.
"""

import math
from collections import namedtuple

LOWEST, HIGHEST = 0.3, 40.0
_STEP = 3.0
_MOST_DRIFTS = 5.0
_HOUR_MS = 3_600_000
_LOOK_EVERY_MS = 1_200_000
_SHORTEST_MS = 240_000
_LEARNED_BEFORE, _CERTAIN = 0.25, 0.35
_RISING = 1.1
_SCATTER_KEEP = 0.97

# What is believed before and between doses. noise, drifts: least and most standard deviation of a
# reading, and that of the drift an hour, in the loop's unit. declared: that of a strength nobody
# has seen at work, wanders: what it moves in the root of an hour, both as a share of it.
Belief = namedtuple("Belief", ("least_noise", "most_noise", "drifts", "declared", "wanders"))
# Carbonate leaves a water within hours, and with it most of what acid had to move.
PH = Belief(0.004, 0.03, 0.06, 0.5, 0.12)
# An ion is an ion: pumps and stock are a few percent off.
EC = Belief(2.0, 10.0, 8.0, 0.2, 0.02)


class DoseResponse:
    """One loop: its dosers, its drift. Values in the loop's unit, drift in that unit an hour."""

    def __init__(self, dosers, belief):
        self._belief = belief
        self._strengths = {}
        self._rising = set()  # dosers whose last dose did clearly more than was known
        for name in dosers:
            self.forget(name)
        self.drift_per_h = 0.0
        self._drift_variance = belief.drifts * belief.drifts
        self._undosed_per_h = 0.0
        self._undosed_variance = belief.drifts * belief.drifts
        self._last = None  # the reading of the last look
        self._scatter = belief.least_noise * belief.least_noise
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
        self._strengths[doser] = [1.0, self._belief.declared * self._belief.declared]
        self._rising.discard(doser)

    def upper_bound(self, doser):
        """Return the strength to dose by: the less is known, the more is assumed.

        A doser that was not seen at work is taken to be as strong as the other of its loop: acid
        and base meet the same buffer.
        """
        strength, variance = self._strengths[doser]
        most = strength + 2.0 * math.sqrt(variance)
        if not self.is_certain(doser):
            most = max(most, max(entry[0] for entry in self._strengths.values()))
        return most

    def is_certain(self, doser):
        """True where doses have shown what `doser` does."""
        strength, variance = self._strengths[doser]
        return variance <= (_CERTAIN * strength) ** 2

    def is_rising(self, doser):
        """True where the last dose did clearly more than was known: the next may do so again."""
        return doser in self._rising

    def drift_error_per_h(self):
        """Return the standard deviation of the drift."""
        return math.sqrt(self._drift_variance)

    def seen_drift_per_h(self):
        """Return what of the drift was seen while nothing was dosed."""
        seen = self._undosed_per_h
        return min(max(seen, 0.0), max(min(seen, 0.0), self.drift_per_h))

    def invalidate(self):
        """Something else moves the water or the reading: learn nothing across it."""
        self._last = None
        self._from = None
        self._predicted = {}

    def look(self, value, now_ms):
        """Take in a reading of mixed water. Every cycle."""
        if self._last is not None:
            step = value - self._last
            self._scatter += (1.0 - _SCATTER_KEEP) * (step * step - self._scatter)
        self._last = value
        begun = self._from
        if begun is None:
            self._from = (value, now_ms)
        elif self._predicted or now_ms - begun[1] >= _LOOK_EVERY_MS:
            self._learn(begun, value, now_ms)

    def dosed(self, doser, value, predicted, now_ms):
        """Note a dose given at `value`, declared to move it by `predicted` (signed)."""
        self._last = None
        if not self._predicted:
            begun = self._from
            if begun is not None and now_ms - begun[1] >= _SHORTEST_MS:
                self._learn(begun, value, now_ms)
            self._from = (value, now_ms)
        self._predicted[doser] = self._predicted.get(doser, 0.0) + predicted

    def _learn(self, begun, value, now_ms):
        since, since_ms = begun
        hours = (now_ms - since_ms) / _HOUR_MS
        doses = self._predicted
        self._from = (value, now_ms)
        self._predicted = {}
        if hours <= 0.0:
            return
        self._wander(hours)
        if not doses:
            self._learn_undosed(value - since, hours)
        missed = value - since - self.drift_per_h * hours
        variance = 2.0 * self._noise_variance() + self._drift_variance * hours * hours
        for doser in doses:
            strength, own = self._strengths[doser]
            missed -= strength * doses[doser]
            variance += own * doses[doser] * doses[doser]
        if abs(missed) <= self._most_missed(doses, hours):
            gain = self._drift_variance * hours / variance
            limit = _MOST_DRIFTS * self._belief.drifts
            self.drift_per_h = min(limit, max(-limit, self.drift_per_h + gain * missed))
            self._drift_variance *= 1.0 - gain * hours
        for doser in doses:
            self._strengthen(doser, doses[doser], missed, variance)

    def _learn_undosed(self, moved, hours):
        variance = 2.0 * self._noise_variance() + self._undosed_variance * hours * hours
        gain = self._undosed_variance * hours / variance
        self._undosed_per_h += gain * (moved - self._undosed_per_h * hours)
        self._undosed_variance *= 1.0 - gain * hours

    def _most_missed(self, doses, hours):
        """Return what a drift from one limit to the other, noise and the doses could be."""
        belief = self._belief
        most = 2.0 * _MOST_DRIFTS * belief.drifts * hours + 5.0 * belief.most_noise
        for doser in doses:
            most += _STEP * self._strengths[doser][0] * abs(doses[doser])
        return most

    def _noise_variance(self):
        """Return that of a filtered reading, by how far one is from the next."""
        belief = self._belief
        variance = max(belief.least_noise * belief.least_noise, self._scatter)
        return min(belief.most_noise * belief.most_noise, variance)

    def _wander(self, hours):
        """Let certainty fade."""
        belief = self._belief
        most = belief.drifts * belief.drifts
        wandered = 0.04 * most * hours
        self._drift_variance = min(most, self._drift_variance + wandered)
        self._undosed_variance = min(most, self._undosed_variance + wandered)
        for entry in self._strengths.values():
            wanders = belief.wanders * entry[0]
            most = (belief.declared * entry[0]) ** 2
            entry[1] = min(most, entry[1] + wanders * wanders * hours)

    def _strengthen(self, doser, predicted, missed, variance):
        entry = self._strengths[doser]
        gain = entry[1] * predicted / variance
        strength = entry[0] + gain * missed
        strength = min(_STEP * entry[0], max(entry[0] / _STEP, strength))
        is_more = missed * missed > variance  # than errors of reading, drift and strength
        if is_more and strength > _RISING * entry[0]:
            self._rising.add(doser)
        else:
            self._rising.discard(doser)
        entry[0] = min(HIGHEST, max(LOWEST, strength))
        entry[1] *= 1.0 - gain * predicted
