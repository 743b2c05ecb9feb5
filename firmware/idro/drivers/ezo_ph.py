"""Atlas EZO-pH: isolated pH circuit that holds its own calibration.

EZO-pH datasheet: a reading takes 900 ms, 0.000 to 14.000; either end means an open or shorted
input. A shorted electrode reads exactly 7: the change between readings, at 59.16 mV per pH, serves
as the spread of the raw signal.
"""

from idro.drivers.shared.analog import centi_celsius
from idro.drivers.shared.ezo import Ezo
from idro.errors import SensorError

PART = "ezo_ph"

_READ_MS = 900
_UV_PER_MILLI = 59
_FRONT_END = 3  # the raw signal is on the scale of a sen0161
_CALIBRATION_CENTI_K, _ZERO_CENTI_K = 29_815, 27_315


def build(spec, bus, clock, settings):
    """Return the EzoPh of a board's sensor entry; `bus` is a machine.I2C or a machine.UART."""
    return EzoPh(PART, spec, bus, clock, _READ_MS)


class EzoPh(Ezo):
    """One pH circuit. signal_uv is that of its electrode on the scale of a sen0161, spread_uv the
    last change of pH, None after a failed read."""

    _last_milli = signal_uv = None

    async def read(self, context):
        """Return {"ph": pH}, with the water's temperature from `context`. Raises SensorError."""
        last_milli, last_uv = self._last_milli, self.signal_uv
        self._last_milli = self.spread_uv = self.signal_uv = None
        centi_c = centi_celsius(PART, context, self._temp_channel)
        milli_ph = await self.read_milli(centi_c)
        if not 0 < milli_ph < 14_000:
            raise SensorError(PART, "saturated", f"pH {milli_ph}/1000")
        self._last_milli = milli_ph
        # The circuit compensates for the temperature: undone, the signal of a stuck electrode is
        # constant. A circuit that hangs repeats its pH.
        at_25_c = (milli_ph - 7_000) * (centi_c + _ZERO_CENTI_K) // _CALIBRATION_CENTI_K
        is_same = milli_ph == last_milli
        self.signal_uv = last_uv if is_same else at_25_c * _UV_PER_MILLI * _FRONT_END
        if last_milli is not None:
            self.spread_uv = abs(milli_ph - last_milli) * _UV_PER_MILLI
        return {"ph": milli_ph / 1000}
