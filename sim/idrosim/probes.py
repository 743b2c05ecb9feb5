"""Probes in the water and the air: from what is true to what their wires carry.

A probe lags, is off by its calibration, ages, is noisy and fails. `step` moves it through time;
the electrical quantity is a property that draws fresh noise at each look, as a converter would
see it. Electrode: Nernst slope, isopotential pH 7, acid positive. The figures of ageing and noise
are engineering values from reference/simulation.md 1.5 and are parameters.

A fault is None or one of the class's FAULTS; anything else is a ValueError.
"""

import math

from idrosim.exact import pack_floats, unpack_floats
from idrosim.probe_parameters import settings
from idrosim.signals import NOISY_TIMES, Lagged, Signal

_NERNST_MV_K = 2.302585092994046 * 8.31446262 / 96485.332 * 1000.0
_WEEK_S = 604_800.0
_MONTH_S = 2_629_800.0

FAULTS = ("unplugged", "stuck", "noisy", "shorted", "drift")


def nernst_slope_mv(temp_c):
    """Return the ideal slope of a pH electrode, mV per pH."""
    return _NERNST_MV_K * (temp_c + 273.15)


class PhProbe:
    """A glass electrode. Its lag is in pH; slope, offset and ageing are in `electrode_mv`.

    Unplugged, the input floats at the rail; shorted, it sees 0 mV: a flat pH 7.
    """

    FAULTS = FAULTS

    def __init__(self, params, rng):
        self.params = settings("ph", params)
        self.signal = Signal(self.FAULTS, rng)
        self._rng = rng
        self._age_s = self._walk_mv = self._held_mv = 0.0
        self._temp_c = 25.0

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self.signal.fault

    @fault.setter
    def fault(self, name):
        if name != self.signal.fault:
            self.signal.fault = name
            self._held_mv = 0.0 if self.signal.value is None else self._ideal_mv(self.signal.value)

    def step(self, dt_s, truth):
        """Advance by `dt_s` in water of `truth`."""
        params = self.params
        self._temp_c = truth["reservoir.temp_c"]
        # Glass resistance doubles every 8 C of cooling; the response slows with its root.
        slower = math.exp((25.0 - self._temp_c) * 0.0433)
        self.signal.follow(dt_s, truth["reservoir.ph"], params["tau_s"] * slower, 0.0)
        self._age_s += dt_s
        self._walk_mv += self._rng.gauss(params["offset_walk_mv"] * math.sqrt(dt_s / _WEEK_S))
        if self.fault == "drift":
            self._walk_mv += params["drift_mv_per_h"] * dt_s / 3600.0

    def _ideal_mv(self, ph):
        params = self.params
        slope = params["slope_ratio"] - params["slope_loss_per_month"] * self._age_s / _MONTH_S
        offset = params["offset_mv"] + self._walk_mv + params["ground_loop_mv"]
        return offset + slope * nernst_slope_mv(self._temp_c) * (7.0 - ph)

    @property
    def electrode_mv(self):
        """The electrode's voltage against its reference, mV."""
        noise = self._rng.gauss(self.params["noise_mv"])
        if self.fault == "unplugged":
            return self.params["floating_mv"] + 20.0 * noise
        if self.fault == "shorted":
            return 0.0
        if self.fault == "stuck":
            return self._held_mv
        if self.fault == "noisy":
            noise *= NOISY_TIMES
        if self.signal.value is None:
            raise ValueError("a probe needs a step before it can be read")
        return self._ideal_mv(self.signal.value) + noise

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(),
                pack_floats([self._age_s, self._walk_mv, self._temp_c, self._held_mv])]

    def restore(self, state):
        """Take back what `state` returned."""
        self.signal.restore(state[0])
        self._age_s, self._walk_mv, self._temp_c, self._held_mv = unpack_floats(state[1])


