"""Correction of a fresh fill: more acid, base or nutrient than the daily budget, in steps that a
person at the tank releases one by one (docs/adr/0011, docs/adr/0031).

Computes the steps and when the correction ends; the gate decides whether a step may run now.
Volumes are in ul, pH in thousandths, EC in uS/cm: integers are exact on the chip.
"""

from collections import namedtuple

from idro.protocol.reason import Reason
from idro.safety.ledger import NO_EFFECT, WRONG_WAY

MAX_DURATION_MS = 28_800_000
BUTTON_TIMEOUT_MS = 900_000
MIN_STEP_UL = 200
# Share of the need in the first step and far from the target, %. Half of it in a first step that
# has less than half of `near` to go, where the buffer may be gone since the titration.
FIRST_PCT = 50
_JUDGED_STEPS = 3
_HOUR_MS = 3_600_000
# Nutrient moves pH by 1 at most (RO water to the full recipe: 5.9 to 5.0) and ends between 4.5 and
# 7.5, where phosphate buffers. Acid in its bottle raises EC, too: one or two steps of it leave
# these bounds, and so do those of a strong base.
_NUTRIENT_MOVES_PH = 1_500
_NUTRIENT_MOVES_TO = (4_000, 8_500)
_NUTRIENT_MOVES_BEYOND = 500
# Small steps of acid do less than the CO2 that leaves hard water, up to _MOST_HIDDEN; base in the
# bottle of acid moves it further than _MOST_WRONG in all.
_MOST_HIDDEN = 200
_MOST_WRONG = 500
# Steps that moved pH by less may owe as much to noise of the probe: what they say of the strength
# sizes the next step, as too small is safe, but is not handed on.
_TELLS = 150
# Below this target acid meets half the carbonate that it met on the way there: a step near it is
# less of the need, %.
_UNBUFFERED, _UNBUFFERED_PCT = 5_800, 50

# per: what the volume of the titration moves. near: a step within this distance of the target must
# mix as long as an automatic dose, and is `later_pct` of the need after the first. Water that has
# lost its carbonate answers half as strongly again to the last of its acid; EC is linear. reached:
# ends the correction. No effect: three steps, or all, predicted to move the value by `predicted`,
# and by half of that more than a drift of `drift_per_h` could hide, that moved it less than
# `observed`.
# opposite: the most that two steps predicted to move it as far may move it the wrong way, and a
# drift beside if they are of acid, and small where it may be strong.
Scale = namedtuple("Scale", (
    "per", "near", "later_pct", "reached", "predicted", "observed", "opposite", "drift_per_h"))
PH = Scale(1_000, 1_000, 65, 50, 200, 30, 150, 300)
EC = Scale(100, 150, 80, 40, 80, 10, 60, 50)


