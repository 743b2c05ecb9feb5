"""VL53L0X: laser ranger above a white float on the water, I2C.

ST DS11555 describes the registers 0xC0 to 0xC2, which identify it, and no others. The single shot,
its completion and the place of the distance are those of Linux (drivers/iio/proximity/
vl53l0x-i2c.c), the range status is that of ST's API STSW-IMG005: 11 is valid. It runs with its
settings of power-on, 33 ms a shot: the tuning that ST's API writes is explained nowhere. The rates
of signal and ambient light in a result differ from shot to shot: equal results are a frozen part.
"""

from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.from_above import level_mm
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.errors import SensorError

PART = "vl53l0x"

_START, _RESULT, _IDENTITY = 0x00, 0x14, 0xC0
_SINGLE_SHOT = b"\x01"
_EXPECTED = b"\xee\xaa\x10"
_RESULT_BYTES = 12
_COMPLETE = 0x01
_VALID = 11
# A result keeps its completion bit while the next is measured: wait, whatever the bit says.
_SHOT_MS = 40
_POLLS = 4
_POLL_MS = 10
_SHOTS = 5
_FEWEST = 3
_SCATTER_MM = 20
_BLIND_MM = 40
_RANGE_MM = 1_200


def build(spec, bus, clock, settings):
    """Return the Vl53l0x of a board's sensor entry; `bus` is a machine.I2C."""
    return Vl53l0x(spec, bus, clock)


class Vl53l0x(I2cSensor):
    """One ranger."""

    def __init__(self, spec, i2c, clock):
        super().__init__(spec, i2c, clock)
        self._height_mm = spec["height_mm"]
        self._result = bytearray(_RESULT_BYTES)

    async def read(self, context):
        """Return {"level_mm": depth of water}. Raises SensorError."""
        distances_mm = []
        results = set()
        for _ in range(_SHOTS):
            distance_mm = await with_retries(PART, self._shot)
            results.add(bytes(self._result))
            if distance_mm is not None:
                distances_mm.append(distance_mm)
        if len(distances_mm) < _FEWEST:
            raise SensorError(PART, "timeout", f"{len(distances_mm)} of {_SHOTS} in range")
        if len(results) == 1:
            raise SensorError(PART, "flat", f"{_SHOTS} times {bytes(self._result).hex()}")
        distances_mm.sort()
        if distances_mm[-2] - distances_mm[1] > _SCATTER_MM:
            raise SensorError(PART, "noisy", f"{distances_mm} mm")
        distance_mm = distances_mm[len(distances_mm) // 2]
        return {"level_mm": level_mm(PART, self._height_mm, distance_mm, _BLIND_MM, _RANGE_MM)}

    async def _shot(self):
        """Return a distance in mm, None without a target."""
        i2c, address, result = self._i2c, self._address, self._result
        found = i2c.readfrom_mem(address, _IDENTITY, len(_EXPECTED))
        if found != _EXPECTED:
            raise SensorError(PART, "mismatch", f"identity {found.hex()}")
        i2c.writeto_mem(address, _START, _SINGLE_SHOT)
        await self._clock.sleep_ms(_SHOT_MS)
        for _ in range(_POLLS):
            i2c.readfrom_mem_into(address, _RESULT, result)
            if result[0] & _COMPLETE:
                is_valid = (result[0] & 0x78) >> 3 == _VALID
                return result[10] << 8 | result[11] if is_valid else None
            await self._clock.sleep_ms(_POLL_MS)
        raise SensorError(PART, "timeout", "not complete")
