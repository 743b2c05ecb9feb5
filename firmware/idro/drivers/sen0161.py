"""SEN0161-V2: pH electrode on DFRobot's analog board, read by an ADS1115.

The board outputs 1500 mV + 3 times the electrode voltage, 0 to 3 V. The electrode's slope is
proportional to the absolute temperature (Nernst) around pH 7, so the calibrated slope at 25 C is
scaled by the water temperature. A signal near an end of the range means an open cable, a lost
supply or a short; a dead electrode gives a signal that never moves.
"""

from idro.drivers.shared.analog import AnalogSensor, centi_celsius, divide_rounded
from idro.errors import SensorError

PART = "sen0161"

# pH 0 to 14 of a new electrode at 25 C is 257 to 2743 mV.
_LOW_UV = 150_000
_HIGH_UV = 2_900_000
_ZERO_CENTI_K = 27_315
_CALIBRATION_CENTI_K = 29_815


def build(spec, bus, clock, settings):
    """Return the Sen0161 of a board's sensor entry; `bus` is its Ads1115."""
    return Sen0161(PART, spec, bus, settings, _LOW_UV, _HIGH_UV)


class Sen0161(AnalogSensor):
    """A pH probe."""

    async def read(self, context):
        """Return {"ph": pH}, water temperature from `context`. Raises SensorError."""
        signal_uv = await self.read_uv()
        centi_c = centi_celsius(PART, context, self._temp_channel)
        milli_ph = ph_milli(
            signal_uv, centi_c, self._settings["ph.neutral_uv"],
            self._settings["ph.slope_uv_per_ph"])
        return {"ph": milli_ph / 1000}


def ph_milli(signal_uv, centi_c, neutral_uv, slope_uv_per_ph):
    """Return the pH in 1/1000. Raises SensorError if the slope is invalid or pH not in 0..14."""
    if slope_uv_per_ph >= 0:
        raise SensorError(PART, "uncalibrated", f"slope {slope_uv_per_ph} uV/pH")
    scaled_slope = slope_uv_per_ph * (centi_c + _ZERO_CENTI_K)
    milli_ph = 7000 + divide_rounded(
        (signal_uv - neutral_uv) * 1000 * _CALIBRATION_CENTI_K, scaled_slope)
    if not 0 <= milli_ph <= 14_000:
        raise SensorError(PART, "out_of_range", f"pH {milli_ph}/1000 from {signal_uv} uV")
    return milli_ph
