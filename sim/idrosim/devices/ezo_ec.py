"""Atlas EZO-EC: conductivity at 25 C from calibrated points; temperature is set by command.

EZO-EC datasheet v6.2: R, Cal and K,n take 600 ms, others 300 ms. Cal,dry is first; Cal,low has no
effect until Cal,high. Since firmware 2.10 only the output EC is on by default.
"""

from idrosim.devices.shared.ezo import EzoOutputs

_PER_C = 0.019


class EzoEc(EzoOutputs):
    """One circuit; `kappa_us_cm` returns the uncompensated conductivity at a K of 1."""

    NAME, VERSION, CAL_WORD = "EC", "2.16", "CAL"
    OUTPUTS = ("EC", "TDS", "S", "SG")
    WAITS_US = {"R": 600_000, "CAL": 600_000, "K": 600_000}

    def __init__(self, clock, kappa_us_cm):
        super().__init__(clock)
        self._kappa_us_cm = kappa_us_cm
        self.outputs = ["EC"]
        self.cell_k = 1.0

    def measure(self):
        """Return the enabled outputs, separated by commas."""
        ec_us_cm = self._compensated() * self.cell_k * self._gain()
        return self.enabled({
            "EC": _digits(ec_us_cm), "TDS": f"{0.54 * ec_us_cm:.0f}",
            "S": f"{ec_us_cm / 2_000:.2f}", "SG": f"{1 + ec_us_cm * 5e-7:.3f}"})

    def calibrate(self, words):
        """Calibrate a point; return "", or None for an unknown point."""
        if words == ["DRY"]:
            self.points["DRY"] = (0.0, 0.0)
            return ""
        name = "ONE" if len(words) == 1 else words[0]
        if name not in ("ONE", "LOW", "HIGH"):
            return None
        self.points[name] = (float(words[-1]), self._compensated())
        return ""

    def point_count(self):
        """Return 2 for low and high, 1 for a single point or dry only."""
        if "LOW" in self.points and "HIGH" in self.points:
            return 2
        return 1 if self.points else 0

    def _gain(self):
        name = "ONE" if "ONE" in self.points else "HIGH"
        if name not in self.points or self.points[name][1] <= 0:
            return 1.0
        ec_us_cm, measured_us_cm = self.points[name]
        return ec_us_cm / measured_us_cm

    def _compensated(self):
        return max(0.0, self._kappa_us_cm()) / (1 + _PER_C * (self.temp_c - 25.0))

    def _on_k(self, words):
        if words[0] == "?":
            return f"?K,{self.cell_k:.1f}"
        self.cell_k = float(words[0])
        return ""


def _digits(ec_us_cm):
    """Return a conductivity with the resolution of the circuit in its range."""
    if ec_us_cm < 100:
        return f"{ec_us_cm:.2f}"
    if ec_us_cm < 1_000:
        return f"{ec_us_cm:.1f}"
    step = 1 if ec_us_cm < 10_000 else 10 if ec_us_cm < 100_000 else 100
    return str(int(min(ec_us_cm, 500_000) / step + 0.5) * step)
