"""Models of probes in water and air: from true values to electrical signals.

A probe lags, has calibration errors, ages, is noisy and fails. `step` advances time; the
electrical quantity is a property that draws new noise at each access, as an ADC would see it.
Electrode: Nernst slope, isopotential pH 7, acid positive. The probe hangs in the bulk of the
tank, sees a share `inlet_ratio` of the water where doses enter, or sits in a pipe with a dead
time. Ageing and noise are engineering values and are parameters.

A fault is None or one of the class's FAULTS; other values raise ValueError.
"""

import math

from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.probes.parameters import settings
from idrosim.probes.signal_chain import NOISY_TIMES, Delay, Lagged, Signal

_NERNST_MV_K = 2.302585092994046 * 8.31446262 / 96485.332 * 1000.0
_WEEK_S = 604_800.0
_MONTH_S = 2_629_800.0
_DAY_S = 86_400.0
_AGEING_S = 60.0  # interval of ageing
_BUBBLE_RATIO = (0.3, 1.0)  # share of the cell that a bubble takes
_BUBBLE_S = (60.0, 600.0)  # its duration

FAULTS = ("unplugged", "stuck", "noisy", "shorted", "drift", "slow")


def nernst_slope_mv(temp_c):
    """Return the ideal slope of a pH electrode, mV per pH."""
    return _NERNST_MV_K * (temp_c + 273.15)


def glass_ratio(temp_c):
    """Return the lag and the noise of a pH electrode relative to 25 C.

    Glass resistance doubles per 8 C of cooling; response and noise follow its square root.
    """
    return math.exp((25.0 - temp_c) * 0.0433)


class _Immersed(Lagged):
    """Base of electrode and cell: a place in the water, and an age."""

    FAULTS = FAULTS

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self._rng = rng
        self._delay = Delay()
        self._age_s = self._due_s = 0.0

    def _is_due(self, dt_s):
        """Count `dt_s`; return True at the first step and when `_grow_old` is due."""
        self._due_s += dt_s
        return self._due_s >= _AGEING_S or self.signal.value is None

    def _months(self):
        return self.params["age_months"] + self._age_s / _MONTH_S

    def _at_probe(self, dt_s, bulk, truth, index, cup):
        """Return the value at the probe: a mix of `bulk` and item `index` of the inlet, or `cup`
        if it is above 0."""
        params = self.params
        if cup > 0.0:
            return cup
        ratio = params["inlet_ratio"]
        if ratio > 0.0:
            bulk += ratio * (truth["inlet"]()[index] - bulk)
        if params["dead_time_s"] > 0.0:
            return self._delay.push(dt_s, bulk, params["dead_time_s"])
        return bulk

    def _floats(self):
        return [self._age_s, self._due_s]

    def _take_floats(self, floats):
        self._age_s, self._due_s = floats

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), pack_floats(self._floats()), pack_floats(self._delay.state())]

    def restore(self, state):
        """Restore what `state` returned."""
        self.signal.restore(state[0])
        self._take_floats(unpack_floats(state[1]))
        self._delay.restore(unpack_floats(state[2]))


class PhProbe(_Immersed):
    """A glass electrode. The lag is in pH; slope, offset and ageing are in `electrode_mv`.

    Unplugged, the input floats at the rail; shorted, it is 0 mV: a constant pH 7.
    """

    KIND = "ph"

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self._walk_mv = self._held_mv = self._loop_mv = 0.0
        self._temp_c = 25.0  # of the glass
        self._slower = 1.0
        self._aged_s = 0.0  # added to the time constant by age

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
        water_c = truth["reservoir.temp_c"]
        if self._is_due(dt_s):
            self._grow_old(water_c)
        self._temp_c = water_c + (self._temp_c - water_c) * math.exp(-dt_s / params["glass_tau_s"])
        ph = self._at_probe(dt_s, truth["reservoir.ph"], truth, 0, params["in_buffer_ph"])
        self.signal.follow(dt_s, ph, (params["tau_s"] + self._aged_s) * self._slower, 0.0)
        self._loop_mv = 0.0
        if params["ground_loop_mv"]:
            self._loop_mv = params["ground_loop_mv"] * truth["mains"]
        if params["ec_coupling_mv_per_ms_cm"]:
            self._loop_mv += (1e-3 * params["ec_coupling_mv_per_ms_cm"]
                              * truth["reservoir.kappa_us_cm"])
        if self.fault == "drift":
            self._walk_mv += params["drift_mv_per_h"] * dt_s / 3600.0

    def _grow_old(self, water_c):
        params = self.params
        if self.signal.value is None:
            self._temp_c = water_c
        self._age_s += self._due_s
        self._walk_mv += self._rng.gauss(
            params["offset_walk_mv"] * math.sqrt(self._due_s / _WEEK_S))
        self._due_s = 0.0
        self._slower = glass_ratio(self._temp_c)
        self._aged_s = params["tau_growth_s_per_month"] * self._months()

    def _ideal_mv(self, ph):
        params = self.params
        slope = params["slope_ratio"] - params["slope_loss_per_month"] * self._months()
        offset = params["offset_mv"] + self._walk_mv + self._loop_mv
        return offset + slope * nernst_slope_mv(self._temp_c) * (7.0 - ph)

    @property
    def electrode_mv(self):
        """The electrode voltage against its reference, mV."""
        params = self.params
        noise = self._rng.gauss(params["noise_mv"] * self._slower)
        if params["hum_mv"] > 0.0:  # mains, sampled at a random phase
            noise += params["hum_mv"] * math.sin(self._rng.uniform(0.0, 2.0 * math.pi))
        fault = self.signal.fault
        if fault is not None:
            if fault == "unplugged":
                return params["floating_mv"] + 20.0 * noise
            if fault == "shorted":
                return 0.0
            if fault == "stuck":
                return self._held_mv
            if fault == "noisy":
                noise *= NOISY_TIMES
        ph = self.signal.value
        if ph is None:
            raise ValueError("step the probe before reading it")
        return self._ideal_mv(ph) + noise

    def _floats(self):
        return [self._age_s, self._due_s, self._walk_mv, self._temp_c, self._held_mv,
                self._loop_mv, self._slower, self._aged_s]

    def _take_floats(self, floats):
        (self._age_s, self._due_s, self._walk_mv, self._temp_c, self._held_mv,
         self._loop_mv, self._slower, self._aged_s) = floats


