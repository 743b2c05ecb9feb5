"""Compares two pH probes in the same water: do they agree and, if not, which is likelier wrong?

Two readings cannot tell by themselves which of them is true. What both did since they last agreed
can: water moves by doses and by its usual drift, so the probe that moved otherwise is likelier
wrong. So is one that hardly moves at all, one that follows doses less than the other, one that has
had faults, one at whose pH doses would act otherwise than they do, and one whose reading is closer
to 7, where worn, cracked and wet electrodes end. Each sign is a logarithm of odds, above 0 against
the first; they add up, and the largest gives the reason.

No dose is given by the name, so it may change: for twelve hours of a dispute, both are watched.

A drift of less than about 0.1 pH a day is slower than water changes by itself: then only the
strength of many doses tells, and the wrong one is named in about three of four cases.
"""

import math

from idro.control.filters import milli
from idro.control.paired_water import HOUR_MS, LARGE_MOVE_PH, PairedProbe, PairedWater
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
# So long after it began, the name may change: only by a sum of signs of this much.
WATCHED_MS = 12 * HOUR_MS
_MARGIN_ODDS = 1.0
# A probe without a value for as long leaves the other unproven.
ALONE_MS = 600_000

_LONGEST_STEP_MS = 60_000
# Up to this difference, both are trusted, and the water is learned.
_CALM_PH = 0.12
_FAULT_ODDS, _MOST_FAULT_ODDS = 2.0, 1.0
# A probe fails towards 7 within days; a slow drift goes either way.
_NEAR_7_ODDS_PER_PH, _MOST_NEAR_7_ODDS = 1.5, 0.5
_NEAR_7_MS = 48 * HOUR_MS

# Doses and fills mix, and probes follow, for so long. Moves are measured 20 min after the first
# dose at the latest. Noise adds so much to a sum of squares.
_MIXES_MS = 900_000
_MOVES_MS = 1_200_000
_NOISE_PH2 = 6e-4
# The other moved by as much, and this one about half as far: it is deaf, whatever it reads.
_DEAF_PH2 = 0.0035
_DEAF = 0.65
_DEAF_ODDS, _MOST_DEAF_ODDS = 6.0, 4.0
_LEAST_DEAF_ODDS = 0.3  # healthy probes differ by as much
# The mean of an hour moves by noise; water may be so much stiller than usual (a logarithm).
_STIR_NOISE_PH = 3e-4
_STILL_WATER = 0.5
_FLAT_ODDS, _MOST_FLAT_ODDS = 3.0, 3.0
_STUCK_ODDS = 2.0  # a dispute, whatever it reads
_MOST_DOSE_ODDS = 3.0

# Half of the errors of the drift are smaller: at once, for each hour, and as the drift changes;
# and of what doses should do. Measured in 60 simulated greenhouses. Somebody may have poured: then
# it is the healthy one that moves alone, so moves prove no more than this, if they differ by more
# than 1 pH for each pH: few pours are as large. Later in a dispute, only people pour and dose, and
# the healthy one moves: the moves of its first hour stand.
_DRIFT_ERROR_PH, _DRIFT_ERROR_PH_H, _DRIFT_ERROR_PH_H2 = 0.008, 0.0017, 5e-5
_DOSE_ERROR = 0.3
_MOST_MOVED_ODDS = 2.0
_MOVED_MS = HOUR_MS


