"""The correction of a fresh fill: far more acid or base than a day's budget, in steps that
somebody at the tank releases one by one (docs/adr/0011).

This is what a correction allows and when it is over; whether a step may run right now is the
gate's to say. Volumes in ul, pH in thousandths: integers, so that nothing is lost on the chip.
"""

from idro.safety.ledger import NO_EFFECT, WRONG_WAY

LONGEST_MS = 28_800_000
PRESS_WITHIN_MS = 900_000
# Nearer than this to the target every step mixes for as long as an automatic dose does.
NEAR_MILLI_PH = 1_000
SMALLEST_UL = 200
_REACHED_MILLI_PH = 50
# Three steps that should have moved the water by so much and did not by so little had no effect.
_JUDGED = 3
_PREDICTED_MILLI_PH = 200
_SEEN_MILLI_PH = 30
_OPPOSITE_MILLI_PH = 150


class Correction:
    """One correction of the pH by `doser`, by at most `total_ul`, towards `target_milli_ph`.

    `ul_per_ph` is what the titration says moves the reservoir by one pH near its target.
    """

    def __init__(self, doser, target_milli_ph, total_ul, ul_per_ph, now_ms):
        self.doser = doser
        self.target_milli_ph = target_milli_ph
        self.left_ul = total_ul
        self._last_ul = max(2 * SMALLEST_UL, total_ul // 20)
        self.given_ul = 0
        self._sign = 1 if doser == "ph_down" else -1
        self._ul_per_ph = ul_per_ph
        self._began_ms = now_ms
        self._ready_ms = None
        self._steps = []  # of the last three: (milli_ph before it, volume_ul)

    def distance_milli_ph(self, milli_ph):
        """Return how far the water still is from the target, 0 or less where it is there."""
        return self._sign * (milli_ph - self.target_milli_ph)

    def is_near(self, milli_ph):
        """True where a step must mix completely before the next."""
        return self.distance_milli_ph(milli_ph) <= NEAR_MILLI_PH

    def step_ul(self, milli_ph, room_ul):
        """Return the next step: half of what is left (all of the last twentieth), and half of what
        the titration says lies between here and the target; 0 where that is too little to give."""
        distance = self.distance_milli_ph(milli_ph)
        if distance <= _REACHED_MILLI_PH:
            return 0
        half_ul = self.left_ul if self.left_ul <= self._last_ul else self.left_ul // 2
        volume_ul = min(room_ul, half_ul, distance * self._ul_per_ph // 2_000)
        return volume_ul if volume_ul >= SMALLEST_UL else 0

    def waits(self, is_ready, now_ms):
        """Note whether a press would release a step now."""
        if not is_ready:
            self._ready_ms = None
        elif self._ready_ms is None:
            self._ready_ms = now_ms

    def took(self, milli_ph, volume_ul):
        """Book a step that was given at `milli_ph`."""
        self.left_ul = max(0, self.left_ul - volume_ul)
        self.given_ul += volume_ul
        self._ready_ms = None
        self._steps = (self._steps + [(milli_ph, volume_ul)])[-_JUDGED:]

    def verdict(self, milli_ph):
        """Return NO_EFFECT or WRONG_WAY where mixed steps show the one or the other, else 0."""
        if not self._steps:
            return 0
        moved = self._sign * (self._steps[0][0] - milli_ph)
        if len(self._steps) >= 2 and moved < -_OPPOSITE_MILLI_PH:
            return WRONG_WAY
        predicted = sum(step[1] for step in self._steps) * 1_000 // self._ul_per_ph
        is_judged = len(self._steps) == _JUDGED and predicted >= _PREDICTED_MILLI_PH
        return NO_EFFECT if is_judged and moved < _SEEN_MILLI_PH else 0

    def ended(self, milli_ph, now_ms):
        """Return why it is over, or None. `milli_ph` is None while there is no reading."""
        if now_ms - self._began_ms >= LONGEST_MS:
            return "eight hours have passed"
        if self._ready_ms is not None and now_ms - self._ready_ms >= PRESS_WITHIN_MS:
            return "nobody pressed the button"
        if self.left_ul < SMALLEST_UL:
            return "all of the volume was given"
        if milli_ph is not None and self.distance_milli_ph(milli_ph) <= _REACHED_MILLI_PH:
            return "the target is reached"
        return None
