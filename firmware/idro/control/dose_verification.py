"""Verifies that a series of doses of one loop in one direction had its predicted effect.

The series is judged once it has mixed. There is no verdict if the reading was missing, the level
changed, or too much time has passed. The drift observed before the series is subtracted: hard
water that loses CO2 rises against any acid. So is the furthest that the value moved against one
of the doses: someone may have poured acid after it. What acts the wrong way does so again. For
doses without effect, the furthest move with one of them counts as predicted if it went further: a
probe may have recovered.
"""

from collections import namedtuple

from idro.control.effect_watch import EffectWatch

NO_EFFECT, WRONG_WAY = "no_effect", "wrong_way"

# A shorter time without a reading is ignored.
_GAP_MS = 120_000
# A larger change of level means other water: 5 % of a tank of 200 mm.
_OTHER_WATER_MM = 10
# A mixed dose is judged within this time; later, drift dominates.
_JUDGED_WITHIN_MS = 2_700_000
_OLDEST_BASELINE_MS = 21_600_000
# Effects of doses before an interruption count for so long, and there is one watch in it: doses
# that seem to have no effect again are judged at once.
_DAY_MS = 86_400_000
# A series is judged WRONG_WAY only if it should have moved the water by 1/3 of `opposite`: hard
# water that loses CO2 in a large tank rises faster than the ceilings let acid act; and if without
# its worst dose it moved the wrong way by 1/3 of `opposite`, too.
_MIN_SHARE = 3
# Doses with less than this share of their predicted effect are judged across fills.
_HARDLY = 0.2
_HOUR_MS = 3_600_000
_NO_DOSES = (0.0, 0.0, 0, 0.0, 0.0, 0)

# predicted: effect from which a series is judged; observed: its minimum effect; opposite: maximum
# effect in the wrong direction; drift_per_h: maximum drift of the water; noise, for
# DoseProof: 3.5 standard deviations of the difference of two readings (0.02 pH, 2.5 uS/cm each).
Thresholds = namedtuple(
    "Thresholds", ("predicted", "observed", "opposite", "drift_per_h", "noise"))
PH = Thresholds(0.3, 0.1, 0.15, 0.3, 0.1)
EC = Thresholds(150, 40, 100, 50, 12.5)