class ProbePair:
    """Judges a pair in every cycle. `suspect` is 0 or 1 during a dispute, else None; `signs` are
    the (odds, index in CODES) that decided it, `sign` is the index of the largest."""

    def __init__(self):
        self._probes = (PairedProbe(), PairedProbe())
        self._water = PairedWater()
        self.suspect: int | None = None
        self.sign = 0
        self.signs: tuple = ()
        self.is_paused = False  # a person calibrates: the probes are not in the water
        self._last_ms = None
        self._since_ms = 0  # how long the next state has been due
        self._disputed_ms = 0  # when the dispute began
        self._moved = 0.0  # odds by all moves, an hour later at the latest
        self._hour = 0
        self._agreed_ms = 0  # when they last agreed
        self._sums_then: tuple = ()  # of _sums(), then
        self._mixing_ms = None  # when the last dose or fill was mixing
        self._dosed_ms = None  # when the moves of a dose began to be measured
        self._is_measured = False

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
            return
        mean, difference = 0.5 * (one.value + other.value), one.value - other.value
        is_calm = abs(difference) <= _CALM_PH
        self._measure_moves(moved_by == UNDISTURBED, is_calm, mean, difference, now_ms)
        self._follow(moved_by == UNDISTURBED, is_calm, mean, step_ms, now_ms)
        if is_calm or not self._sums_then:
            self._agreed_ms = now_ms
            self._sums_then = self._sums()
        if self.suspect is None:
            self._dispute(difference, step_ms, now_ms)
        else:
            self._agree(first, second, difference, step_ms)
        if now_ms // HOUR_MS != self._hour:
            self._end_hour(is_calm, now_ms)

    def _dispute(self, difference, step_ms, now_ms):
        self._since_ms = self._since_ms + step_ms if abs(difference) > DISPUTED_PH else 0
        if self._since_ms >= DISPUTED_MS or self._is_deaf():
            self._since_ms = 0
            self._disputed_ms = now_ms
            self._name(now_ms)

    def _agree(self, first, second, difference, step_ms):
        is_close = (
            abs(difference) < AGREED_PH and first.fault is None and second.fault is None
            and not self._is_deaf())
        self._since_ms = self._since_ms + step_ms if is_close else 0
        if self._since_ms >= AGREED_MS:
            self._since_ms, self.suspect = 0, None

    def _measure_moves(self, is_undisturbed, is_calm, mean, difference, now_ms):
        """Measure how far a dose or a fill moved both."""
        if self._dosed_ms is None:
            if is_undisturbed:
                self._is_measured = False
            elif not self._is_measured:
                self._dosed_ms = now_ms
                self._water.begin(mean, difference)
                for probe in self._probes:
                    probe.start = probe.value
        elif is_undisturbed or now_ms - self._dosed_ms >= _MOVES_MS:
            self._dosed_ms, self._is_measured = None, not is_undisturbed
            moves = [probe.value - probe.start for probe in self._probes]
            way = self._water.end(moves)
            if is_calm:  # else one of them moves by itself
                self._follow_doses([max(0.0, move * way) if way else abs(move) for move in moves])

    def _follow_doses(self, moves):
        """Take in how far each of them followed a dose or a fill, at least 0."""
        share = min(1.0, LARGE_MOVE_PH / max(moves[0], moves[1], 1e-3))
        for probe, move in zip(self._probes, moves):  # noqa: B905
            probe.moved(move, share)

    def _follow(self, is_undisturbed, is_calm, mean, step_ms, now_ms):
        """Sum up the moves in still and in mixing water."""
        if not is_undisturbed:
            self._mixing_ms = now_ms
        is_still = self._mixing_ms is None or now_ms - self._mixing_ms > _MIXES_MS
        one, other = self._probes
        one.follow(is_still, self._water, step_ms, now_ms)
        other.follow(is_still, self._water, step_ms, now_ms)
        self._water.mixes(is_still, 0.5 * (one.mixing + other.mixing), is_calm)
        self._water.follow(mean, is_still, is_calm, step_ms, now_ms)

    def _end_hour(self, is_calm, now_ms):
        self._hour = now_ms // HOUR_MS
        stirs = [probe.end_hour() for probe in self._probes]
        if is_calm and not self._flat_odds():  # else one of them may be stuck
            self._water.stirred(stirs)
        if self.suspect is not None and now_ms - self._disputed_ms <= WATCHED_MS:
            self._name(now_ms)

    def _name(self, now_ms):
        """Name the likelier wrong one by the sum of the signs, or keep the name."""
        first, second = self._probes
        near_7 = 0.0
        if now_ms - self._agreed_ms <= _NEAR_7_MS:
            near_7 = abs(second.value - 7.0) - abs(first.value - 7.0)
        faults = math.log((first.faults + 2.0) / (second.faults + 2.0))
        moved, drifts = self._moved_odds()
        if now_ms - self._disputed_ms <= _MOVED_MS:
            self._moved = moved
        most_moved = _MOST_MOVED_ODDS * max(1.0, abs(first.value - second.value))
        deaf = self._deaf_odds() + self._flat_odds()
        signs = (
            (_limited(self._moved, most_moved), 0),
            (_limited(drifts, _MOST_MOVED_ODDS), 1),
            (deaf if abs(deaf) >= _LEAST_DEAF_ODDS else 0.0, 2),
            (_limited(self._water.dose_odds(), _MOST_DOSE_ODDS), 3),
            (_limited(_FAULT_ODDS * faults, _MOST_FAULT_ODDS), 4),
            (_limited(_NEAR_7_ODDS_PER_PH * near_7, _MOST_NEAR_7_ODDS), 5),
        )
        odds = sum([sign for sign, _ in signs])
        suspect = 0 if odds > 0 else 1
        if self.suspect is None or suspect != self.suspect and abs(odds) > _MARGIN_ODDS:
            self.suspect, self.signs = suspect, signs
            self.sign = min(signs)[1] if suspect else max(signs)[1]

    def _sums(self):
        one, other = self._probes
        water = self._water
        return (water.still_h, one.surprise, other.surprise, one.drifted, other.drifted,
                one.mixing, other.mixing, water.expected, water.mixings)

    def _moved_odds(self):
        """Return the odds by the moves since they agreed: all, and those of a drift.

        Water that is still moves by its usual drift, water that mixes as doses do. The odds are
        those of a Cauchy distribution: some waters surprise by far.
        """
        since = [now - then for now, then in zip(self._sums(), self._sums_then)]  # noqa: B905
        hours, one, other, one_drifts, other_drifts = since[:5]
        error = _DRIFT_ERROR_PH + (_DRIFT_ERROR_PH_H + _DRIFT_ERROR_PH_H2 * hours) * hours
        moved = _odds(one, other, error)
        drifts = _odds(one_drifts, other_drifts, error)
        one, other, expected, mixings = since[5:]
        error = _DRIFT_ERROR_PH + self._water.odd_ph * mixings + _DOSE_ERROR * abs(expected)
        return moved + _odds(one - expected, other - expected, error), drifts

    def _flat_odds(self):
        """Return the odds by how far the means of the hours move: that of a stuck probe does not.

        What one moves more than water does says nothing: it may be the wrong one.
        """
        first, second = self._probes
        usual = self._water.usual_stir
        if usual is None or first.stir is None or second.stir is None:
            return 0.0
        flat = math.log((min(second.stir, usual) + _STIR_NOISE_PH)
                        / (min(first.stir, usual) + _STIR_NOISE_PH))
        return _limited(_FLAT_ODDS * (flat - _limited(flat, _STILL_WATER)), _MOST_FLAT_ODDS)

    def _deaf_odds(self):
        first, second = self._probes
        moves = max(first.moves, second.moves)
        odds = _DEAF_ODDS * self._deafness() * moves / (moves + 0.5 * _DEAF_PH2)
        return _limited(odds, _MOST_DEAF_ODDS)

    def _deafness(self):
        """Return the logarithm of how much less the first moved at doses than the second."""
        first, second = self._probes
        return 0.5 * math.log((second.moves + _NOISE_PH2) / (first.moves + _NOISE_PH2))

    def _is_deaf(self):
        first, second = self._probes
        return (max(first.moves, second.moves) > _DEAF_PH2 and abs(self._deafness()) > _DEAF
                or abs(self._flat_odds()) >= _STUCK_ODDS)


def _odds(first, second, error):
    """Return the odds against the first, whose surprise is `first`, if errors are as large."""
    return math.log((error * error + first * first) / (error * error + second * second))


def _limited(value, most):
    return min(most, max(-most, value))
