"""A scripted node with its probes in calibration cups, read through the firmware's drivers."""

from idro.drivers.dfr0300 import ec_us_cm
from idro.drivers.hydrostatic import level_mm
from idro.drivers.sen0161 import ph_milli
from support.paho_node import PahoNode, now_unix_ms

STEP_MS = 2_000
MIN_READINGS = 25


class Cups:
    """Puts the probes of a PahoNode into cups. No time passes between the readings."""

    def __init__(self, node: PahoNode, temp_c: float = 19.5) -> None:
        self.node = node
        self.temp_c = temp_c
        self.slope_pct, self.offset_mv, self.cell = 93.0, 14.0, 1.12
        self._ahead_ms = 0
        self.newest_unix_ms = 0

    @property
    def centi_c(self) -> int:
        return round(self.temp_c * 100)

    def ph(self, true_ph: float) -> float:
        """Return the node's reading of a true pH with its current settings."""
        kelvin = self.temp_c + 273.15
        signal_uv = 1_500_000 + 3_000 * (
            self.offset_mv + self.slope_pct / 100 * 0.1984159 * kelvin * (7.0 - true_ph))
        values = self.node.values
        return ph_milli(round(signal_uv), self.centi_c, values["ph.neutral_uv"],
                        values["ph.slope_uv_per_ph"]) / 1_000

    def ec(self, kappa_us_cm: float) -> int:
        """Return the node's EC reading for a conductivity at the temperature of the water."""
        values = self.node.values
        return ec_us_cm(round(kappa_us_cm / self.cell * 164), self.centi_c,
                        values["ec.cell_milli"], values["ec.alpha_ppm_c"])

    def level(self, depth_mm: int, zero_uv: int = 640_000, uv_per_mm: int = 2_300) -> int:
        """Return the node's reading of a depth."""
        values = self.node.values
        return level_mm(zero_uv + depth_mm * uv_per_mm, values["level.zero_uv"],
                        values["level.uv_per_mm"])

    def read(self, values=None, faults=None, count: int = MIN_READINGS) -> None:
        """Publish `count` equal readings."""
        for _ in range(count):
            self._ahead_ms += STEP_MS
            self.newest_unix_ms = now_unix_ms() + self._ahead_ms
            shown = {"reservoir.temp_c": self.temp_c} | (values or {})
            self.node.read(shown, faults, ago_ms=-self._ahead_ms)
