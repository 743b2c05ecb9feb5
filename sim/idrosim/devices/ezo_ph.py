"""Atlas EZO-pH: pH from calibrated points; the temperature of the glass is set by command.

EZO-pH datasheet: R and Cal take 900 ms, others 300 ms; Cal,mid clears low and high.
"""

from idrosim.devices.shared.ezo import EzoCircuit

_NERNST_MV_K = 2.302585092994046 * 8.31446262 / 96485.332 * 1000.0


class EzoPh(EzoCircuit):
    """One circuit; `electrode_mv` returns the electrode voltage, acid positive."""

    NAME, VERSION, CAL_WORD = "pH", "2.15", "Cal"
    WAITS_US = {"R": 900_000, "CAL": 900_000}

    def __init__(self, clock, electrode_mv):
        super().__init__(clock)
        self._electrode_mv = electrode_mv

    def measure(self):
        """Return the pH with three decimals."""
        mid_ph, mid_mv = self.points.get("MID", (7.0, 0.0))
        above_mv = self._electrode_mv() - mid_mv
        ratio = self._ratio("LOW") if above_mv > 0 else self._ratio("HIGH")
        ph = mid_ph - above_mv / (ratio * self._ideal_mv())
        return f"{min(14.0, max(0.0, ph)):.3f}"

    def calibrate(self, words):
        """Calibrate a point; return "", or None for an unknown point."""
        if words[0] not in ("MID", "LOW", "HIGH") or len(words) != 2:
            return None
        if words[0] == "MID":
            self.points = {}
        self.points[words[0]] = (float(words[1]), self._electrode_mv())
        return ""

    def _ideal_mv(self):
        return _NERNST_MV_K * (self.temp_c + 273.15)

    def _ratio(self, name):
        """Return the slope on one side of the midpoint, relative to the ideal slope."""
        if name not in self.points or "MID" not in self.points:
            return 1.0
        ph, mv = self.points[name]
        mid_ph, mid_mv = self.points["MID"]
        return (mv - mid_mv) / ((mid_ph - ph) * self._ideal_mv())

    def _on_slope(self, words):
        if words != ["?"]:
            return None
        offset_mv = self.points.get("MID", (7.0, 0.0))[1]
        low_pct, high_pct = 100 * self._ratio("LOW"), 100 * self._ratio("HIGH")
        return f"?Slope,{low_pct:.1f},{high_pct:.1f},{offset_mv:.2f}"
