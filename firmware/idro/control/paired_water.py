"""What a pair of pH probes has shown of the water and of themselves.

Drift and strength of doses are learned from both probes alike while they agree: from one, they
would prove that one right.
"""

import math

HOUR_MS = 3_600_000
_SMOOTH_MS = 180_000
# Faults of a probe count, and fade.
_FAULTS_FADE_MS = 3 * HOUR_MS
# The sums of the squares of moves at doses fade; a large move counts as 0.05 pH.
LARGE_MOVE_PH = 0.05
_KEEP_MOVES = 0.85
_LEAST_PREDICTED_PH = 0.005
# How far the mean of an hour differs from the last: fading, and no further than a quiet hour's.
_LEAST_OF_AN_HOUR = 0.3
_MOST_STIR_PH = 0.01
_STIR_GAIN, _USUAL_GAIN = 0.2, 0.05
# Strength of doses: fading sums.
KEEP_DOSES = 0.95
_LEAST_STRENGTH = 0.2
_STRENGTH_GAIN = 0.2
# What a dose or a fill may move pH other than predicted: at first, and how fast it is learned.
_ODD_PH, _ODD_GAIN = 0.05, 0.1
# Phosphate, the buffer of nutrient solutions, is by so much weaker for each pH below, up to half a
# pH: the same acid of roots or of a pump moves pH more.
STRONGER_PER_PH = 1.6
_MOST_OFF_PH = 0.5
# Drift: what an hour counts at most (a pour is no drift), and how fast it is learned.
_MOST_AN_HOUR_PH = 0.03
_DRIFT_GAIN = 0.02
_OF_DAY_GAIN = 0.4
_OF_DAY_FROM_HOURS = 12


class PairedProbe:
    """The smoothed value of one probe, and what it did."""

    def __init__(self):
        self.value = None
        self.last = 0.0  # reading
        self.lost_ms = 0  # without a value
        self.faults = 0.0  # readings with a fault, fading
        self.moves = 0.0  # sum of squares of its moves at doses, fading
        self.start = None  # value before a dose
        self.surprise = 0.0  # sum of its moves in still water, less the usual drift
        self.drifted = 0.0  # the same, of which an hour counts little
        self.mixing = 0.0  # sum of its moves in mixing water
        self.stir = None  # how far it moves in an hour, pH
        self._surprise_then = 0.0  # when this hour began
        self._before = None  # the last value
        self._hour = [0.0, 0]  # sum of the values of this hour, ms
        self._hour_mean = None  # of the last hour

    def add(self, sample, step_ms):
        """Take in a Sample of now. A jump is no fault: a pour looks the same."""
        value = sample.value
        self.faults *= 1.0 - step_ms / _FAULTS_FADE_MS
        if value is None:
            self.lost_ms += step_ms
            if sample.fault != "jump":
                self.faults += 1.0
                self.value = None
            return
        self.lost_ms = 0
        self.last = value
        if self.value is None:
            self.value = value
        self.value += min(1.0, step_ms / _SMOOTH_MS) * (value - self.value)

    def follow(self, is_still, water, step_ms, now_ms):
        """Sum up its move since it last had a value: a fault may hide a jump."""
        if self._before is not None:
            move = self.value - self._before
            if is_still:
                self.surprise += move - water.drift_ph_h(self.value, now_ms) * step_ms / HOUR_MS
            else:
                self.mixing += move
        self._before = self.value
        self._hour[0] += step_ms * self.value
        self._hour[1] += step_ms

    def end_hour(self):
        """Return how far the mean of this hour is from the last one, at most 0.01 pH, or None."""
        surprise = self.surprise - self._surprise_then
        self._surprise_then = self.surprise
        self.drifted += min(_MOST_AN_HOUR_PH, max(-_MOST_AN_HOUR_PH, surprise))
        before, (total, lasted_ms) = self._hour_mean, self._hour
        self._hour = [0.0, 0]
        self._hour_mean = None
        if lasted_ms < _LEAST_OF_AN_HOUR * HOUR_MS:
            return None
        self._hour_mean = total / lasted_ms
        if before is None:
            return None
        stir = min(_MOST_STIR_PH, abs(self._hour_mean - before))
        self.stir = stir if self.stir is None else self.stir + _STIR_GAIN * (stir - self.stir)
        return stir

    def moved(self, move, share):
        """Take in its move at a dose, which counts by `share`."""
        self.moves = _KEEP_MOVES * self.moves + (share * move) ** 2


