"""Atlas EZO-RTD: temperature from a PT-100 or PT-1000, in C, K or F.

EZO-RTD datasheet v3.6: R and Cal take 600 ms, others 300 ms. The scale stays in its EEPROM. It has
no command T: nothing compensates it.
"""

from idrosim.devices.shared.ezo import EzoCircuit

OPEN_C = -1_023.0  # without a probe


class EzoRtd(EzoCircuit):
    """One circuit; `temp_c` returns the temperature of the probe in C, None without a probe."""

    NAME, VERSION, CAL_WORD = "RTD", "2.10", "Cal"
    WAITS_US = {"R": 600_000, "CAL": 600_000}
    _on_t = None

    def __init__(self, clock, temp_c):
        super().__init__(clock)
        self._probe_c = temp_c
        self.scale = "c"

    def measure(self):
        """Return the temperature in the scale, with three decimals."""
        probe_c = self._probe_c()
        if probe_c is None:
            return f"{OPEN_C:.3f}"
        true_c, seen_c = self.points.get("T", (0.0, 0.0))
        found_c = probe_c + true_c - seen_c
        shown = {"c": found_c, "k": found_c + 273.15, "f": found_c * 1.8 + 32}[self.scale]
        return f"{shown:.3f}"

    def calibrate(self, words):
        """Calibrate the one point."""
        self.points = {"T": (float(words[0]), self._probe_c())}
        return ""

    def _on_s(self, words):
        if words[0] == "?":
            return f"?S,{self.scale}"
        if words[0] not in ("C", "K", "F"):
            return None
        self.scale = words[0].lower()
        return ""
