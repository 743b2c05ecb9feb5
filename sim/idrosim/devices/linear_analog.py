"""An analog board or transmitter: the voltage at the converter's input, by the line of its board.

The board file gives two points of the line. A pH board is linear in the voltage of the electrode,
59.16 mV per pH; a conductivity board in the conductivity at the temperature of the water. One that
compensates itself is linear in pH, and in EC at 25 C.
"""

from idrosim.devices.shared.probe_signals import signal_of
from idrosim.probes import water_probes

FAULTS = ("unplugged", "shorted")

CLAMP_V = 3.6  # the diode at the input, one drop above 3.3 V
_NERNST_25_MV = 59.1593
_EC_PER_C = 0.02


def wire(wiring, spec):
    """Connect the board to its input; return it and its probe."""
    key = spec["measures"][0]
    kind, build, name = signal_of(key, spec["source"])
    probe = wiring.probe(spec, kind, build)
    read = wiring.reader(probe, name)
    temp_c = None
    if spec["self_compensated"]:
        own = wiring.probe(spec, "temp", water_probes.TempProbe, measure="own_temp")
        temp_c = wiring.reader(own, "temp_c")
    board = LinearAnalog(spec, lambda: shown(key, read(), temp_c))
    wiring.on_adc(spec, board.volts)
    return board, probe


def shown(key, signal, temp_c=None):
    """Return what the output stands for, from the signal of the probe; `temp_c` returns the
    temperature by which the board compensates, None if it does not."""
    if key == "ph":
        slope_mv = water_probes.nernst_slope_mv(temp_c()) if temp_c else _NERNST_25_MV
        return 7.0 - signal / slope_mv
    if key == "ec_us_cm" and temp_c:
        return signal / (1.0 + _EC_PER_C * (temp_c() - 25.0))
    return signal


class LinearAnalog:
    """One board; `value` returns what it measures."""

    def __init__(self, spec, value):
        self._from_mv = spec["point1_mv"]
        self._from_value = spec["point1_value"]
        self._mv_per_unit = (spec["point2_mv"] - self._from_mv) / (
            spec["point2_value"] - self._from_value)
        self._value = value
        self.fault = None

    def volts(self):
        """Return the voltage at the input, V.

        fault "unplugged": the cable is cut, 1 Mohm pulls to ground. "shorted": the supply of the
        board, clamped.
        """
        if self.fault == "unplugged":
            return 0.0
        if self.fault == "shorted":
            return CLAMP_V
        millivolts = self._from_mv + self._mv_per_unit * (self._value() - self._from_value)
        return min(CLAMP_V, max(0.0, millivolts / 1000))
