"""Compares two pH probes in the same water: do they agree and, if not, which is likelier wrong?

Two readings cannot tell by themselves which of them is true. What both did since they last agreed
can: water moves by doses and by its usual drift, so the probe that moved otherwise is likelier
wrong. So is one that follows doses less than the other, one that has had faults, one at whose pH
doses would act otherwise than they do, and one whose reading is closer to 7, where worn, cracked
and wet electrodes end. Each sign is a logarithm of
odds, above 0 against the first; they add up, and the largest gives the reason. Drift and strength
of doses are learned from both alike: from one, they would prove that one right.

A drift of less than about 0.1 pH a day is slower than water changes by itself: then the wrong one
is named little better than by chance.
"""

import math

from idro.control.filters import milli
from idro.control.plausibility import CALIBRATING, UNDISTURBED
from idro.protocol.reason import Reason

# Codes of the signs, in their order.
CODES = (
    "pair_moved", "pair_drifts", "pair_deaf", "pair_doses", "pair_faults", "pair_near_7")
# A larger difference for this long is a dispute; it ends after a longer time of agreement.
DISPUTED_PH = 0.3
DISPUTED_MS = 300_000
AGREED_PH = 0.2
AGREED_MS = 1_800_000
# A probe without a value for as long leaves the other unproven.
ALONE_MS = 600_000

_HOUR_MS = 3_600_000
_SMOOTH_MS = 180_000
_LONGEST_STEP_MS = 60_000
# Up to this difference, both are trusted, and the water is learned.
_CALM_PH = 0.12
# Faults of a probe count, and fade.
_FAULTS_FADE_MS = 12 * _HOUR_MS
_NEAR_7_ODDS_PER_PH, _MOST_NEAR_7_ODDS = 1.5, 0.5

# Moves at a dose or a fill are measured 20 min after it at the latest. The sums of their squares
# fade; a large move counts as 0.05 pH; noise adds so much to a sum.
_MOVES_MS = 1_200_000
_BEND_MS = 14_400_000
_KEEP_MOVES = 0.85
_LARGE_MOVE_PH = 0.05
_NOISE_PH2 = 6e-4
# The other moved by as much, and this one about half as far: it is deaf, whatever it reads.
_DEAF_PH2 = 0.0035
_DEAF = 0.65
_LEAST_PREDICTED_PH = 0.005
# Strength of doses then and now: fading, from so many doses each; how much of a change counts.
_KEEP_DOSES = 0.95
_LEAST_KNOWN, _LEAST_DOSES, _LEAST_SHARE = 8, 3, 0.3
_STRONGER_PER_PH = 1.6
_BUFFER_ODDS = 150.0
_LEAST_STRENGTH = 0.2
_STRENGTH_GAIN = 0.2

# Up to so long since they agreed, doses explain the mean; later what it did undisturbed.
_SUDDEN_MS = 21_600_000
# What an hour may add to the surprise: a pour is no drift.
_MOST_AN_HOUR_PH = 0.03
_LEAST_OF_AN_HOUR = 0.3
_DRIFT_GAIN = 0.02
_OF_DAY_GAIN = 0.4
_OF_DAY_FROM_HOURS = 12
# Half of the errors of the drift are smaller: at once, and for each hour; and of what doses should
# do. Measured in 60 simulated greenhouses.
_DRIFT_ERROR_PH, _DRIFT_ERROR_PH_H = 0.008, 0.0017
_DOSE_ERROR = 0.3
_MOST_DRIFT_ODDS = 1.7


