"""Push button to ground, often the one marked BOOT: proves that a person is at the board.

A press lasts 0.5 to 5 s. A shorter one is interference from a pump, a longer one a short circuit
or an object that leans on the button.
"""

PART = "button"

_MIN_HELD_MS = 500
_MAX_HELD_MS = 5_000


def build(spec, gpio, clock):
    """Return the Button of a board's [button]; `gpio` has Pin."""
    return Button(gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP), clock)


class Button:
    """One button, polled: a press between two polls is missed."""

    def __init__(self, pin, clock):
        self._pin = pin
        self._clock = clock
        self._down_ms = None

    def forget(self):
        """Ignore a press that began before now: a button held down must be released."""
        self._down_ms = self._clock.now_ms() - _MAX_HELD_MS - 1 if self._is_down() else None

    def was_pressed(self):
        """Poll ten times a second; return True when a press has just ended."""
        now_ms = self._clock.now_ms()
        if self._is_down():
            if self._down_ms is None:
                self._down_ms = now_ms
            return False
        down_ms, self._down_ms = self._down_ms, None
        return down_ms is not None and _MIN_HELD_MS <= now_ms - down_ms <= _MAX_HELD_MS

    def _is_down(self):
        return self._pin.value() == 0
