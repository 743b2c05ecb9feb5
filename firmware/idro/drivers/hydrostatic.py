"""Hydrostatic level transmitter, 4-20 mA through 150 ohm, read by an ADS1115.

4 mA (600 mV) is an empty tank by default. NAMUR NE 43: a current below 3.6 mA or above 21 mA
signals a failure of the transmitter or the cable.
"""

from idro.drivers.shared.analog import AnalogSensor, divide_rounded
from idro.errors import SensorError

PART = "hydrostatic"

_LOW_UV = 540_000  # 3.6 mA
_HIGH_UV = 3_150_000  # 21 mA
# Between 3.6 mA and 4 mA an empty tank reads slightly below zero.
_ZERO_TOLERANCE_MM = 25
_MAX_LEVEL_MM = 5_000


def build(spec, bus, clock, settings):
    """Return the Hydrostatic of a board's sensor entry; `bus` is its Ads1115."""
    return Hydrostatic(PART, spec, bus, settings, _LOW_UV, _HIGH_UV)


class Hydrostatic(AnalogSensor):
    """A level transmitter."""

    async def read(self, context):
        """Return {"level_mm": depth of water in mm}. Raises SensorError."""
        signal_uv = await self.read_uv()
        return {
            "level_mm": level_mm(
                signal_uv, self._settings["level.zero_uv"], self._settings["level.uv_per_mm"])
        }


def level_mm(signal_uv, zero_uv, uv_per_mm):
    """Return the depth in mm, 0 for an empty tank. Raises SensorError if out of range."""
    if uv_per_mm <= 0:
        raise SensorError(PART, "uncalibrated", f"{uv_per_mm} uV/mm")
    value_mm = divide_rounded(signal_uv - zero_uv, uv_per_mm)
    if value_mm < -_ZERO_TOLERANCE_MM:
        raise SensorError(PART, "uncalibrated", f"{value_mm} mm from {signal_uv} uV")
    if value_mm > _MAX_LEVEL_MM:
        raise SensorError(PART, "out_of_range", f"{value_mm} mm from {signal_uv} uV")
    return max(0, value_mm)
