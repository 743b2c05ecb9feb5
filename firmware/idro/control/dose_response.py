"""Learns how the water responds to doses, from the titration and every dose since.

Between two readings of mixed water, a value moves by the doses and by drift:

    moved = strength * predicted + drift * hours

`predicted` is the effect by the titration in the settings, `strength` the ratio of the real effect
to it: 1 is as declared, 10 is water that has lost its carbonate since. A Kalman filter without
cross terms tracks both unknowns: it splits each residual by their uncertainties. One dose raises a
strength at most threefold and lowers it at most by a third, as water that once answered strongly
soon does again; the first may raise it tenfold. All within fixed limits. A residual larger than
drift and doses can explain does not change the drift: something else entered the water.

A dose begins when noise is at its worst, and small doses seem to do what none of them did. So no
interval begins or ends with a dose, and it goes on over doses too small to tell, for an hour.

A dose from a swapped bottle looks like drift too. A second estimate of the drift therefore uses
only intervals without doses; dose_verification relies on it.
"""

import math
from collections import namedtuple

MIN_STRENGTH, MAX_STRENGTH = 0.3, 40.0
_STEP = 3.0
_MAX_DRIFTS = 5.0
_HOUR_MS = 3_600_000
_UPDATE_EVERY_MS = 1_200_000
_UNCLEAR_MS = 3_600_000
_RESTORED, _CERTAIN = 0.25, 0.35
_RISING = 1.1
_SCATTER_KEEP = 0.97
_DAY_MS = 86_400_000

# Standard deviations. min_noise, max_noise: of a reading; drifts: of the drift an hour; in the
# loop's unit. declared: of a strength not yet observed; walk: its random walk in the square root
# of an hour, settled: the same from a day after other water came; relative to the strength.
Prior = namedtuple("Prior", ("min_noise", "max_noise", "drifts", "declared", "walk", "settled"))
# Water loses its carbonate, and with it most of its buffer, within hours; later it changes less.
PH = Prior(0.004, 0.03, 0.06, 0.5, 0.12, 0.03)
# The response to nutrients is constant; pumps and stock are a few percent off.
EC = Prior(2.0, 10.0, 8.0, 0.2, 0.02, 0.02)


