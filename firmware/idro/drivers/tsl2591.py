"""TSL2591: I2C illuminance sensor, from moonlight to about 70,000 lx.

ams TSL2591 datasheet v3: registers from command A0, integration of 100 ms (108 at most, full scale
36,863 counts), gains 1, 24.5, 400, 9200. The gain steps down on clipping and up on low counts; lux
from the counts of both diodes, as in ams' application note: 408 counts * ms * gain.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError

PART = "tsl2591"

_ENABLE, _CONTROL, _ID, _STATUS, _DATA = 0xA0, 0xA1, 0xB2, 0xB3, 0xB4
_OFF, _ON = b"\x00", b"\x03"
_PART_ID = 0x50
_VALID = 0x01
_INTEGRATION_MS = 100
_WAIT_MS = 109
_FULL = 36_863
_FEW = 400
# Gain in tenths, weakest first: bits 5:4 of the control register.
_DECI_GAINS = (10, 245, 4_000, 92_000)


def build(spec, bus, clock, settings):
    """Return the Tsl2591 of a board's sensor entry; `bus` is a machine.I2C."""
    return Tsl2591(spec, bus, clock)


class Tsl2591(I2cSensor):
    """One sensor."""

    _gain = 1

    async def read(self, context):
        """Return {"illuminance_lx": lx}. Raises SensorError."""
        for _ in _DECI_GAINS:
            gain = self._gain
            both, infrared = await with_retries(PART, self._measure, gain)
            if max(both, infrared) >= _FULL and gain > 0:
                self._gain = gain - 1
            elif both < _FEW and gain < len(_DECI_GAINS) - 1:
                self._gain = gain + 1
            elif max(both, infrared) < _FULL:
                return {"illuminance_lx": illuminance_lx(both, infrared, _DECI_GAINS[gain])}
        raise SensorError(PART, "saturated", "too bright, or it changes too fast")

    async def _measure(self, gain):
        i2c, address = self._i2c, self._address
        if i2c.readfrom_mem(address, _ID, 1)[0] != _PART_ID:
            raise SensorError(PART, "crc", "another part answers")
        i2c.writeto_mem(address, _ENABLE, _OFF)
        i2c.writeto_mem(address, _CONTROL, bytes((gain << 4,)))
        i2c.writeto_mem(address, _ENABLE, _ON)
        await self._clock.sleep_ms(_WAIT_MS)
        if not i2c.readfrom_mem(address, _STATUS, 1)[0] & _VALID:
            raise SensorError(PART, "timeout", f"nothing in {_WAIT_MS} ms")
        data = i2c.readfrom_mem(address, _DATA, 4)
        return data[0] | data[1] << 8, data[2] | data[3] << 8


def illuminance_lx(both, infrared, deci_gain):
    """Return lx from the counts of the broadband and infrared diodes; 0 in the dark."""
    if both <= infrared:
        return 0
    visible = both - infrared
    return divide_rounded(visible * visible * 408 * 10, both * _INTEGRATION_MS * deci_gain)
