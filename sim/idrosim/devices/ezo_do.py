"""Atlas EZO-DO: oxygen from a galvanic probe; temperature, salinity and pressure by command.

EZO-DO datasheet v5.3: R takes 600 ms, Cal 1300 ms, others 300 ms. The temperature is 20 C after
power-on; salinity and pressure stay in its EEPROM. By default only mg is on.
"""

from idrosim.devices.shared.ezo import EzoOutputs

_AIR_MG_L = 9.09  # saturated water at 20 C
_PER_C = -0.02  # of the solubility, about 20 C
_PER_US_CM = -3.5e-6


class EzoDo(EzoOutputs):
    """One circuit; `do_mg_l` returns the oxygen of the water as a calibrated probe shows it."""

    NAME, VERSION, CAL_WORD = "D.O.", "2.13", "Cal"
    OUTPUTS = ("%", "mg")
    WAITS_US = {"R": 600_000, "CAL": 1_300_000}
    DEFAULT_C = 20.0

    def __init__(self, clock, do_mg_l):
        self.water_c = None  # of the probe, None: the temperature that it was sent
        super().__init__(clock)
        self._do_mg_l = do_mg_l
        self.outputs = ["MG"]
        self.salinity_us_cm = 0.0

    def measure(self):
        """Return the enabled outputs, separated by commas."""
        # A probe sees the partial pressure; the circuit makes mg/L of it by its own settings.
        seen_c = self.temp_c if self.water_c is None else self.water_c
        mg_l = self._do_mg_l() * _solubility(self.temp_c, self.salinity_us_cm)
        mg_l /= _solubility(seen_c, 0.0)
        mg_l = min(100.0, max(0.0, mg_l * self._gain()))
        percent = 100.0 * mg_l / (_AIR_MG_L * _solubility(self.temp_c, self.salinity_us_cm))
        return self.enabled({"%": f"{percent:.1f}", "mg": f"{mg_l:.2f}"}) or "no output"

    def calibrate(self, words):
        """Calibrate zero; return "", or None for an unknown point."""
        if words != ["0"]:
            return None
        self.points["ZERO"] = (0.0, self._do_mg_l())
        return ""

    def _gain(self):
        if "AIR" not in self.points:
            return 1.0
        mg_l, seen_mg_l = self.points["AIR"]
        return mg_l / seen_mg_l if seen_mg_l > 0 else 1.0

    def _on_cal(self, words):
        if not words:
            self.points["AIR"] = (_AIR_MG_L * _solubility(self.temp_c, 0.0), self._do_mg_l())
            return ""
        return super()._on_cal(words)

    def _on_s(self, words):
        if words[0] == "?":
            return f"?S,{self.salinity_us_cm:.0f},uS"
        self.salinity_us_cm = float(words[0])
        return ""


def _solubility(temp_c, us_cm):
    """Return the solubility of oxygen relative to pure water at 20 C."""
    return (1.0 + _PER_C * (temp_c - 20.0)) * (1.0 + _PER_US_CM * us_cm)