class _Probe:
    """The smoothed value of one probe, and what it did."""

    def __init__(self):
        self.value = None
        self.last = 0.0  # reading
        self.lost_ms = 0  # without a value
        self.faults = 0.0  # readings with a fault, fading
        self.moves = 0.0  # sum of squares of its moves at doses, fading
        self.start = None  # value before a dose

    def add(self, sample, step_ms):
        """Take in a Sample of now."""
        value = sample.value
        self.faults *= 1.0 - step_ms / _FAULTS_FADE_MS
        if value is None:
            self.faults += 1.0
            self.lost_ms += step_ms
            if sample.fault != "jump":
                self.value = None
            return
        self.lost_ms = 0
        self.last = value
        if self.value is None:
            self.value = value
        self.value += min(1.0, step_ms / _SMOOTH_MS) * (value - self.value)


class _Water:
    """What both probes have shown of the water: its drift, and the strength of doses."""

    def __init__(self):
        self.mean = None  # of both, in the last cycle
        self.expected = 0.0  # sum of what doses should have moved it
        self.surprise = 0.0  # sum of what it moved undisturbed, other than by its drift
        self._drift_ph_h = 0.0
        self._of_day = [0.0] * 24  # what an hour of the day, by uptime, adds to the drift
        self._hours = 0
        self._hour = [0.0, 0.0, 0]  # hours undisturbed, by how much it moved, hour of the day
        # Of base and of acid, fading sums: what doses did times what they should have done, the
        # square of that, and their number.
        self.sides = [[0.0, 0.0, 0], [0.0, 0.0, 0]]
        self._strength = 1.0  # of doses relative to the titration
        self._start = (0.0, 0.0)  # mean and sum of the predictions before a dose
        self._predicted = self._newest = 0.0

    def drift(self, hours):
        """Return by how much it drifts in so many hours."""
        return self._drift_ph_h * hours

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
        weight = min(1.0, (_LARGE_MOVE_PH / predicted) ** 2)
        side[0] = _KEEP_DOSES * side[0] + weight * predicted * (mean - before)
        side[1] = _KEEP_DOSES * side[1] + weight * predicted * predicted
        side[2] += 1
        change = min(2.0, max(-1.0, (mean - before) / predicted / strength - 1.0)) * strength
        weight = min(1.0, abs(predicted) * strength / _LARGE_MOVE_PH)
        self._strength = max(_LEAST_STRENGTH, strength + _STRENGTH_GAIN * weight * change)

    def follow(self, mean, is_undisturbed, is_calm, step_ms, now_ms):
        """Take in the mean of a cycle. Drift is learned from undisturbed hours that are calm."""
        hour, before, self.mean = self._hour, self.mean, mean
        if before is None or not is_undisturbed:
            return
        hour[0] += step_ms / _HOUR_MS
        hour[1] += mean - before
        at_hour = now_ms // _HOUR_MS % 24
        if at_hour == hour[2]:
            return
        self._hour = [0.0, 0.0, at_hour]
        if hour[0] < _LEAST_OF_AN_HOUR:
            return
        surprise = hour[1] - (self._drift_ph_h + self._of_day[at_hour]) * hour[0]
        self.surprise += _limited(surprise, _MOST_AN_HOUR_PH)
        if is_calm:
            surprise = _limited(surprise / hour[0], _MOST_AN_HOUR_PH)
            self._hours += 1
            self._drift_ph_h += max(_DRIFT_GAIN, 1 / (self._hours + 2)) * surprise
            if self._hours > _OF_DAY_FROM_HOURS:
                self._of_day[at_hour] += _OF_DAY_GAIN * surprise


