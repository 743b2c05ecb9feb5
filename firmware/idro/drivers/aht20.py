"""AHT20, AHT21: I2C sensors of air temperature and humidity.

Aosong AHT20 datasheet 5.3, 5.4: every answer starts with the status, of which bit 3 says that the
calibration is loaded; without it the part is initialised. A measurement takes 80 ms; its seven
bytes are status, 20 bits of humidity, 20 bits of temperature and the CRC-8 of Sensirion.
"""

from idro.drivers.shared.analog import air_values, divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.drivers.shared.sensirion import crc8
from idro.errors import SensorError

PART = "aht20"

_INITIALISE, _MEASURE = b"\xbe\x08\x00", b"\xac\x33\x00"
_INITIALISE_MS = 12
_MEASURE_MS = 85
_BUSY, _CALIBRATED = 0x80, 0x08


def build(spec, bus, clock, settings):
    """Return the Aht20 of a board's sensor entry; `bus` is a machine.I2C."""
    return Aht20(spec, bus, clock)


class Aht20(I2cSensor):
    """One sensor."""

    async def read(self, context):
        """Return {"temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        data = await with_retries(PART, self._measure)
        raw_rh = data[1] << 12 | data[2] << 4 | data[3] >> 4
        raw_temp = (data[3] & 0x0F) << 16 | data[4] << 8 | data[5]
        centi_c = divide_rounded(raw_temp * 625, 32_768) - 5_000
        return air_values(PART, centi_c, divide_rounded(raw_rh * 125, 131_072))

    async def _measure(self):
        """Return the seven bytes of a measurement."""
        if not self._i2c.readfrom(self._address, 1)[0] & _CALIBRATED:
            await self._command(_INITIALISE, _INITIALISE_MS)
        await self._command(_MEASURE, _MEASURE_MS)
        data = self._i2c.readfrom(self._address, 7)
        if data[0] & _BUSY:
            raise SensorError(PART, "timeout", f"measuring after {_MEASURE_MS} ms")
        if crc8(data[:6]) != data[6]:
            raise SensorError(PART, "crc", data.hex())
        if not data[0] & _CALIBRATED:
            raise SensorError(PART, "power_on_value", "its calibration is not loaded")
        return data

    async def _command(self, command, duration_ms):
        self._i2c.writeto(self._address, command)
        await self._clock.sleep_ms(duration_ms)