class Correction:
    """One correction by `doser`, by at most `total_ul`, towards `target` of pH or EC.

    `ul_per` is the titration: the volume that moves the reservoir by 1 pH or 100 uS/cm.
    `known_pct` is how strong the doser may be in this water, % of it, for the first step.
    """

    def __init__(self, doser, target, total_ul, ul_per, now_ms, known_pct=100):
        self.doser = doser
        self.target = target
        self.left_ul = total_ul
        self.given_ul = 0
        self._sign = 1 if doser == "ph_down" else -1
        self._scale = PH if doser in ("ph_down", "ph_up") else EC
        self._known_pct = max(100, known_pct)
        self._ul_per = max(1, ul_per * 100 // self._known_pct)
        self._began_ms = now_ms
        self._ready_ms = None
        self._began_at = None  # the value before the first step
        self._first_ms = None
        self._began_ph = None  # the pH before it, if nutrient is given
        self._steps = []  # the last three: (value before, volume_ul, at_ms)
        self.strength_pct = 0  # of the next step by those that tell, % of the titration; 0: none

    def distance(self, value):
        """Return the distance to the target, 0 or less once it is reached."""
        return self._sign * (value - self.target)

    def is_near(self, value):
        """True if a step must mix completely before the next: by the reading, or by what the plan
        leaves, as the last step may not have mixed."""
        return self._rest(value) <= self._scale.near

    def step_ul(self, value, headroom_ul):
        """Return the volume of the next step in ul, 0 if below MIN_STEP_UL; near the target, keep
        the strength found in `strength_pct`.

        The first is half of the need by the titration, of a small one a quarter. Later ones are
        most of the need, by the titration or by the strength of the last steps if that is more.
        Each is at most half of what is left of the total, until that is a fifth: steps that shrink
        on and on would do less than the CO2 that leaves hard water. Where the doser may be strong,
        steps grow, twofold at most, only while they are weak. In a small tank the first is the
        smallest step there is, if that is no more than a third of the need, or than the whole of
        it where the doser may be strong.
        """
        rest, left_ul = self.distance(value), self.left_ul
        if rest <= self._scale.reached:
            return 0
        if left_ul > max(2 * MIN_STEP_UL, (left_ul + self.given_ul) // 5):
            left_ul //= 2
        share_pct = FIRST_PCT
        if self._steps:
            if self.is_near(value):
                strength_pct = self._strength_pct(value)
                if self._sign * (self._steps[-2:][0][0] - value) >= _TELLS:
                    self.strength_pct = strength_pct * self._known_pct // 100
                share_pct = self._later_pct() * 100 // strength_pct
            else:
                rest = self._rest(value)
        elif 2 * rest < self._scale.near and self._known_pct == 100:
            share_pct = FIRST_PCT // 2
        need_ul = rest * self._ul_per // self._scale.per
        volume_ul = need_ul * share_pct // 100
        if not self._steps and need_ul >= (1 if self._known_pct > 100 else 3) * MIN_STEP_UL:
            volume_ul = max(volume_ul, MIN_STEP_UL)
        volume_ul = min(headroom_ul, left_ul, volume_ul)
        if self._steps and self._known_pct > 100:
            before, last_ul, _ = self._steps[-1]
            is_wrong = self._sign * (before - value) <= -20
            may_grow = self._is_weak(value) and not is_wrong
            volume_ul = min(volume_ul, 2 * last_ul if may_grow else last_ul)
        return volume_ul if volume_ul >= MIN_STEP_UL else 0

    def _later_pct(self):
        is_unbuffered = self.doser == "ph_down" and self.target < _UNBUFFERED
        return _UNBUFFERED_PCT if is_unbuffered else self._scale.later_pct

    def _is_weak(self, value):
        """True if the last three steps together, or all, were no stronger than the titration. One
        alone tells within half of `near` only. Farther off than `near` steps have not mixed: two
        are enough there."""
        steps, distance = self._steps, self.distance(value)
        if not self.is_near(value):
            return len(steps) >= 2
        if len(steps) < 2 and 2 * distance > self._scale.near:
            return False
        last_ul = sum([step[1] for step in steps])
        in_all = self.distance(self._began_at) - distance <= self._declared(self.given_ul)
        return in_all or self.distance(steps[0][0]) - distance <= self._declared(last_ul)

    def update_wait(self, is_ready, now_ms):
        """Track since when a button press would release a step."""
        if not is_ready:
            self._ready_ms = None
        elif self._ready_ms is None:
            self._ready_ms = now_ms

    def record_step(self, value, volume_ul, now_ms, milli_ph=None):
        """Record a step dosed at `value`, of nutrient at that pH."""
        if self._began_at is None:
            self._began_at, self._began_ph = value, milli_ph
            self._first_ms = now_ms
        self.left_ul = max(0, self.left_ul - volume_ul)
        self.given_ul += volume_ul
        self._ready_ms = None
        self._steps = (self._steps + [(value, volume_ul, now_ms)])[-_JUDGED_STEPS:]

    def verdict(self, value, now_ms):
        """Return NO_EFFECT or WRONG_WAY if the mixed steps show it, else 0."""
        if not self._steps:
            return 0
        scale, (before, _, since_ms) = self._scale, self._steps[0]
        moved = self._sign * (before - value)
        volume_ul = sum(step[1] for step in self._steps)
        wrong = scale.opposite
        if self.doser == "ph_down" and self._declared(volume_ul) < wrong:
            wrong += min(_MOST_HIDDEN, scale.drift_per_h * (now_ms - since_ms) // _HOUR_MS)
        is_judged = len(self._steps) >= 2 and self._predicted(volume_ul) >= scale.opposite
        if is_judged and moved < -wrong:
            return WRONG_WAY
        in_all = self._sign * (self._began_at - value)
        if self._known_pct > 100 and in_all < -_MOST_WRONG:
            return WRONG_WAY
        if len(self._steps) < _JUDGED_STEPS:
            return 0
        has_none = self._had_no_effect(moved, volume_ul, now_ms - since_ms)
        if has_none or self._had_no_effect(in_all, self.given_ul, now_ms - self._first_ms):
            return NO_EFFECT
        return 0

    def _had_no_effect(self, moved, volume_ul, since_ms):
        """True if a volume moved the value less than the titration says, and no drift hides it."""
        scale = self._scale
        hidden = scale.drift_per_h * since_ms // _HOUR_MS
        predicted = self._declared(volume_ul)
        is_judged = predicted >= max(scale.predicted, hidden + scale.predicted // 2)
        return is_judged and moved < scale.observed

    def is_foreign(self, milli_ph):
        """True if the steps of nutrient moved pH as only acid or base does."""
        if self._began_ph is None:
            return False
        low, high = _NUTRIENT_MOVES_TO
        is_usual = low <= milli_ph <= high
        most = _NUTRIENT_MOVES_PH if is_usual else _NUTRIENT_MOVES_BEYOND
        return abs(milli_ph - self._began_ph) > most

    def end_reason(self, value, now_ms):
        """Return the Reason why the correction ends, or None. `value` is None without a
        reading."""
        if self.is_too_long(now_ms):
            return Reason("too_long")
        if self._ready_ms is not None and now_ms - self._ready_ms >= BUTTON_TIMEOUT_MS:
            return Reason("not_pressed")
        if self.left_ul < MIN_STEP_UL:
            return Reason("all_given")
        if value is not None and self.distance(value) <= self._scale.reached:
            return Reason("target_reached")
        return None

    def is_too_long(self, now_ms):
        """True if the correction has been open for its maximum duration."""
        return now_ms - self._began_ms >= MAX_DURATION_MS

    def _rest(self, value):
        """Return the distance to the target, or what the plan leaves of it if that is less."""
        rest = self.distance(value)
        if self._began_at is None:
            return rest
        return min(rest, self.distance(self._began_at) - self._predicted(self.given_ul))

    def _strength_pct(self, value):
        """Return how strong the next step will be, in % of the titration, at least as it says: of
        nutrient as all steps together, as EC is linear; of acid and base as the stronger of the
        last two, or more by as much as the last was stronger than the one before, up to twofold.
        """
        if self._scale is EC:
            moved = self._sign * (self._began_at - value)
            return max(100, moved * 100 // max(1, self._predicted(self.given_ul)))
        found_pct = []  # of the last step, then of the one before
        for before, volume_ul, _ in self._steps[:-3:-1]:
            moved = self._sign * (before - value)
            found_pct.append(max(1, moved * 100 // max(1, self._predicted(volume_ul))))
            value = before
        strength_pct = max(found_pct)
        if len(found_pct) == 1 and self._known_pct > 100:
            strength_pct *= 2  # the last of the carbonate may go with this step
        elif strength_pct > found_pct[-1]:
            strength_pct = min(2 * strength_pct, strength_pct * strength_pct // found_pct[-1])
        return max(10_000 // self._known_pct, strength_pct)

    def _declared(self, volume_ul):
        """Return how far a volume of a doser as strong as by the titration moves the value."""
        return self._predicted(volume_ul) * 100 // self._known_pct

    def _predicted(self, volume_ul):
        """Return how far a volume moves the value by the titration."""
        return volume_ul * self._scale.per // self._ul_per
