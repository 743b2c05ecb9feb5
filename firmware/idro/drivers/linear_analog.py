"""Any board or transmitter that gives a voltage, linear in what it measures, read by a converter.

The board file gives the quantity, two points of the line in mV at the converter's input, and the
electrical range: a signal outside it is a fault. pH, EC and level go through the line to the
signal that a sen0161, dfr0300 or hydrostatic would give, and from there on by the arithmetic, the
settings and the limits of that part: calibration and plausibility cannot tell them apart.
"""

from idro.drivers.shared.analog import AnalogSensor, centi_celsius, divide_rounded
from idro.errors import SensorError

PART = "linear_analog"

# (signal in uV at 0, uV per unit) of the part whose arithmetic applies; other quantities: milli.
_SCALES = {"ph": (2_742_360, -177_480), "ec_us_cm": (0, 164), "level_mm": (600_000, 2_400)}
_MILLI = (0, 1000)
_PH_7_UV = 1_500_000
_SAME_UV = 250  # two steps of the converter of a 4-20 mA loop
_IN_AIR_UV = 500  # of a dfr0300
_ZERO_CENTI_K = 27_315
_CALIBRATION_CENTI_K = 29_815
_NOISE_UV = 2_000  # below 0 V
_CROP_RATIO = 20  # a twentieth of the line beyond 0 or 100 % is tolerance
_MAX_PCT_MILLI = 100_000


def build(spec, bus, clock, settings):
    """Return the sensor of a board's entry; `bus` is its converter."""
    kind = {"ph": Ph, "ec_us_cm": Ec, "level_mm": Level}.get(spec["measures"][0], LinearAnalog)
    return kind(spec, bus, settings)


class LinearAnalog(AnalogSensor):
    """A signal. spread_uv and signal_uv are on the scale of the part that it stands for, None if
    the burst failed."""

    def __init__(self, spec, adc, settings):
        low_uv, high_uv = 1000 * spec["low_mv"], 1000 * spec["high_mv"]
        super().__init__(PART, spec, adc, settings, low_uv or -_NOISE_UV, high_uv)
        self._key = spec["measures"][0]
        self._is_compensated = spec["self_compensated"]
        base_uv, uv_per_unit = _SCALES.get(self._key, _MILLI)
        # The line: signal = base + per_unit * (first + (uv - from) * rise / run)
        self._from_uv = 1000 * spec["point1_mv"]
        self._run_uv = 1000 * spec["point2_mv"] - self._from_uv
        self._rise = uv_per_unit * (spec["point2_value"] - spec["point1_value"])
        self._first = base_uv + uv_per_unit * spec["point1_value"]

    async def read(self, context):
        """Return {quantity: value}. Raises SensorError."""
        from_uv = await self.read_uv() - self._from_uv
        self.spread_uv = divide_rounded(self.spread_uv * abs(self._rise), abs(self._run_uv))
        signal = self._first + divide_rounded(from_uv * self._rise, self._run_uv)
        self.signal_uv = signal
        return {self._key: self._value(signal, context)}

    def _value(self, signal, context):
        crop = abs(self._rise) // _CROP_RATIO
        if self._key == "temp_c":
            return signal / 1000
        if signal < 0:
            if signal < -crop:
                raise SensorError(PART, "out_of_range", f"{self._key} {signal}/1000")
            return 0
        if self._key.endswith("_pct") and _MAX_PCT_MILLI < signal <= _MAX_PCT_MILLI + crop:
            return 100
        return signal / 1000

    def _centi_c(self, context):
        return centi_celsius(PART, context, self._temp_channel)


class Ph(LinearAnalog):
    """A pH electrode, as a sen0161; but its points are what somebody wrote or turned, perhaps
    swapped: only a calibration finds out."""

    needs_calibration = True
    _shown_uv = _electrode_uv = None  # of a compensated board: shown last, and what it meant

    def _value(self, signal, context):
        from idro.drivers.sen0161 import ph_milli

        is_same = False
        if self._is_compensated:
            # The same signal as before is of the same electrode, whatever the thermometer says.
            shown_uv = self._shown_uv
            is_same = shown_uv is not None and abs(signal - shown_uv) < _SAME_UV
            self.signal_uv = self._electrode_uv if is_same else None
        centi_c = self._centi_c(context)
        if self._is_compensated:
            shown_uv = signal
            signal = _PH_7_UV + divide_rounded(
                (signal - _PH_7_UV) * (centi_c + _ZERO_CENTI_K), _CALIBRATION_CENTI_K)
            if not is_same:
                self._shown_uv, self._electrode_uv = shown_uv, signal
                self.signal_uv = signal
        settings = self._settings
        return ph_milli(
            signal, centi_c, settings["ph.neutral_uv"], settings["ph.slope_uv_per_ph"]) / 1000


class Ec(LinearAnalog):
    """A conductivity cell, as a dfr0300."""

    def _value(self, signal, context):
        from idro.drivers.dfr0300 import ec_us_cm

        if signal < _IN_AIR_UV:
            raise SensorError(PART, "in_air", f"{signal} uV")
        centi_c = self._centi_c(context)
        alpha_ppm_c = self._settings["ec.alpha_ppm_c"]
        if self._is_compensated:
            signal += divide_rounded(signal * alpha_ppm_c * (centi_c - 2500), 100_000_000)
        return ec_us_cm(signal, centi_c, self._settings["ec.cell_milli"], alpha_ppm_c)


class Level(LinearAnalog):
    """A level transmitter, as a hydrostatic."""

    def _value(self, signal, context):
        from idro.drivers.hydrostatic import level_mm

        return level_mm(
            signal, self._settings["level.zero_uv"], self._settings["level.uv_per_mm"])