class EcProbe(_Immersed):
    """A conductivity cell: K changes by fouling, polarises above 5 mS/cm, reads 0 unplugged.

    Bubbles settle on it and leave; without isolation from the electrode's reference it reads high
    while mains equipment runs.
    """

    KIND = "ec"

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self._bubble_s = self._bubble_ratio = 0.0

    def step(self, dt_s, truth):
        """Advance by `dt_s` in water of `truth`."""
        params = self.params
        if self._is_due(dt_s):
            self._grow_old()
        kappa = self._at_probe(dt_s, truth["reservoir.kappa_us_cm"], truth, 1,
                               params["in_standard_us_cm"])
        seen = kappa / (params["cell_ratio"] + params["fouling_per_month"] * self._months())
        if kappa > 5_000.0:
            seen *= 1.0 - 1e-3 * params["polarisation_per_ms_cm"] * (kappa - 5_000.0)
        bubble = max(self._bubble_ratio, params["bubble_ratio"])
        if bubble > 0.0:
            seen *= 1.0 - bubble
        if params["ground_loop_ratio"]:
            seen *= 1.0 + params["ground_loop_ratio"] * truth["mains"]
        self.signal.follow(dt_s, seen, params["tau_s"], params["drift_per_h"] * kappa)

    def _grow_old(self):
        self._age_s += self._due_s
        per_day = self.params["bubbles_per_day"]
        if self._bubble_s > 0.0:
            self._bubble_s -= self._due_s
            if self._bubble_s <= 0.0:
                self._bubble_s = self._bubble_ratio = 0.0
        elif per_day > 0.0 and self._rng.uniform(0.0, 1.0) < per_day * self._due_s / _DAY_S:
            self._bubble_ratio = self._rng.uniform(*_BUBBLE_RATIO)
            self._bubble_s = self._rng.uniform(*_BUBBLE_S)
        self._due_s = 0.0

    @property
    def kappa_us_cm(self):
        """The conductivity for a K of 1, uS/cm at the temperature of the water."""
        if self.fault == "unplugged":
            return 0.0
        if self.fault == "shorted":
            return self.params["shorted_us_cm"]
        return max(self.signal.look(self.params["noise_ratio"] * (self.signal.value or 0.0)), 0.0)

    def _floats(self):
        return [self._age_s, self._due_s, self._bubble_s, self._bubble_ratio]

    def _take_floats(self, floats):
        self._age_s, self._due_s, self._bubble_s, self._bubble_ratio = floats


class TempProbe(Lagged):
    """A digital thermometer in the water; the device models the fault "unplugged"."""

    KIND = "temp"
    FOLLOWS = ("reservoir.temp_c", "offset_c", "drift_c_per_h")

    @property
    def temp_c(self):
        """The temperature of the tip, C."""
        return self.signal.look(self.params["noise_c"])


class LevelProbe(Lagged):
    """A hydrostatic 4-20 mA transmitter. Broken wire: 0 mA; short: more than 20 mA."""

    KIND = "level"
    FAULTS = FAULTS

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a tank of `truth`."""
        params = self.params
        depth_mm = params["at_depth_mm"]
        if depth_mm < 0.0:
            depth_mm = truth["reservoir.level_mm"]
        self.signal.follow(dt_s, depth_mm + params["offset_mm"],
                           params["tau_s"], params["drift_mm_per_h"])

    @property
    def level_mm(self):
        """The level that the current represents, mm; below 0 when it is less than 4 mA."""
        if self.fault == "unplugged":
            return self.params["unplugged_mm"]
        if self.fault == "shorted":
            return self.params["shorted_mm"]
        return self.signal.look(self.params["noise_mm"])


class AirProbe:
    """Temperature and humidity of the air at a digital sensor under a filter cap."""

    FAULTS = ("stuck", "noisy", "drift", "slow")

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
        """Restore what `state` returned."""
        self._temp.restore(state[0])
        self._rh.restore(state[1])