class DoseVerification:
    """Doses of one loop in one direction that are not judged yet.

    Their effect until another dose or a fill counts on: pH doses alternate with nutrients, and a
    dead pump would never be detected otherwise.
    """

    def __init__(self, thresholds):
        self._thresholds = thresholds
        self._lost_ms = None
        self._watched_ms = None  # when the last watch began, or a reset within a day of it was
        self._is_bare = False  # after a watch or such a reset: no drift excuses the next doses
        self.clear()

    def clear(self):
        """Discard all doses."""
        self._watch = None
        self._earlier = _NO_DOSES  # settled: predicted, moved, count, worst, excess, ms
        self._earlier_ms = None  # of the first of them
        self._owed_sign = 0  # of doses whose watch has not excused them
        self.drop()

    def forgive(self):
        """Discard all doses and what was excused: a person has to look, or has calibrated."""
        self.clear()
        self._watched_ms, self._is_bare = None, False

    def settle(self, value, now_ms):
        """Keep the effect of the doses until the mixed `value`, before something else changes the
        water."""
        if self._count:
            if self._earlier[2] == 0:
                self._earlier_ms = self._began_ms
            self._earlier = self._in_all(value, now_ms)
        self.drop()

    def drop_worked(self, value, now_ms):
        """Discard the doses before a fill if they had an effect by the mixed `value`; those that
        are settled, too, if it is clear. Small doses that hold the water against its drift have
        some, but in the long run less than a third: they would add up to a failure."""
        if self._count:
            drifted = self._drift_per_h * (now_ms - self._began_ms) / _HOUR_MS
            effect = (value - self._baseline - drifted) * (-1 if self._predicted < 0 else 1)
            effect -= self._outliers_at(value, now_ms, 0.0, 0.0)[1]
            predicted = abs(self._predicted)
            if effect > max(0.5 * predicted, self._thresholds.noise) and not self._owed_sign:
                self.clear()
            elif effect > _HARDLY * predicted:
                self.drop()

    def drop(self):
        """Discard the doses whose effect can no longer be measured."""
        self._baseline = None
        self._before = None  # the value before the last dose
        self._dose = 0.0  # how far that was predicted to move it
        self._excess = 0.0  # how far the furthest of the others went beyond that
        self._worst = 0.0  # the furthest that it moved against one of the others, signed
        self._level_mm = None
        self._began_ms = None
        self._drift_per_h = 0.0
        self._predicted = 0
        self._count = 0
        self._last_ms = None
        if self._watch is not None:
            self._watch = self._watch.restart()

    def add(self, value, level_mm, predicted, now_ms, drift_per_h=0.0):
        """Add a dose at `value`, predicted to move it by `predicted` (signed).

        `drift_per_h` is the drift observed before it; that of the first dose counts.
        """
        if predicted * (self._earlier[0] + self._predicted) < 0:
            self.clear()
        if self._count == 0:
            self._baseline = value
            self._level_mm = level_mm
            self._began_ms = now_ms
            most = self._thresholds.drift_per_h
            self._drift_per_h = 0.0 if self._is_bare else min(most, max(-most, drift_per_h))
        else:
            self._worst, self._excess = self._outliers_at(value, now_ms, 0.0, 0.0)
        self._before = value
        self._dose = abs(predicted)
        self._predicted += predicted
        self._count += 1
        self._last_ms = now_ms

    def watch(self, reading, level, now_ms, mixing_ms):
        """Discard the doses if something else may have changed the water. Call it in every cycle.

        Returns True if it may have: then nothing can be learned across it either.
        """
        if reading.value is None and self._lost_ms is None:
            self._lost_ms = now_ms
        gap_ms = 0 if self._lost_ms is None else now_ms - self._lost_ms
        if reading.value is not None:
            self._lost_ms = None
        is_away = gap_ms > _GAP_MS
        if self._watched_ms is not None and now_ms - self._watched_ms >= _DAY_MS:
            self._watched_ms = None
        if self._earlier[2] and now_ms - self._earlier_ms > _DAY_MS:
            self._earlier = _NO_DOSES
            self._owed_sign = 0
        if self._count == 0:
            if is_away:
                self.drop()
            return is_away
        moved_mm = 0
        if level.value is not None and self._level_mm is not None:
            moved_mm = abs(level.value - self._level_mm)
        is_old = (
            now_ms - self._last_ms > mixing_ms + _JUDGED_WITHIN_MS
            or now_ms - self._began_ms > max(_OLDEST_BASELINE_MS, 4 * mixing_ms))
        if is_away or moved_mm > _OTHER_WATER_MM or is_old:
            self.drop()
        return is_away or moved_mm > _OTHER_WATER_MM

    @property
    def watch_state(self):
        """What a reset must not forget: 0 nothing, 1 a watch in the last day, 2 one that has
        not excused its doses, which lower the value, 3 the same for doses that raise it."""
        if self._owed_sign:
            return 2 if self._owed_sign < 0 else 3
        return 0 if self._watched_ms is None else 1

    def restore_watch(self, state, now_ms):
        """Restore `watch_state` after a reset. Doses that no watch has excused had no effect."""
        if state:
            self._watched_ms, self._is_bare = now_ms, True
            self._owed_sign = (0, 0, -1, 1)[state]

    def watch_left_ms(self, now_ms):
        """Return the ms without a dose until they are judged, 0 if there are none."""
        return 0 if self._watch is None else self._watch.left_ms(now_ms)

    def verdict(self, value, now_ms):
        """Return NO_EFFECT, WRONG_WAY or None for a mixed `value`; None, too, during a watch."""
        if self._watch is not None:
            has_worked = self._watch.has_worked(value, now_ms)
            if has_worked:
                self.clear()
                self._is_bare = True
            return NO_EFFECT if has_worked is False else None
        if self._owed_sign and not self._earlier[2]:
            return NO_EFFECT  # a reset has forgotten them
        if self._count == 0:
            return None
        predicted, moved, count, worst, excess, during_ms = self._in_all(value, now_ms)
        sign = -1 if predicted < 0 else 1
        effect, others = sign * moved, sign * (moved - worst)
        thresholds = self._thresholds
        opposite = thresholds.opposite
        is_significant = abs(predicted) >= opposite / _MIN_SHARE
        is_wrong = effect < -opposite and others < -opposite / _MIN_SHARE
        if count >= 2 and is_significant and is_wrong:
            return WRONG_WAY
        if abs(predicted) < thresholds.predicted:
            return None
        if others - excess >= thresholds.observed:
            self.clear()
            self._is_bare = False
            return None
        if self._watched_ms is not None:
            return NO_EFFECT
        self._watched_ms, self._owed_sign = now_ms, sign
        watch = EffectWatch(
            sign, abs(predicted), others, excess, during_ms,
            max(0.0, -sign * self._drift_per_h), thresholds)
        self.settle(value, now_ms)  # what ends the watch does not forgive them
        self._watch = watch
        return watch.has_worked(value, now_ms)  # None: the hour begins with this value

    def _outliers_at(self, value, now_ms, worst, excess):
        """Return the furthest move against a dose, and how far the furthest with one went beyond
        its prediction, if the last ends at `value`; 0 within the noise. `worst` and `excess` are
        those of settled doses."""
        last = self._without_drift(value - self._before, now_ms - self._last_ms)
        moves = worst, self._worst, last
        noise = self._thresholds.noise
        if self._predicted < 0:
            worst, last = max(moves), -last
        else:
            worst = min(moves)
        excess = max(excess, self._excess, last - self._dose)
        return worst if abs(worst) > noise else 0.0, excess if excess > noise else 0.0

    def _in_all(self, value, now_ms):
        """Return what all doses did until the mixed `value`, without a drift against them, as in
        `_earlier`."""
        predicted, moved, count, worst, excess, during_ms = self._earlier
        worst, excess = self._outliers_at(value, now_ms, worst, excess)
        since_ms = now_ms - self._began_ms
        moved += self._without_drift(value - self._baseline, since_ms)
        return (predicted + self._predicted, moved, count + self._count, worst, excess,
                during_ms + since_ms)

    def _without_drift(self, moved, since_ms):
        drifted = self._drift_per_h * since_ms / _HOUR_MS
        return moved - drifted if drifted * self._predicted < 0 else moved
