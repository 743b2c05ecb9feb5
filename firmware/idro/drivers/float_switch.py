"""Float switch between a pin and ground: whether water lifts the float.

Contacts bounce, and so do floats on waves: a level counts after five equal samples, 20 ms apart. A
broken cable reads as an open contact, so use a switch whose contact is closed in the safe state.
"""

from idro.errors import SensorError

PART = "float_switch"

_EQUAL_SAMPLES = 5
_MAX_SAMPLES = 50
_SAMPLE_MS = 20


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
        """Return {"float_up": 1 lifted, 0 hanging}. Raises SensorError if it never settles."""
        level = self._pin.value()
        equal_count = 1
        for _ in range(_MAX_SAMPLES):
            if equal_count == _EQUAL_SAMPLES:
                return {"float_up": 1 if level == self._up_level else 0}
            await self._clock.sleep_ms(_SAMPLE_MS)
            sampled = self._pin.value()
            equal_count = equal_count + 1 if sampled == level else 1
            level = sampled
        raise SensorError(PART, "noisy", f"no rest in {_MAX_SAMPLES * _SAMPLE_MS} ms")