class ProbePair:
    """Judges a pair in every cycle. `suspect` is 0 or 1 during a dispute, else None; `signs` are
    the (odds, index in CODES) that decided it, `sign` is the index of the largest."""

    def __init__(self):
        self._probes = (_Probe(), _Probe())
        self._water = _Water()
        self.suspect: int | None = None
        self.sign = 0
        self.signs: tuple = ()
        self.is_paused = False  # a person calibrates: the probes are not in the water
        self._last_ms = None
        self._since_ms = 0  # how long the next state has been due
        self._sides: list = []  # strengths of doses then
        # (at_ms, mean, difference, surprise, expected) when they last agreed
        self._agreed = (0, 0.0, 0.0, 0.0, 0.0)
        self._has_agreed = False
        self._dosed_ms = None  # when the moves of a dose began to be measured
        self._is_measured = False
        self._points = []  # (at_ms, value, value) of both, while they agree

    @property
    def is_alone(self):
        """True if one of the probes has had no value for ALONE_MS."""
        return max(self._probes[0].lost_ms, self._probes[1].lost_ms) >= ALONE_MS

    def reason(self, channels):
        """Return the Reason of a dispute; `channels` are those of the first and the second."""
        index = self.suspect or 0
        suspect, other = self._probes[index], self._probes[1 - index]
        return Reason(
            CODES[self.sign], channel=channels[index], milli_ph=milli(suspect.last),
            other_milli_ph=milli(other.last))

    def update(self, first, second, moved_by, predicted, now_ms):
        """Take in the Samples of a cycle; `moved_by`: see plausibility; `predicted` is by how much
        the doses since the last cycle move pH by the titration."""
        step_ms = 0 if self._last_ms is None else min(_LONGEST_STEP_MS, now_ms - self._last_ms)
        self._last_ms = now_ms
        one, other = self._probes
        water = self._water
        water.dosed(predicted)
        self.is_paused = moved_by == CALIBRATING
        if self.is_paused:
            one.value = other.value = None
        else:
            one.add(first, step_ms)
            other.add(second, step_ms)
        if one.value is None or other.value is None:
            self._since_ms = 0
            water.mean = self._dosed_ms = None
            self._points.clear()
            return
        mean, difference = 0.5 * (one.value + other.value), one.value - other.value
        is_undisturbed, is_calm = moved_by == UNDISTURBED, abs(difference) <= _CALM_PH
        self._measure_moves(is_undisturbed, mean, now_ms)
        self._measure_bends(is_calm, now_ms)
        water.follow(mean, is_undisturbed, is_calm, step_ms, now_ms)
        if is_calm or not self._has_agreed:
            self._has_agreed = True
            self._agreed = (now_ms, mean, difference, water.surprise, water.expected)
            self._sides = [tuple(side) for side in water.sides]
        if self.suspect is None:
            self._dispute(mean, difference, step_ms, now_ms)
        else:
            self._agree(first, second, difference, step_ms)

    def _dispute(self, mean, difference, step_ms, now_ms):
        self._since_ms = self._since_ms + step_ms if abs(difference) > DISPUTED_PH else 0
        if self._since_ms >= DISPUTED_MS or self._is_deaf():
            self._since_ms = 0
            self._name(mean, difference, now_ms)

    def _agree(self, first, second, difference, step_ms):
        is_close = (
            abs(difference) < AGREED_PH and first.fault is None and second.fault is None
            and not self._is_deaf())
        self._since_ms = self._since_ms + step_ms if is_close else 0
        if self._since_ms >= AGREED_MS:
            self._since_ms, self.suspect = 0, None

    def _measure_moves(self, is_undisturbed, mean, now_ms):
        """Measure how far a dose or a fill moved both."""
        if self._dosed_ms is None:
            if is_undisturbed:
                self._is_measured = False
            elif not self._is_measured:
                self._dosed_ms = now_ms
                self._water.begin(mean)
                for probe in self._probes:
                    probe.start = probe.value
        elif is_undisturbed or now_ms - self._dosed_ms >= _MOVES_MS:
            self._dosed_ms, self._is_measured = None, not is_undisturbed
            self._water.end(mean)
            self._moved([abs(probe.value - probe.start) for probe in self._probes])

    def _measure_bends(self, is_calm, now_ms):
        """Measure how far both left the straight line of eight hours: every day water does, and a
        drifting probe does not."""
        points = self._points
        if not is_calm:
            points.clear()
        elif not points or now_ms - points[-1][0] >= _BEND_MS:
            points.append((now_ms, self._probes[0].value, self._probes[1].value))
            if len(points) == 3:
                old, middle, new = points
                self._moved([abs(new[i] - 2 * middle[i] + old[i]) for i in (1, 2)])
                points.pop(0)

    def _moved(self, moves):
        share = min(1.0, _LARGE_MOVE_PH / max(moves[0], moves[1], 1e-3))
        for index, probe in enumerate(self._probes):
            probe.moves = _KEEP_MOVES * probe.moves + (share * moves[index]) ** 2

    def _name(self, mean, difference, now_ms):
        """Name the likelier wrong one by the sum of the signs."""
        first, second = self._probes
        near_7 = abs(second.value - 7.0) - abs(first.value - 7.0)
        faults = math.log((first.faults + 2.0) / (second.faults + 2.0))
        moves = max(first.moves, second.moves)
        deaf = 6.0 * self._deafness() * moves / (moves + 0.5 * _DEAF_PH2)
        self.signs = (
            self._moved_sign(mean, difference, now_ms),
            (_limited(deaf, 4.0), 2),
            (self._buffer_sign(mean), 3),
            (_limited(2.0 * faults, 3.0), 4),
            (_limited(_NEAR_7_ODDS_PER_PH * near_7, _MOST_NEAR_7_ODDS), 5),
        )
        if sum([sign for sign, _ in self.signs]) > 0:
            self.suspect, self.sign = 0, max(self.signs)[1]
        else:
            self.suspect, self.sign = 1, min(self.signs)[1]

    def _moved_sign(self, mean, difference, now_ms):
        """Return (odds, index): whose move since they agreed the water does not explain.

        If the first went wrong by d, the mean moved by d/2 more than expected; if the second did,
        by d/2 less. The odds of both by a Cauchy distribution: some waters surprise by far.
        """
        water = self._water
        at_ms, before, was, surprise, expected = self._agreed
        hours = (now_ms - at_ms) / _HOUR_MS
        error = _DRIFT_ERROR_PH + _DRIFT_ERROR_PH_H * hours
        if now_ms - at_ms <= _SUDDEN_MS:
            index, doses = 0, water.expected - expected
            moved = mean - before - water.drift(hours) - doses
            error += _DOSE_ERROR * abs(doses)
        else:
            index, moved = 1, water.surprise - surprise
        half = 0.5 * (difference - was)
        error *= error
        odds = math.log((error + (moved + half) ** 2) / (error + (moved - half) ** 2))
        return (odds if index == 0 else _limited(odds, _MOST_DRIFT_ODDS)), index

    def _buffer_sign(self, mean):
        """Return the odds by the strength of doses since they agreed.

        Phosphate, the buffer of nutrient solutions, grows by half with 0.3 pH: doses tell whether
        the water went where the second reads, or stayed where the first does.
        """
        _, before, was, _, _ = self._agreed
        difference = self._probes[0].value - self._probes[1].value - was
        odds = 0.0
        for then, now in zip(self._sides, self._water.sides):  # noqa: B905  (portable)
            count = now[2] - then[2]
            if count < _LEAST_DOSES or then[2] < _LEAST_KNOWN or min(then[0], now[0]) <= 0:
                continue
            share = 1.0 - _KEEP_DOSES**count
            stronger = math.log(now[0] * then[1] / (now[1] * then[0])) / max(_LEAST_SHARE, share)
            odds += share * difference * (stronger + _STRONGER_PER_PH * (mean - before))
        return _limited(_BUFFER_ODDS * odds, 2.0)

    def _deafness(self):
        """Return the logarithm of how much less the first moved at doses than the second."""
        first, second = self._probes
        return 0.5 * math.log((second.moves + _NOISE_PH2) / (first.moves + _NOISE_PH2))

    def _is_deaf(self):
        first, second = self._probes
        return max(first.moves, second.moves) > _DEAF_PH2 and abs(self._deafness()) > _DEAF


def _limited(value, most):
    return min(most, max(-most, value))
