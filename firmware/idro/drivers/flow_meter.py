"""Hall flow meter, such as YF-S201: pulses counted by interrupt.

Without pulses there is no flow, or the cable is broken: compare with the level of the tank.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.errors import SensorError

PART = "flow_meter"

_MIN_INTERVAL_MS = 500
_MAX_ML_PER_MIN = 60_000


def build(spec, gpio, clock, settings):
    """Return the FlowMeter of a board's sensor entry; `gpio` has Pin."""
    pin = gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP)
    meter = FlowMeter(spec["pulses_per_l"], clock)
    pin.irq(meter.count, gpio.Pin.IRQ_FALLING)
    return meter


class FlowMeter:
    """One meter. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, pulses_per_l, clock):
        self._pulses_per_l = pulses_per_l
        self._clock = clock
        self._pulses = 0
        self._read_pulses = 0
        self._read_ms = clock.now_ms()

    def count(self, pin):
        """Count one pulse: the interrupt handler."""
        self._pulses += 1

    @property
    def volume_ml(self):
        """Volume since boot in ml."""
        return self._pulses * 1000 // self._pulses_per_l

    async def read(self, context):
        """Return {"flow_ml_per_min": mean since the last read}. Raises SensorError."""
        if self._clock.now_ms() - self._read_ms < _MIN_INTERVAL_MS:
            await self._clock.sleep_ms(_MIN_INTERVAL_MS)
        pulses, now_ms = self._pulses, self._clock.now_ms()
        counted, elapsed_ms = pulses - self._read_pulses, now_ms - self._read_ms
        self._read_pulses, self._read_ms = pulses, now_ms
        flow = divide_rounded(counted * 60_000_000, self._pulses_per_l * elapsed_ms)
        if flow > _MAX_ML_PER_MIN:
            raise SensorError(PART, "noisy", f"{counted} pulses in {elapsed_ms} ms")
        return {"flow_ml_per_min": flow}
