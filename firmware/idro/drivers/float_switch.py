"""Float switch: whether water lifts a float, as a contact between a pin and ground.

A contact bounces, and so does a float on waves: five equal looks in a row count, 20 ms apart. A
cut cable reads as an open contact, so choose the contact that is closed where all is well.
"""

from idro.errors import SensorError

PART = "float_switch"

_EQUAL_LOOKS = 5
_MOST_LOOKS = 50
_LOOK_MS = 20


def build(spec, gpio, clock, settings):
    """Return the FloatSwitch of a board's sensor entry; `gpio` has Pin."""
    pin = gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP)
    return FloatSwitch(pin, spec["up_level"], clock)


class FloatSwitch:
    """One switch. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, pin, up_level, clock):
        self._pin = pin
        self._up_level = up_level
        self._clock = clock

    async def read(self, context):
        """Return {"float_up": 1 lifted, 0 hanging}. Raises SensorError where it never rests."""
        level = self._pin.value()
        equal_count = 1
        for _ in range(_MOST_LOOKS):
            if equal_count == _EQUAL_LOOKS:
                return {"float_up": 1 if level == self._up_level else 0}
            await self._clock.sleep_ms(_LOOK_MS)
            seen = self._pin.value()
            equal_count = equal_count + 1 if seen == level else 1
            level = seen
        raise SensorError(PART, "noisy", f"no rest in {_MOST_LOOKS * _LOOK_MS} ms")
