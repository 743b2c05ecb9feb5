"""INA219: I2C voltage and current sensor, for the supply of the pumps.

TI SBOS448G: configuration register 00, shunt 01 (10 uV), bus 02 (4 mV in bits 15:3, ready bit 1,
overflow bit 0). A triggered 12-bit conversion of both takes 1.1 ms; 32 V and 320 mV full scale.
"""

import struct

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError

PART = "ina219"

_CONFIG, _SHUNT, _BUS = 0, 1, 2
# 32 V, 320 mV, 12 bit both, shunt and bus, triggered.
_MEASURE = b"\x39\x9b"
_MEASURE_MS = 3
_READY, _OVERFLOW = 0x02, 0x01
_FULL_SHUNT = 32_000


def build(spec, bus, clock, settings):
    """Return the Ina219 of a board's sensor entry; `bus` is a machine.I2C."""
    return Ina219(spec, bus, clock)


class Ina219(I2cSensor):
    """One sensor."""

    def __init__(self, spec, i2c, clock):
        super().__init__(spec, i2c, clock)
        self._shunt_mohm = spec["shunt_mohm"]

    async def read(self, context):
        """Return {"supply_mv": mV, "current_ma": mA}. Raises SensorError."""
        shunt, bus = await with_retries(PART, self._measure)
        if bus & _OVERFLOW or not -_FULL_SHUNT < shunt < _FULL_SHUNT:
            raise SensorError(PART, "saturated", f"shunt {shunt}, bus {bus:04x}")
        return {
            "supply_mv": (bus >> 3) * 4,
            "current_ma": divide_rounded(shunt * 10, self._shunt_mohm)}

    async def _measure(self):
        self._i2c.writeto_mem(self._address, _CONFIG, _MEASURE)
        await self._clock.sleep_ms(_MEASURE_MS)
        bus = self._register(">H", _BUS)
        if not bus & _READY:
            raise SensorError(PART, "timeout", f"nothing in {_MEASURE_MS} ms")
        if self._register(">H", _CONFIG) != struct.unpack(">H", _MEASURE)[0]:
            raise SensorError(PART, "crc", "it lost its settings")
        return self._register(">h", _SHUNT), bus

    def _register(self, layout, pointer):
        return struct.unpack(layout, self._i2c.readfrom_mem(self._address, pointer, 2))[0]
