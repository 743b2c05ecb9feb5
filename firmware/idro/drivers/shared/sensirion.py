"""Sensirion protocol: 16-bit words, high byte first, each followed by a CRC-8.

SHT4x datasheet 4.4, SHT3x datasheet 4.12, SCD4x datasheet 3.11: polynomial 31, start FF; of BE EF
it is 92.
"""

from idro.drivers.shared.analog import air_values, divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError


class AirSensor(I2cSensor):
    """An SHT3x or SHT4x: `command` starts a measurement, which takes up to `measure_ms`.

    `rh_deci_pct`: (span, offset) of the humidity in 0.1 %.
    """

    def __init__(self, part, spec, i2c, clock, command, measure_ms, rh_deci_pct):
        super().__init__(spec, i2c, clock)
        self._part = part
        self._command = command
        self._measure_ms = measure_ms
        self._rh_span, self._rh_offset = rh_deci_pct

    async def read(self, context):
        """Return {"temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        raw_temp, raw_rh = await with_retries(self._part, self._measure)
        centi_c = divide_rounded(17_500 * raw_temp, 65_535) - 4_500
        deci_pct = divide_rounded(self._rh_span * raw_rh, 65_535) + self._rh_offset
        # Cropped to 0..100 % as in the datasheets: values beyond are tolerance.
        return air_values(self._part, centi_c, min(1_000, max(0, deci_pct)))

    async def _measure(self):
        self._i2c.writeto(self._address, self._command)
        await self._clock.sleep_ms(self._measure_ms)
        return words_of(self._part, self._i2c.readfrom(self._address, 6))


def words_of(part, answer):
    """Return the 16-bit words of `answer`. Raises SensorError if a CRC is wrong."""
    found = []
    for start in range(0, len(answer), 3):
        if crc8(answer[start:start + 2]) != answer[start + 2]:
            raise SensorError(part, "crc", answer.hex())
        found.append(answer[start] << 8 | answer[start + 1])
    return found


def crc8(data):
    """Return the CRC-8 of `data`."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc
