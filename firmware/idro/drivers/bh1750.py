"""BH1750: I2C illuminance sensor.

ROHM BH1750FVI datasheet: one-time high resolution, count / 1.2 lx at a measurement time of 69. At
the shortest, 31, it covers 121,000 lx (midday sun) in steps of 1.9 lx and takes at most
180 ms * 31/69.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError

PART = "bh1750"

# Power on, then measurement time 31: three high bits and five low bits.
_SETUP = (b"\x01", b"\x40", b"\x7f")
_MEASURE = b"\x20"
_MEASURE_MS = 82
_FULL = 65_535


def build(spec, bus, clock, settings):
    """Return the Bh1750 of a board's sensor entry; `bus` is a machine.I2C."""
    return Bh1750(spec, bus, clock)


class Bh1750(I2cSensor):
    """One sensor."""

    async def read(self, context):
        """Return {"illuminance_lx": lx}. Raises SensorError."""
        high, low = await with_retries(PART, self._measure)
        count = high << 8 | low
        if count == _FULL:
            raise SensorError(PART, "saturated", f"count {count}")
        return {"illuminance_lx": divide_rounded(count * 690, 12 * 31)}

    async def _measure(self):
        # Every time: a part that lost its supply restarts with a measurement time of 69.
        for command in _SETUP:
            self._i2c.writeto(self._address, command)
        self._i2c.writeto(self._address, _MEASURE)
        await self._clock.sleep_ms(_MEASURE_MS)
        return self._i2c.readfrom(self._address, 2)