class EcProbe:
    """A conductivity cell: K off by fouling, polarised above 5 mS, empty when unplugged."""

    FAULTS = FAULTS

    def __init__(self, params, rng):
        self.params = settings("ec", params)
        self.signal = Signal(self.FAULTS, rng)
        self._age_s = 0.0

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self.signal.fault

    @fault.setter
    def fault(self, name):
        self.signal.fault = name

    def step(self, dt_s, truth):
        """Advance by `dt_s` in water of `truth`."""
        params = self.params
        self._age_s += dt_s
        kappa = truth["reservoir.kappa_us_cm"]
        ratio = params["cell_ratio"] + params["fouling_per_month"] * self._age_s / _MONTH_S
        seen = kappa / ratio * (1.0 - 1e-5 * max(kappa - 5_000.0, 0.0))
        self.signal.follow(dt_s, seen, params["tau_s"], params["drift_per_h"] * kappa)

    @property
    def kappa_us_cm(self):
        """The conductivity the cell reports at a K of 1, uS/cm at the water's temperature."""
        if self.fault == "unplugged":
            return 0.0
        if self.fault == "shorted":
            return self.params["shorted_us_cm"]
        return max(self.signal.look(self.params["noise_ratio"] * (self.signal.value or 0.0)), 0.0)

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), pack_floats([self._age_s])]

    def restore(self, state):
        """Take back what `state` returned."""
        self.signal.restore(state[0])
        self._age_s = unpack_floats(state[1])[0]


class TempProbe(Lagged):
    """A thermometer in the water. Its wire is digital: unplugged is the device's to show."""

    def __init__(self, params, rng):
        super().__init__(settings("temp", params), rng)

    def step(self, dt_s, truth):
        """Advance by `dt_s` in water of `truth`."""
        params = self.params
        self.signal.follow(dt_s, truth["reservoir.temp_c"] + params["offset_c"],
                           params["tau_s"], params["drift_c_per_h"])

    @property
    def temp_c(self):
        """The temperature of its tip, C."""
        return self.signal.look(self.params["noise_c"])


class LevelProbe(Lagged):
    """A hydrostatic transmitter of 4-20 mA. Broken wire 0 mA, short more than 20 mA."""

    FAULTS = FAULTS

    def __init__(self, params, rng):
        super().__init__(settings("level", params), rng)

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a tank of `truth`."""
        params = self.params
        self.signal.follow(dt_s, truth["reservoir.level_mm"] + params["offset_mm"],
                           params["tau_s"], params["drift_mm_per_h"])

    @property
    def level_mm(self):
        """The level its current stands for, mm; below 0 when the loop carries less than 4 mA."""
        if self.fault == "unplugged":
            return self.params["unplugged_mm"]
        if self.fault == "shorted":
            return self.params["shorted_mm"]
        return self.signal.look(self.params["noise_mm"])


class AirProbe:
    """Temperature and humidity of the air at a digital sensor under a filter cap."""

    FAULTS = ("stuck", "noisy", "drift")

    def __init__(self, params, rng):
        self.params = settings("air", params)
        self._temp = Signal(self.FAULTS, rng)
        self._rh = Signal(self.FAULTS, rng)

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self._temp.fault

    @fault.setter
    def fault(self, name):
        self._temp.fault = name
        self._rh.fault = name

    def step(self, dt_s, truth):
        """Advance by `dt_s` in air of `truth`."""
        params = self.params
        self._temp.follow(dt_s, truth["air.temp_c"] + params["offset_c"],
                          params["tau_s"], params["drift_c_per_h"])
        self._rh.follow(dt_s, truth["air.rh_pct"] + params["offset_rh_pct"],
                        params["tau_s"], params["drift_rh_pct_per_h"])

    @property
    def temp_c(self):
        """The temperature of the sensor, C."""
        return self._temp.look(self.params["noise_c"])

    @property
    def rh_pct(self):
        """The relative humidity at the sensor, 0..100."""
        return min(max(self._rh.look(self.params["noise_rh_pct"]), 0.0), 100.0)

    def state(self):
        """Return a JSON-able state."""
        return [self._temp.state(), self._rh.state()]

    def restore(self, state):
        """Take back what `state` returned."""
        self._temp.restore(state[0])
        self._rh.restore(state[1])
