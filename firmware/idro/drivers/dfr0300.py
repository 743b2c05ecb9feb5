"""DFR0300: conductivity cell on DFRobot's analog board, read through an ADS1115.

The board outputs 164 mV per mS/cm, that is 164 uV per uS/cm, for a cell constant of 1. The signal
is the conductivity at the water's temperature; EC at 25 C divides it by 1 + alpha (T - 25).
"""

from idro.drivers.shared.analog import AnalogSensor, centi_celsius, divide_rounded
from idro.errors import SensorError

PART = "dfr0300"

_UV_PER_US_CM = 164
_LOW_UV = -2_000
_HIGH_UV = 3_300_000
# 3 uS/cm is less than any water in a tank: the cell is dry or its cable open.
_IN_AIR_UV = 500
_MAX_EC_US_CM = 20_000


def build(spec, bus, clock, settings):
    """Return the Dfr0300 of a board's sensor entry; `bus` is its Ads1115."""
    return Dfr0300(PART, spec, bus, settings, _LOW_UV, _HIGH_UV)


class Dfr0300(AnalogSensor):
    """An EC probe."""

    async def read(self, context):
        """Return {"ec_us_cm": uS/cm at 25 C}, temperature from `context`. Raises SensorError."""
        signal_uv = await self.read_uv()
        if signal_uv < _IN_AIR_UV:
            raise SensorError(PART, "in_air", f"{signal_uv} uV")
        centi_c = centi_celsius(PART, context, self._temp_channel)
        return {
            "ec_us_cm": ec_us_cm(
                signal_uv, centi_c, self._settings["ec.cell_milli"],
                self._settings["ec.alpha_ppm_c"])
        }


def ec_us_cm(signal_uv, centi_c, cell_milli, alpha_ppm_c):
    """Return EC at 25 C in uS/cm. Raises SensorError if out of range."""
    # The correction in parts per 100 million: alpha in ppm times 0.01 C.
    correction = 100_000_000 + alpha_ppm_c * (centi_c - 2500)
    if correction <= 0:
        raise SensorError(PART, "out_of_range", f"temperature {centi_c}/100 C")
    value = divide_rounded(signal_uv * cell_milli * 100_000, _UV_PER_US_CM * correction)
    if value > _MAX_EC_US_CM:
        raise SensorError(PART, "out_of_range", f"{value} uS/cm from {signal_uv} uV")
    return value
