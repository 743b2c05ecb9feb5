"""Whether doses did what they should: a series of one loop in one direction, judged when it mixed.

Only what the doses did is judged: where the reading was away, water came or went, or time has
passed, there is no verdict; and what the water was seen to do by itself before the series is set
aside, for hard water that loses its CO2 rises against any acid.
"""

from collections import namedtuple

NO_EFFECT, WRONG_WAY = "no_effect", "wrong_way"

# A shorter time without a reading is a glitch: nobody changed the water, nor did the air.
_GAP_MS = 120_000
# Of a tank of 200 mm this is a twentieth of the water, or somebody's hand.
_OTHER_WATER_MM = 10
# Once a dose has mixed it is judged within this time: later, the water has moved by itself.
_JUDGED_WITHIN_MS = 2_700_000
_OLDEST_BASELINE_MS = 21_600_000
# What doses did that something came after counts on for a day.
_OLDEST_BEFORE_MS = 86_400_000
# Doses that could not move the water by this part of `opposite` did not: hard water that loses its
# CO2 in a large tank rises faster than its ceilings let acid answer.
_FELT = 3
_HOUR_MS = 3_600_000

# predicted: what a series should have moved before it is judged; seen: what it must have moved;
# opposite: what is too much the other way; drift_per_h: what water at most does by itself.
Judgement = namedtuple("Judgement", ("predicted", "seen", "opposite", "drift_per_h"))
PH = Judgement(0.3, 0.1, 0.15, 0.3)
EC = Judgement(150, 40, 100, 50)


class DoseVerification:
    """Doses of one loop in one direction, not yet judged.

    Where another dose of ours or other water comes between, what the doses until then did counts
    on: pH is dosed in turn with nutrients, and a dead pump would never be found out otherwise.
    """

    def __init__(self, judgement):
        self._judgement = judgement
        self._lost_ms = None
        self.clear()

    def clear(self):
        """Begin anew with the next dose."""
        self._before = (0.0, 0.0, 0)  # predicted, moved and count of doses until then
        self._before_ms = None  # when the first of them was given
        self.drop()

    def settle(self, value, now_ms):
        """Something else is about to move the water: let what the doses did to a mixed `value`
        count on."""
        if self._count:
            predicted, moved, count = self._before
            if count == 0:
                self._before_ms = self._began_ms
            moved += self._moved(value, now_ms)
            self._before = (predicted + self._predicted, moved, count + self._count)
        self.drop()

    def drop(self):
        """Forget the doses whose effect cannot be told any more."""
        self._baseline = None
        self._level_mm = None
        self._began_ms = None
        self._drift_per_h = 0.0
        self._predicted = 0
        self._count = 0
        self._last_ms = None

    def add(self, value, level_mm, predicted, now_ms, drift_per_h=0.0):
        """Count a dose given at `value`, predicted to move it by `predicted` (signed).

        `drift_per_h` is what the water was seen to do by itself: that of the first dose counts.
        """
        if predicted * (self._before[0] + self._predicted) < 0:
            self.clear()
        if self._count == 0:
            self._baseline = value
            self._level_mm = level_mm
            self._began_ms = now_ms
            most = self._judgement.drift_per_h
            self._drift_per_h = min(most, max(-most, drift_per_h))
        self._predicted += predicted
        self._count += 1
        self._last_ms = now_ms

    def watch(self, reading, level, now_ms, mixing_ms):
        """Begin anew where more than the doses may have moved the water: called every cycle.

        Returns True where it may have: nothing can be learned across it either.
        """
        if reading.value is None and self._lost_ms is None:
            self._lost_ms = now_ms
        gap_ms = 0 if self._lost_ms is None else now_ms - self._lost_ms
        if reading.value is not None:
            self._lost_ms = None
        is_away = gap_ms > _GAP_MS
        if self._before[2] and now_ms - self._before_ms > _OLDEST_BEFORE_MS:
            self._before = (0.0, 0.0, 0)
        if self._count == 0:
            return is_away
        moved_mm = 0
        if level.value is not None and self._level_mm is not None:
            moved_mm = abs(level.value - self._level_mm)
        is_old = (
            now_ms - self._last_ms > mixing_ms + _JUDGED_WITHIN_MS
            or now_ms - self._began_ms > max(_OLDEST_BASELINE_MS, 4 * mixing_ms)
        )
        if is_away or moved_mm > _OTHER_WATER_MM or is_old:
            self.drop()
        return is_away or moved_mm > _OTHER_WATER_MM

    def verdict(self, value, now_ms):
        """Return NO_EFFECT, WRONG_WAY or None for a mixed `value`."""
        if self._count == 0:
            return None
        predicted, moved, count = self._before
        predicted += self._predicted
        moved += self._moved(value, now_ms)
        if predicted < 0:
            moved = -moved
        opposite = self._judgement.opposite
        is_felt = abs(predicted) >= opposite / _FELT
        if count + self._count >= 2 and is_felt and moved < -opposite:
            return WRONG_WAY
        if abs(predicted) < self._judgement.predicted:
            return None
        if moved < self._judgement.seen:
            return NO_EFFECT
        self.clear()
        return None

    def _moved(self, value, now_ms):
        """Return what the doses did: without the drift against them, which they had to meet."""
        drifted = self._drift_per_h * (now_ms - self._began_ms) / _HOUR_MS
        moved = value - self._baseline
        return moved - drifted if drifted * self._predicted < 0 else moved
