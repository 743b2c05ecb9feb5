"""Push button to ground: somebody stands at the board. Often the one marked BOOT.

A press is a level held for at least half a second and let go within five. Shorter is a spark of a
pump on the cable, longer a thing that leans on it or a short: none of these is a hand.
"""

PART = "button"

_HELD_MS = 500
_LONGEST_MS = 5_000


def build(spec, gpio, clock):
    """Return the Button of a board's [button]; `gpio` has Pin."""
    return Button(gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP), clock)


class Button:
    """One button. Somebody must look often enough: what lies between two looks is not seen."""

    def __init__(self, pin, clock):
        self._pin = pin
        self._clock = clock
        self._down_ms = None

    def forget(self):
        """A press that began before now does not count; a button that is down must be let go."""
        self._down_ms = self._clock.now_ms() - _LONGEST_MS - 1 if self._is_down() else None

    def was_pressed(self):
        """Look, ten times a second; returns True when a press has just ended."""
        now_ms = self._clock.now_ms()
        if self._is_down():
            if self._down_ms is None:
                self._down_ms = now_ms
            return False
        down_ms, self._down_ms = self._down_ms, None
        return down_ms is not None and _HELD_MS <= now_ms - down_ms <= _LONGEST_MS

    def _is_down(self):
        return self._pin.value() == 0
