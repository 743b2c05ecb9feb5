"""Atlas EZO-DO: dissolved oxygen circuit for a galvanic probe; it holds its own calibration.

EZO-DO datasheet v5.3: a reading takes 600 ms, 0.01 to 100 mg/L; 0 means no probe or a dry one. It
may also give the saturation in %: switched off, so that no other quantity is taken for mg/L.
Salinity stays in its EEPROM and counts above 2500 uS/cm only, so the driver does not send it.
"""

from idro.drivers.shared.analog import centi_celsius, divide_rounded
from idro.drivers.shared.ezo import Ezo
from idro.errors import SensorError

PART = "ezo_do"

_READ_MS = 600
_HIGHEST_MILLI = 40_000  # twice what pure oxygen gives in warm water


def build(spec, bus, clock, settings):
    """Return the EzoDo of a board's sensor entry; `bus` is a machine.I2C or a machine.UART."""
    return EzoDo(PART, spec, bus, clock, _READ_MS)


class EzoDo(Ezo):
    """One oxygen circuit."""

    async def read(self, context):
        """Return {"do_mg_l": mg/L}, temperature from `context`. Raises SensorError."""
        centi_c = centi_celsius(PART, context, self._temp_channel)
        milli_mg_l = await self.read_only("mg", centi_c)
        if not 0 < milli_mg_l <= _HIGHEST_MILLI:
            raise SensorError(PART, "saturated", f"{milli_mg_l}/1000 mg/L")
        return {"do_mg_l": divide_rounded(milli_mg_l, 10) / 100}
