"""Atlas EZO-RTD: temperature circuit for a PT-100 or PT-1000; it holds its own calibration.

EZO-RTD datasheet v3.6: a reading takes 600 ms, -126 to 1254 C; without a probe it lies outside.
The circuit has no compensation, and a scale that it keeps: C, K or F. It is set to C first.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.ezo import Ezo
from idro.errors import SensorError

PART = "ezo_rtd"

_READ_MS = 600
_LOWEST_MILLI = -126_000
_HIGHEST_MILLI = 1_254_000


def build(spec, bus, clock, settings):
    """Return the EzoRtd of a board's sensor entry; `bus` is a machine.I2C or a machine.UART."""
    return EzoRtd(PART, spec, bus, clock, _READ_MS)


class EzoRtd(Ezo):
    """One temperature circuit."""

    _is_celsius = False

    async def read(self, context):
        """Return {"temp_c": C}. Raises SensorError."""
        if not self._is_celsius and await self.query("S") != ["c"]:
            await self.send("S,c")
        self._is_celsius = False  # after a failure, another circuit may be connected
        milli_c = await self.read_milli()
        if not _LOWEST_MILLI <= milli_c <= _HIGHEST_MILLI:
            raise SensorError(PART, "saturated", f"{milli_c}/1000 C")
        self._is_celsius = True
        return {"temp_c": divide_rounded(milli_c, 10) / 100}
