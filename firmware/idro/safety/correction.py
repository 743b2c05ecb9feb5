"""pH correction of a fresh fill: more acid or base than the daily budget, in steps that a person
at the tank releases one by one (docs/adr/0011).

Computes the steps and when the correction ends; the gate decides whether a step may run now.
Volumes are in ul, pH in thousandths: integers are exact on the chip.
"""

from idro.protocol.reason import Reason
from idro.safety.ledger import NO_EFFECT, WRONG_WAY

MAX_DURATION_MS = 28_800_000
BUTTON_TIMEOUT_MS = 900_000
# Within this distance of the target, a step must mix as long as an automatic dose.
NEAR_MILLI_PH = 1_000
MIN_STEP_UL = 200
_REACHED_MILLI_PH = 50
# No effect: three steps predicted to move the pH by one and that moved it less than the other.
_JUDGED_STEPS = 3
_PREDICTED_MILLI_PH = 200
_OBSERVED_MILLI_PH = 30
_OPPOSITE_MILLI_PH = 150


class Correction:
    """One correction of the pH by `doser`, by at most `total_ul`, towards `target_milli_ph`.

    `ul_per_ph` is the titration: the volume that moves the reservoir by 1 pH near the target.
    """

    def __init__(self, doser, target_milli_ph, total_ul, ul_per_ph, now_ms):
        self.doser = doser
        self.target_milli_ph = target_milli_ph
        self.left_ul = total_ul
        self._last_ul = max(2 * MIN_STEP_UL, total_ul // 20)
        self.given_ul = 0
        self._sign = 1 if doser == "ph_down" else -1
        self._ul_per_ph = ul_per_ph
        self._began_ms = now_ms
        self._ready_ms = None
        self._steps = []  # the last three: (milli_ph before, volume_ul)

    def distance_milli_ph(self, milli_ph):
        """Return the distance to the target, 0 or less once it is reached."""
        return self._sign * (milli_ph - self.target_milli_ph)

    def is_near(self, milli_ph):
        """True if a step must mix completely before the next."""
        return self.distance_milli_ph(milli_ph) <= NEAR_MILLI_PH

    def step_ul(self, milli_ph, headroom_ul):
        """Return the volume of the next step in ul: at most half of the volume left (all of the
        last twentieth) and half of what the titration predicts; 0 if below MIN_STEP_UL."""
        distance = self.distance_milli_ph(milli_ph)
        if distance <= _REACHED_MILLI_PH:
            return 0
        half_ul = self.left_ul if self.left_ul <= self._last_ul else self.left_ul // 2
        volume_ul = min(headroom_ul, half_ul, distance * self._ul_per_ph // 2_000)
        return volume_ul if volume_ul >= MIN_STEP_UL else 0

    def update_wait(self, is_ready, now_ms):
        """Track since when a button press would release a step."""
        if not is_ready:
            self._ready_ms = None
        elif self._ready_ms is None:
            self._ready_ms = now_ms

    def record_step(self, milli_ph, volume_ul):
        """Record a step dosed at `milli_ph`."""
        self.left_ul = max(0, self.left_ul - volume_ul)
        self.given_ul += volume_ul
        self._ready_ms = None
        self._steps = (self._steps + [(milli_ph, volume_ul)])[-_JUDGED_STEPS:]

    def verdict(self, milli_ph):
        """Return NO_EFFECT or WRONG_WAY if the mixed steps show it, else 0."""
        if not self._steps:
            return 0
        moved = self._sign * (self._steps[0][0] - milli_ph)
        if len(self._steps) >= 2 and moved < -_OPPOSITE_MILLI_PH:
            return WRONG_WAY
        predicted = sum(step[1] for step in self._steps) * 1_000 // self._ul_per_ph
        is_judged = len(self._steps) == _JUDGED_STEPS and predicted >= _PREDICTED_MILLI_PH
        return NO_EFFECT if is_judged and moved < _OBSERVED_MILLI_PH else 0

    def end_reason(self, milli_ph, now_ms):
        """Return the Reason why the correction ends, or None. `milli_ph` is None without a
        reading."""
        if now_ms - self._began_ms >= MAX_DURATION_MS:
            return Reason("too_long")
        if self._ready_ms is not None and now_ms - self._ready_ms >= BUTTON_TIMEOUT_MS:
            return Reason("not_pressed")
        if self.left_ul < MIN_STEP_UL:
            return Reason("all_given")
        if milli_ph is not None and self.distance_milli_ph(milli_ph) <= _REACHED_MILLI_PH:
            return Reason("target_reached")
        return None