class PairedWater:
    """What both probes have shown of the water: its drift, and the strength of doses.

    Sums to compare: `still_h`, hours in which nothing moved it; `mixings`, doses and fills, and
    `expected`, what they should have moved it."""

    def __init__(self):
        self.mean = None  # of both, in the last cycle
        self.still_h = self.expected = 0.0
        self.mixings = 0
        self.odd_ph = _ODD_PH  # how far doses and fills move it other than expected
        self.usual_stir = None  # how far both move in an hour
        # Of base and of acid, fading sums: what doses did times what they should have done, the
        # square of that, and their number.
        self.sides = [[0.0, 0.0, 0], [0.0, 0.0, 0]]
        self._drift_ph_h = 0.0
        self._of_day = [0.0] * 24  # what an hour of the day, by uptime, adds to the drift
        self._hours = 0
        self._hour = [0.0, 0.0, 0]  # hours still, by how much it moved, hour of the day
        self._strength = 1.0  # of doses relative to the titration
        self._start = (0.0, 0.0)  # mean and sum of the predictions before a dose
        self._predicted = self._newest = 0.0
        self._usual_ph = None  # at which the drift was learned
        self._mixed = None  # (moved, expected) before a mixing

    def drift_ph_h(self, ph, now_ms):
        """Return the drift at a pH: it is faster where the buffer is weaker."""
        below_ph = 0.0 if self._usual_ph is None else self._usual_ph - ph
        below_ph = min(_MOST_OFF_PH, max(-_MOST_OFF_PH, below_ph))
        drift_ph_h = self._drift_ph_h + self._of_day[now_ms // HOUR_MS % 24]
        return drift_ph_h * math.exp(STRONGER_PER_PH * below_ph)

    def dosed(self, predicted):
        """Take in doses that move it by `predicted` by the titration."""
        self._newest = predicted
        self._predicted += predicted
        self.expected += predicted * self._strength

    def begin(self, mean):
        """Begin to measure a dose."""
        self._start = (mean, self._predicted - self._newest)

    def end(self, mean):
        """Learn the strength of the doses since begin()."""
        before, predicted = self._start
        predicted = self._predicted - predicted
        if abs(predicted) < _LEAST_PREDICTED_PH:
            return
        strength = self._strength
        side = self.sides[predicted < 0]
        weight = min(1.0, (LARGE_MOVE_PH / predicted) ** 2)
        side[0] = KEEP_DOSES * side[0] + weight * predicted * (mean - before)
        side[1] = KEEP_DOSES * side[1] + weight * predicted * predicted
        side[2] += 1
        change = min(2.0, max(-1.0, (mean - before) / predicted / strength - 1.0)) * strength
        weight = min(1.0, abs(predicted) * strength / LARGE_MOVE_PH)
        self._strength = max(_LEAST_STRENGTH, strength + _STRENGTH_GAIN * weight * change)

    def mixes(self, is_still, moved, is_calm):
        """Count the mixings; `moved` is the sum of the moves in all. Learn from a calm one."""
        if not is_still:
            if self._mixed is None:
                self._mixed = (moved, self.expected - self._newest * self._strength)
                self.mixings += 1
        elif self._mixed is not None:
            before, expected = self._mixed
            self._mixed = None
            if is_calm:
                odd_ph = abs(moved - before - self.expected + expected)
                self.odd_ph += _ODD_GAIN * (odd_ph - self.odd_ph)

    def stirred(self, stirs):
        """Learn how far both move in an hour."""
        if None not in stirs:
            stir = 0.5 * (stirs[0] + stirs[1])
            usual = self.usual_stir
            self.usual_stir = stir if usual is None else usual + _USUAL_GAIN * (stir - usual)

    def follow(self, mean, is_still, is_calm, step_ms, now_ms):
        """Take in the mean of a cycle. Drift is learned from still hours that are calm."""
        hour, before, self.mean = self._hour, self.mean, mean
        if before is None or not is_still:
            return
        at_hour = now_ms // HOUR_MS % 24
        step_h = step_ms / HOUR_MS
        self.still_h += step_h
        hour[0] += step_h
        hour[1] += mean - before
        if at_hour == hour[2]:
            return
        self._hour = [0.0, 0.0, at_hour]
        if hour[0] < _LEAST_OF_AN_HOUR or not is_calm:
            return
        surprise = hour[1] / hour[0] - self._drift_ph_h - self._of_day[at_hour]
        surprise = min(_MOST_AN_HOUR_PH, max(-_MOST_AN_HOUR_PH, surprise))
        self._hours += 1
        usual = self._usual_ph
        self._usual_ph = mean if usual is None else usual + _USUAL_GAIN * (mean - usual)
        self._drift_ph_h += max(_DRIFT_GAIN, 1 / (self._hours + 2)) * surprise
        if self._hours > _OF_DAY_FROM_HOURS:
            self._of_day[at_hour] += _OF_DAY_GAIN * surprise
