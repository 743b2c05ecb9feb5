"""Atlas EZO-EC: isolated conductivity circuit that holds its own calibration.

EZO-EC datasheet v6.2: a reading takes 600 ms and is compensated to 25 C. Circuits before firmware
2.10 also output dissolved solids, salinity and gravity: switched off, so that no other quantity is
taken for EC.
"""

from idro.drivers.shared.analog import centi_celsius, divide_rounded
from idro.drivers.shared.ezo import Ezo
from idro.errors import SensorError

PART = "ezo_ec"

_READ_MS = 600
_HIGHEST_US_CM = 20_000


def build(spec, bus, clock, settings):
    """Return the EzoEc of a board's sensor entry; `bus` is a machine.I2C or a machine.UART."""
    return EzoEc(PART, spec, bus, clock, _READ_MS)


class EzoEc(Ezo):
    """One conductivity circuit."""

    async def read(self, context):
        """Return {"ec_us_cm": EC at 25 C}, temperature from `context`. Raises SensorError."""
        centi_c = centi_celsius(PART, context, self._temp_channel)
        milli_us_cm = await self.read_only("EC", centi_c)
        ec_us_cm = divide_rounded(milli_us_cm, 1000)
        if not 0 <= ec_us_cm <= _HIGHEST_US_CM:
            raise SensorError(PART, "out_of_range", f"{ec_us_cm} uS/cm")
        return {"ec_us_cm": ec_us_cm}
