"""Hall flow meter, such as YF-S201: pulses counted by a counter of the chip (PCNT).

Without pulses there is no flow, or the cable is broken: compare with the level of the tank.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.errors import SensorError

PART = "flow_meter"

_MIN_INTERVAL_MS = 500
_MAX_ML_PER_MIN = 60_000
_MAX_HZ = 1_000  # of any Hall flow meter
_RANGE = 32_767  # pulses after which the counter restarts at 0
_FILTER_TICKS = 1_023  # the longest: 12.8 us, so that a spike is no pulse


def build(spec, gpio, clock, settings):
    """Return the FlowMeter of a board's sensor entry; `gpio` has Pin, PCNT and its free units."""
    pin = gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP)
    counter = gpio.PCNT(
        next(gpio.units), pin=pin, falling=gpio.PCNT.INCREMENT, filter=_FILTER_TICKS, max=_RANGE)
    counter.start()
    return FlowMeter(counter, spec["pulses_per_l"], clock)


class FlowMeter:
    """One meter. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, counter, pulses_per_l, clock):
        self._counter = counter
        self._pulses_per_l = pulses_per_l
        self._clock = clock
        # At 60 l/min a meter gives `pulses_per_l` pulses a second.
        self._max_interval_ms = _RANGE * 1_000 // min(pulses_per_l, _MAX_HZ)
        self._read_count = counter.value()
        self._read_ms = clock.now_ms()

    async def read(self, context):
        """Return {"flow_ml_per_min": mean since the last read}. Raises SensorError."""
        if self._clock.now_ms() - self._read_ms < _MIN_INTERVAL_MS:
            await self._clock.sleep_ms(_MIN_INTERVAL_MS)
        count, now_ms = self._counter.value(), self._clock.now_ms()
        pulses, elapsed_ms = (count - self._read_count) % _RANGE, now_ms - self._read_ms
        self._read_count, self._read_ms = count, now_ms
        if elapsed_ms > self._max_interval_ms:
            raise SensorError(PART, "saturated", f"read {elapsed_ms} ms ago: the counter may have "
                                                 "passed its range")
        flow = divide_rounded(pulses * 60_000_000, self._pulses_per_l * elapsed_ms)
        if flow > _MAX_ML_PER_MIN:
            raise SensorError(PART, "noisy", f"{pulses} pulses in {elapsed_ms} ms")
        return {"flow_ml_per_min": flow}