class DoseResponse:
    """Strengths of the dosers of one loop, and its drift in the loop's unit per hour."""

    def __init__(self, dosers, prior):
        self._prior = prior
        self._strengths = {}
        self._rising = set()  # dosers whose last dose was clearly stronger than expected
        self._untried = set()  # dosers of a changing water of which no dose was measured yet
        for name in dosers:
            self.forget(name)
        self.drift_per_h = 0.0
        self._drift_variance = prior.drifts * prior.drifts
        self._undosed_per_h = 0.0
        self._undosed_variance = prior.drifts * prior.drifts
        self._watched_ms = None  # end of the last interval without doses
        self._watch_ms = None  # start of the watch since then
        self._last = None  # the previous reading
        self._scatter = prior.min_noise * prior.min_noise
        self._start = None  # (value, at_ms) of mixed water: start of the interval
        self._undosed = None  # the same without doses
        self._learned_ms = None
        self._since_ms = None  # when this water was first measured
        self._predicted = {}  # {doser: predicted effect since then}

    def strength(self, doser):
        """Return the ratio of the real effect of `doser` to the titration."""
        return self._strengths[doser][0]

    def set_strength(self, doser, strength):
        """Restore the strength learned before a reset."""
        strength = min(MAX_STRENGTH, max(MIN_STRENGTH, strength))
        self._strengths[doser] = [strength, (_RESTORED * strength) ** 2]

    def forget(self, doser):
        """Reset the strength of `doser`: its titration changed."""
        self._strengths[doser] = [1.0, self._prior.declared * self._prior.declared]
        self._rising.discard(doser)

    def upper_bound(self, doser):
        """Return the strength plus two standard deviations, to dose by.

        A doser without certainty is assumed at least as strong as the other of its loop: acid and
        base meet the same buffer.
        """
        strength, variance = self._strengths[doser]
        most = strength + 2.0 * math.sqrt(variance)
        if not self.is_certain(doser):
            most = max(most, max(entry[0] for entry in self._strengths.values()))
        return most

    def lower_bound(self, doser):
        """Return the strength to judge doses by: less a standard deviation, but not of the first
        dose in other water, where a stuck probe must be found as soon."""
        strength, variance = self._strengths[doser]
        return strength if doser in self._untried else strength - math.sqrt(variance)

    def trial(self, doser):
        """Return by how much the next dose must be smaller, as none was measured in this water.

        Hard water that has lost its carbonate since answers up to 20 times as strongly.
        """
        return 4.0 if doser in self._untried else 1.0

    def is_certain(self, doser):
        """True if doses have confirmed the strength of `doser`."""
        strength, variance = self._strengths[doser]
        return variance <= (_CERTAIN * strength) ** 2

    def is_rising(self, doser):
        """True if the last dose was clearly stronger than expected: the next may be too."""
        return doser in self._rising

    def drift_error_per_h(self):
        """Return the standard deviation of the drift."""
        return math.sqrt(self._drift_variance)

    def undosed_drift_per_h(self, now_ms):
        """Return the part of the drift confirmed by intervals without doses in three hours."""
        if not self._is_watched(now_ms):
            return 0.0
        seen = self._undosed_per_h
        return min(max(seen, 0.0), max(min(seen, 0.0), self.drift_per_h))

    def watch_left_ms(self, now_ms):
        """Return the ms without a dose that the drift still needs, 0 if it was measured in the
        last three hours, or if other doses prevented it for an hour."""
        if self._is_watched(now_ms):
            return 0
        if self._watch_ms is None:
            self._watch_ms = now_ms
        elif now_ms - self._watch_ms >= 3 * _UPDATE_EVERY_MS:
            return 0
        since_ms = now_ms if self._undosed is None else self._undosed[1]
        return max(0, since_ms + _UPDATE_EVERY_MS - now_ms)

    @property
    def was_watched(self):
        """True if the drift was measured without doses since other water came."""
        return self._watched_ms is not None

    def _is_watched(self, now_ms):
        return (
            self._watched_ms is not None and now_ms - self._watched_ms < 9 * _UPDATE_EVERY_MS)

    def doubt(self):
        """Trust neither drift nor strengths until they were measured again: it is other water."""
        self._watched_ms = self._watch_ms = self._since_ms = None
        for doser, entry in self._strengths.items():
            entry[1] = max(entry[1], (self._prior.declared * entry[0]) ** 2)
            self._untried.add(doser)

    def invalidate(self):
        """Discard the current interval: something else changes the water or the reading."""
        self._last = None
        self._start = self._undosed = None
        self._predicted = {}

    def update(self, value, now_ms):
        """Process a reading of mixed water. Call it in every cycle."""
        if self._last is not None:
            step = value - self._last
            self._scatter += (1.0 - _SCATTER_KEEP) * (step * step - self._scatter)
        self._last = value
        undosed = self._undosed
        if undosed is None:
            self._undosed = (value, now_ms)
        elif now_ms - undosed[1] >= _UPDATE_EVERY_MS:
            self._learn_undosed(undosed, value, now_ms)
            self._undosed = (value, now_ms)
            if not self._predicted:
                self._start = self._undosed
            self._watched_ms, self._watch_ms = now_ms, None
        start = self._start
        if start is None:
            self._start = (value, now_ms)
        elif self._predicted and (
                now_ms - start[1] >= _UNCLEAR_MS or self._is_clear(value - start[0])):
            self._learn(start, value, now_ms)

    def dosed(self, doser, value, predicted, now_ms):
        """Record a dose at `value`, predicted to move it by `predicted` (signed)."""
        self._last = self._undosed = None
        if self._start is None:
            self._start = (value, now_ms)
        self._predicted[doser] = self._predicted.get(doser, 0.0) + predicted

    def _is_clear(self, moved):
        """True if the doses did, or should have done, more than twice the noise."""
        expected = self._expected()
        most = max(abs(expected), abs(moved - expected))
        return most * most > 8.0 * self._noise_variance()

    def _expected(self):
        expected = 0.0
        for doser in self._predicted:
            expected += self._strengths[doser][0] * self._predicted[doser]
        return expected

    def _learn(self, start, value, now_ms):
        since, since_ms = start
        hours = (now_ms - since_ms) / _HOUR_MS
        doses = self._predicted
        residual = value - since - self.drift_per_h * hours - self._expected()
        self._start = (value, now_ms)
        self._predicted = {}
        self._add_uncertainty(now_ms)
        variance = 2.0 * self._noise_variance() + self._drift_variance * hours * hours
        for doser in doses:
            variance += self._strengths[doser][1] * doses[doser] * doses[doser]
        self._update_drift(residual, variance, doses, hours)
        for doser in doses:
            self._update_strength(doser, doses[doser], residual, variance)

    def _learn_undosed(self, start, value, now_ms):
        hours = (now_ms - start[1]) / _HOUR_MS
        moved = value - start[0]
        self._add_uncertainty(now_ms)
        noise = 2.0 * self._noise_variance()
        variance = noise + self._drift_variance * hours * hours
        self._update_drift(moved - self.drift_per_h * hours, variance, {}, hours)
        variance = noise + self._undosed_variance * hours * hours
        gain = self._undosed_variance * hours / variance
        self._undosed_per_h += gain * (moved - self._undosed_per_h * hours)
        self._undosed_variance *= 1.0 - gain * hours

    def _update_drift(self, residual, variance, doses, hours):
        if abs(residual) <= self._max_residual(doses, hours):
            gain = self._drift_variance * hours / variance
            limit = _MAX_DRIFTS * self._prior.drifts
            self.drift_per_h = min(limit, max(-limit, self.drift_per_h + gain * residual))
            self._drift_variance *= 1.0 - gain * hours

    def _max_residual(self, doses, hours):
        """Return the largest residual that drift, noise and the doses can explain."""
        prior = self._prior
        most = 2.0 * _MAX_DRIFTS * prior.drifts * hours + 5.0 * prior.max_noise
        for doser in doses:
            most += _STEP * self._strengths[doser][0] * abs(doses[doser])
        return most

    def _noise_variance(self):
        """Return the variance of a filtered reading, from its successive differences."""
        prior = self._prior
        variance = max(prior.min_noise * prior.min_noise, self._scatter)
        return min(prior.max_noise * prior.max_noise, variance)

    def _add_uncertainty(self, now_ms):
        """Increase the variances with time."""
        hours = 0.0 if self._learned_ms is None else (now_ms - self._learned_ms) / _HOUR_MS
        self._learned_ms = now_ms
        if self._since_ms is None:
            self._since_ms = now_ms
        prior = self._prior
        most = prior.drifts * prior.drifts
        added = 0.04 * most * hours
        self._drift_variance = min(most, self._drift_variance + added)
        self._undosed_variance = min(most, self._undosed_variance + added)
        is_settled = now_ms - self._since_ms > _DAY_MS
        for doser, entry in self._strengths.items():
            is_slow = is_settled and doser not in self._rising  # a bottle may be another
            walk = (prior.settled if is_slow else prior.walk) * entry[0]
            most = (prior.declared * entry[0]) ** 2
            entry[1] = min(most, entry[1] + walk * walk * hours)

    def _update_strength(self, doser, predicted, residual, variance):
        entry = self._strengths[doser]
        gain = entry[1] * predicted / variance
        strength = entry[0] + gain * residual
        most = _STEP
        if doser in self._untried:
            self._untried.remove(doser)
            most = 10.0
        strength = min(most * entry[0], max(entry[0] / (0.5 * _STEP), strength))
        is_more = residual * residual > variance  # than the known errors explain
        if is_more and strength > _RISING * entry[0]:
            self._rising.add(doser)
        else:
            self._rising.discard(doser)
        entry[0] = min(MAX_STRENGTH, max(MIN_STRENGTH, strength))
        entry[1] *= 1.0 - gain * predicted
