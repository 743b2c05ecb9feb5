"""SHT40, SHT41, SHT45: I2C sensors of air temperature and humidity.

Sensirion SHT4x datasheet v6: command 4.5, conversion 4.6. A high precision measurement takes at
most 8.3 ms. The heater stays off: it would distort the reading.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.sensirion import words_of
from idro.errors import SensorError

PART = "sht4x"

_MEASURE_HIGH_PRECISION = b"\xfd"
_MEASURE_MS = 10
_MIN_CENTI_C = -4_000
_MAX_CENTI_C = 8_500


def build(spec, bus, clock, settings):
    """Return the Sht4x of a board's sensor entry; `bus` is a machine.I2C."""
    return Sht4x(bus, spec["address"], clock)


class Sht4x:
    """One sensor. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, i2c, address, clock):
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._answer = bytearray(6)

    async def read(self, context):
        """Return {"temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        raw_temp, raw_rh = await with_retries(PART, self._measure)
        centi_c = divide_rounded(17_500 * raw_temp, 65_535) - 4_500
        if not _MIN_CENTI_C <= centi_c <= _MAX_CENTI_C:
            raise SensorError(PART, "out_of_range", f"{centi_c}/100 C")
        # Cropped to 0..100 % as in the datasheet: values beyond are tolerance.
        deci_pct = min(1000, max(0, divide_rounded(1_250 * raw_rh, 65_535) - 60))
        return {"temp_c": centi_c / 100, "rh_pct": deci_pct / 10}

    async def _measure(self):
        self._i2c.writeto(self._address, _MEASURE_HIGH_PRECISION)
        await self._clock.sleep_ms(_MEASURE_MS)
        self._i2c.readfrom_into(self._address, self._answer)
        return words_of(PART, self._answer)
