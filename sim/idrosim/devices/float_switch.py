"""A float switch: a contact to ground that the float opens or closes, with contact bounce.

The level at the pin is 0 with the contact closed; with a cut cable the pull-up makes it 1.
"""

_BOUNCE_US = 5_000
_CHATTER_US = 7_000


class FloatSwitch:
    """One switch; `is_up` returns whether water lifts the float.

    fault: None, "unplugged" (always open), "shorted" (always closed), "stuck" (jammed in place) or
    "noisy" (permanent contact bounce).
    """

    def __init__(self, clock, is_up, up_level):
        self._clock = clock
        self._is_up = is_up
        self._up_level = up_level
        self._was_up = None
        self._turned_us = -_BOUNCE_US
        self.fault = None

    def set_level(self, level):
        raise AssertionError("float_switch: its pin is an input")

    def level(self):
        """Return the current level at the pin."""
        if self.fault == "unplugged":
            return 1
        if self.fault == "shorted":
            return 0
        now_us = self._clock.now_us
        if self.fault == "noisy":
            return now_us // _CHATTER_US & 1
        is_up = self._was_up
        if self.fault != "stuck" or is_up is None:
            is_up = bool(self._is_up())
        if is_up != self._was_up:
            self._turned_us = now_us if self._was_up is not None else self._turned_us
            self._was_up = is_up
        level = self._up_level if is_up else 1 - self._up_level
        # After a change the contact alternates for a moment.
        is_bouncing = now_us - self._turned_us < _BOUNCE_US
        return level ^ 1 if is_bouncing and now_us // 1_000 & 1 else level
