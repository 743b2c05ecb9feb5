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
_LEAST_STRENGTH = 0.2
_STRENGTH_GAIN = 0.2
# What a dose or a fill may move pH other than predicted: at first, and how fast it is learned.
_ODD_PH, _ODD_GAIN = 0.05, 0.1
# Phosphate, the buffer of nutrient solutions, is by so much weaker for each pH below, up to half a
# pH: the same acid of roots or of a pump moves pH more.
_STRONGER_PER_PH = 1.6
_MOST_OFF_PH = 0.5
# Which reading the strength of doses follows: from so many doses, whose sums fade faster while the
# probes are as close. Errors of a move: its noise, and a share of it. A dose counts at most as so
# many times its usual strength; not at all if one probe moved by less than a share of the other.
_LEAST_DOSES = 3
_CLOSE_PH, _KEEP_CLOSE, _KEEP_APART = 0.05, 0.9, 0.99
_MOVE_ERROR_PH, _MOVE_ERROR = 0.006, 0.2
_ALIKE = 0.5
_LEAST_OF_PREDICTED, _FIRST_OF_PREDICTED, _MOST_OF_USUAL = 0.05, 0.2, 3.0
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


class PairedDoses:
    """The doses of acid, or of base: does their strength follow the first reading or the second?

    Where the first reads `difference` above the second, and is right, the water is half of that
    above the mean, and doses are weaker; if the second is right, they are stronger. Fading sums of
    the squares of the errors, by least squares, give the logarithm of the odds."""

    def __init__(self):
        self.count = 0
        self._first_ph = 0.0  # of the first dose, which strengths are relative to
        # Weighted: squares of predictions, times moves; both times the difference.
        self._squares = self._moves = self._apart = self._moves_apart = 0.0

    def add(self, predicted, moved, mean, difference):
        """Take in a dose: by how much it should have moved pH and did, and where both read."""
        if not self.count:
            self._first_ph = mean
        moved *= math.exp(_STRONGER_PER_PH * (mean - self._first_ph))
        strength = self._strength() if self.count else min(
            _MOST_OF_USUAL, max(_FIRST_OF_PREDICTED, moved / predicted))
        expected = strength * predicted
        moved = min(_MOST_OF_USUAL, max(0.0, moved / expected)) * expected
        weight = 1.0 / (_MOVE_ERROR_PH**2 + (_MOVE_ERROR * expected) ** 2)
        keep = _KEEP_CLOSE if abs(difference) < _CLOSE_PH else _KEEP_APART
        square, product = weight * predicted * predicted, weight * predicted * moved
        self._squares = keep * self._squares + square
        self._moves = keep * self._moves + product
        self._apart = keep * self._apart + square * difference
        self._moves_apart = keep * self._moves_apart + product * difference
        self.count += 1

    def odds(self):
        """Return the logarithm of the odds that the second is right and the first wrong."""
        if self.count < _LEAST_DOSES:
            return 0.0
        strength = self._strength()
        return _STRONGER_PER_PH * strength * (self._moves_apart - strength * self._apart)

    def _strength(self):
        return max(_LEAST_OF_PREDICTED, self._moves / self._squares)


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
        self._doses = (PairedDoses(), PairedDoses())  # of base, of acid
        self._drift_ph_h = 0.0
        self._of_day = [0.0] * 24  # what an hour of the day, by uptime, adds to the drift
        self._hours = 0
        self._hour = [0.0, 0.0, 0]  # hours still, by how much it moved, hour of the day
        self._strength = 1.0  # of doses relative to the titration
        # Before a dose: mean, difference, sum of the predictions.
        self._start = (0.0, 0.0, 0.0)
        self._predicted = self._newest = 0.0
        self._usual_ph = None  # at which the drift was learned
        self._mixed = None  # (moved, expected) before a mixing

    def drift_ph_h(self, ph, now_ms):
        """Return the drift at a pH: it is faster where the buffer is weaker."""
        below_ph = 0.0 if self._usual_ph is None else self._usual_ph - ph
        below_ph = min(_MOST_OFF_PH, max(-_MOST_OFF_PH, below_ph))
        drift_ph_h = self._drift_ph_h + self._of_day[now_ms // HOUR_MS % 24]
        return drift_ph_h * math.exp(_STRONGER_PER_PH * below_ph)

    def dosed(self, predicted):
        """Take in doses that move it by `predicted` by the titration."""
        self._newest = predicted
        self._predicted += predicted
        self.expected += predicted * self._strength

    def begin(self, mean, difference):
        """Begin to measure a dose."""
        self._start = (mean, difference, self._predicted - self._newest)

    def end(self, moves):
        """Learn the strength of the doses since begin() from the moves of both.

        Return which way they should have gone, -1 or 1, or 0 if the doses were too small."""
        before, difference, predicted = self._start
        predicted = self._predicted - predicted
        if abs(predicted) < _LEAST_PREDICTED_PH:
            return 0
        moved = 0.5 * (moves[0] + moves[1])
        if _are_alike(moves):
            self._doses[predicted < 0].add(predicted, moved, before + 0.5 * moved, difference)
        strength = self._strength
        change = min(2.0, max(-1.0, moved / predicted / strength - 1.0)) * strength
        weight = min(1.0, abs(predicted) * strength / LARGE_MOVE_PH)
        self._strength = max(_LEAST_STRENGTH, strength + _STRENGTH_GAIN * weight * change)
        return -1 if predicted < 0 else 1

    def dose_odds(self):
        """Return the logarithm of the odds, by the strength of doses, that the first is wrong."""
        return self._doses[0].odds() + self._doses[1].odds()

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


def _are_alike(moves):
    """Return True if both probes moved the same way, and about as far."""
    smaller, larger = sorted([abs(move) for move in moves])
    return moves[0] * moves[1] >= 0 and smaller >= _ALIKE * larger
