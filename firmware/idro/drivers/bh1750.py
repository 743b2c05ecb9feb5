"""BH1750: I2C illuminance sensor.

ROHM BH1750FVI datasheet: one-time high resolution, count / 1.2 lx at a measurement time of 69. At
the shortest, 31, it covers 121,000 lx (midday sun) in steps of 1.9 lx and takes at most
180 ms * 31/69.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.errors import SensorError

PART = "bh1750"

# Power on, then measurement time 31: three high bits and five low bits.
_SETUP = (b"\x01", b"\x40", b"\x7f")
_MEASURE = b"\x20"
_MEASURE_MS = 82
_FULL = 65_535


def build(spec, bus, clock, settings):
    """Return the Bh1750 of a board's sensor entry; `bus` is a machine.I2C."""
    return Bh1750(bus, spec["address"], clock)


class Bh1750:
    """One sensor. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, i2c, address, clock):
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._answer = bytearray(2)

    async def read(self, context):
        """Return {"illuminance_lx": lx}. Raises SensorError."""
        await with_retries(PART, self._measure)
        count = self._answer[0] << 8 | self._answer[1]
        if count == _FULL:
            raise SensorError(PART, "saturated", f"count {count}")
        return {"illuminance_lx": divide_rounded(count * 690, 12 * 31)}

    async def _measure(self):
        # Every time: a part that lost its supply restarts with a measurement time of 69.
        for command in _SETUP:
            self._i2c.writeto(self._address, command)
        self._i2c.writeto(self._address, _MEASURE)
        await self._clock.sleep_ms(_MEASURE_MS)
        self._i2c.readfrom_into(self._address, self._answer)
