"""BME280: I2C sensor of air temperature and humidity; its pressure is not measured.

Bosch BST-BME280-DS002 1.6: memory map 5.3, trimming words 4.2.2, integer formulas 4.2.3, forced
mode 3.3.3, measurement time 9.1 (6.4 ms for temperature and humidity, each sampled once). The part
has no checksum, so whatever is read is read twice. A BMP280, which looks the same and has no
humidity, is refused by its identity.
"""

import struct

from idro.drivers.shared.analog import air_values, divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError

PART = "bme280"

_TRIM_T, _TRIM_H1, _TRIM_H2 = 0x88, 0xA1, 0xE1
_ID, _RESET, _CTRL_HUM, _STATUS, _CTRL_MEAS, _TEMP = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xFA
_BME280 = 0x60
_RESET_WORD = b"\xb6"
_START_MS = 4  # 2 ms to start, and the copy of its trimming words
_HUM_ONCE = b"\x01"
_TEMP_ONCE_FORCED = b"\x21"
_MEASURE_MS = 8
_MEASURING, _COPYING = 0x08, 0x01
_NO_TEMP, _NO_RH = 0x80000, 0x8000


def build(spec, bus, clock, settings):
    """Return the Bme280 of a board's sensor entry; `bus` is a machine.I2C."""
    return Bme280(spec, bus, clock)


class Bme280(I2cSensor):
    """One sensor."""

    _trim = None

    async def read(self, context):
        """Return {"temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        if self._trim is None:
            self._trim = await with_retries(PART, self._start)
        trim = self._trim
        self._trim = None  # read again after a failure: it may be another part
        raw_temp, raw_rh = await with_retries(PART, self._measure)
        if raw_temp == _NO_TEMP or raw_rh == _NO_RH:
            raise SensorError(PART, "power_on_value", f"{raw_temp:05x} {raw_rh:04x}")
        fine = fine_temperature(raw_temp, trim)
        values = air_values(PART, (fine * 5 + 128) >> 8, divide_rounded(
            humidity(raw_rh, fine, trim) * 10, 1_024))
        self._trim = trim
        return values

    async def _start(self):
        """Reset the part and return its trimming words: T1 to T3, H1 to H6."""
        identity = self._read(_ID, 1)[0]
        if identity != _BME280:
            raise SensorError(PART, "mismatch", f"identity {identity:02x}; 58 is a BMP280")
        self._i2c.writeto_mem(self._address, _RESET, _RESET_WORD)
        await self._clock.sleep_ms(_START_MS)
        self._require_idle(_COPYING)
        t1, t2, t3 = struct.unpack("<Hhh", self._read(_TRIM_T, 6))
        h1 = self._read(_TRIM_H1, 1)[0]
        h2, h3, high4, low45, high5, h6 = struct.unpack("<hBbBbb", self._read(_TRIM_H2, 7))
        return t1, t2, t3, h1, h2, h3, high4 * 16 | low45 & 0x0F, high5 * 16 | low45 >> 4, h6

    async def _measure(self):
        """Return the 20 bits of the temperature and the 16 bits of the humidity."""
        self._i2c.writeto_mem(self._address, _CTRL_HUM, _HUM_ONCE)
        self._i2c.writeto_mem(self._address, _CTRL_MEAS, _TEMP_ONCE_FORCED)
        await self._clock.sleep_ms(_MEASURE_MS)
        self._require_idle(_MEASURING)
        high, low, lowest, raw_rh = struct.unpack(">BBBH", self._read(_TEMP, 5))
        return high << 12 | low << 4 | lowest >> 4, raw_rh

    def _require_idle(self, bit):
        if self._i2c.readfrom_mem(self._address, _STATUS, 1)[0] & bit:
            raise SensorError(PART, "timeout", f"status bit {bit:02x}")

    def _read(self, register, count):
        """Return `count` bytes that were the same twice."""
        first = self._i2c.readfrom_mem(self._address, register, count)
        if self._i2c.readfrom_mem(self._address, register, count) != first:
            raise SensorError(PART, "crc", f"register {register:02x} differs when read again")
        return first


def fine_temperature(raw, trim):
    """Return t_fine of the datasheet, 1/5120 C, of the 20 bits `raw`."""
    t1, t2, t3 = trim[:3]
    linear = ((raw >> 3) - (t1 << 1)) * t2 >> 11
    offset = (raw >> 4) - t1
    return linear + ((offset * offset >> 12) * t3 >> 14)


def humidity(raw_rh, fine, trim):
    """Return the relative humidity in 1/1024 %, limited to 0..100 % as in the datasheet."""
    h1, h2, h3, h4, h5, h6 = trim[3:]
    fine -= 76_800
    drift = ((fine * h6 >> 10) * ((fine * h3 >> 11) + 32_768) >> 10) + 2_097_152
    value = ((raw_rh << 14) - (h4 << 20) - h5 * fine + 16_384 >> 15) * (drift * h2 + 8_192 >> 14)
    value -= ((value >> 15) * (value >> 15) >> 7) * h1 >> 4
    return min(max(value, 0), 419_430_400) >> 12
