"""A push button from a pin to ground, with contact bounce: level 0 while it is pressed."""

from idrosim.devices.shared.part_faults import FaultyPart

_BOUNCE_US = 8_000


class Button(FaultyPart):
    """One button. fault: None, "shorted" (always pressed), "unplugged" (never pressed) or "noisy"
    (a 40 ms spike every 333 ms, as a pump motor couples into a long cable)."""

    FAULTS = ("shorted", "unplugged", "noisy")

    def __init__(self, clock):
        self._clock = clock
        self._down_us = self._up_us = -1_000_000

    def press(self, for_us):
        """Press it for `for_us`, starting now."""
        self._down_us = self._clock.now_us
        self._up_us = self._down_us + for_us

    def set_level(self, level):
        raise AssertionError("button: its pin is an input")

    def level(self):
        """Return the level at the pin now."""
        if self._fault == "shorted":
            return 0
        if self._fault == "unplugged":
            return 1
        now_us = self._clock.now_us
        if self._fault == "noisy" and now_us % 333_000 < 40_000:
            return 0
        is_down = self._down_us <= now_us < self._up_us
        edge_us = self._down_us if is_down else self._up_us
        is_bouncing = 0 <= now_us - edge_us < _BOUNCE_US and now_us // 1_000 & 1
        return int(is_down == bool(is_bouncing))
