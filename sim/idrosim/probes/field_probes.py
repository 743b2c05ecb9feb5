"""Models of probes outside the water: range finders, floats, flow meters, gas and light sensors.

As in water_probes.py, `step` advances time and a property is the signal that a device reads. A
fault is None or one of the class's FAULTS; other values raise ValueError.
"""

from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.probes.signal_chain import NOISY_TIMES, Lagged


class GasProbe(Lagged):
    """CO2 at an optical sensor behind its membrane."""

    KIND = "co2"
    FOLLOWS = ("air.co2_ppm", "offset_ppm", "drift_ppm_per_h")

    @property
    def co2_ppm(self):
        """The measured carbon dioxide, ppm."""
        return max(0.0, self.signal.look(self.params["noise_ppm"]))


class LightProbe(Lagged):
    """Illuminance at the crop: lamps and sun have about the same lux per photon."""

    KIND = "light"

    def step(self, dt_s, truth):
        """Advance by `dt_s` in the light of `truth`."""
        params = self.params
        lux = truth["light.ppfd_umol_m2_s"] * params["lx_per_umol_m2_s"] * params["clear_ratio"]
        self.signal.follow(dt_s, lux, params["tau_s"], params["drift_per_h"] * lux)

    @property
    def illuminance_lx(self):
        """The measured illuminance, lx."""
        return max(0.0, self.signal.look(self.params["noise_lx"]))


class QuantumProbe(Lagged):
    """Photosynthetic photon flux density at the crop."""

    KIND = "par"

    def step(self, dt_s, truth):
        """Advance by `dt_s` in the light of `truth`."""
        params, ppfd = self.params, truth["light.ppfd_umol_m2_s"]
        self.signal.follow(dt_s, ppfd, params["tau_s"], params["drift_per_h"] * ppfd)

    @property
    def ppfd_umol_m2_s(self):
        """The measured flux density, umol/m2/s."""
        return max(0.0, self.signal.look(self.params["noise_umol_m2_s"]))


class OxygenProbe(Lagged):
    """Dissolved oxygen behind the membrane of a galvanic probe."""

    KIND = "do"
    FOLLOWS = ("reservoir.do_mg_l", "offset_mg_l", "drift_mg_l_per_h")

    @property
    def do_mg_l(self):
        """The measured oxygen, mg/L."""
        return max(0.0, self.signal.look(self.params["noise_mg_l"]))


class MoistureProbe(Lagged):
    """Water content of the substrate that roots hang in; in a tank without a bed it is wet."""

    KIND = "moisture"

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a bed of `truth`."""
        params = self.params
        aim = truth.get("roots.moisture_pct", 100.0) + params["offset_pct"]
        self.signal.follow(dt_s, aim, params["tau_s"], params["drift_pct_per_h"])

    @property
    def moisture_pct(self):
        """The measured water content, 0 to 100."""
        return min(100.0, max(0.0, self.signal.look(self.params["noise_pct"])))


class RangeProbe(Lagged):
    """The water surface below a range finder, with waves, and the air between them."""

    KIND = "range"
    FOLLOWS = ("reservoir.level_mm", "offset_mm", "drift_mm_per_h")

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self.air_c = 20.0

    def step(self, dt_s, truth):
        """Advance by `dt_s` over a tank of `truth`."""
        super().step(dt_s, truth)
        self.air_c = truth["air.temp_c"]

    @property
    def level_mm(self):
        """The level where the sound meets the water, mm."""
        return self.signal.look(self.params["noise_mm"])

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), pack_floats([self.air_c])]

    def restore(self, state):
        """Restore what `state` returned."""
        self.signal.restore(state[0])
        self.air_c = unpack_floats(state[1])[0]


class FloatProbe(Lagged):
    """A float switch: up when the water is above `lift_mm`.

    With drift it soaks up water and lifts later. On the floor, a puddle of 2 litres lifts it.
    """

    KIND = "float"
    FAULTS = ("drift", "slow")
    PUDDLE_ML = 2_000.0

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self.is_up = False
        self.is_on_floor = False

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a tank of `truth`."""
        params, signal = self.params, self.signal
        if self.is_on_floor:
            self.is_up = truth["spilled_ml"] > self.PUDDLE_ML
            return
        gap_mm = params["gap_mm"] if self.is_up else 0.0
        signal.follow(dt_s, truth["reservoir.level_mm"], params["tau_s"], params["drift_mm_per_h"])
        self.is_up = signal.value + signal.drifted > params["lift_mm"] - gap_mm

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), self.is_up]

    def restore(self, state):
        """Restore what `state` returned."""
        self.signal.restore(state[0])
        self.is_up = state[1]


class FlowProbe(Lagged):
    """A flow meter in a pipe. `line` is the key of the total that flows through the pipe.

    The signal is the total the wheel has turned, ml. With fault "noisy" it turns unevenly.
    """

    KIND = "flow"
    FAULTS = ("noisy", "drift", "slow")

    def __init__(self, params, rng):
        super().__init__(params, rng)
        self._rng = rng
        self.turn = None  # callback, receives the ml of a step
        self.line = "topoff_ml"
        self._seen_ml = self._turned_ml = None

    def step(self, dt_s, truth):
        """Advance by `dt_s` of the pipe of `truth`."""
        params, signal = self.params, self.signal
        total_ml = truth[self.line]
        if self._seen_ml is None:
            self._seen_ml, self._turned_ml = total_ml, 0.0
            signal.follow(0.0, 0.0, 1.0, 0.0)
        flowed_ml = total_ml - self._seen_ml
        self._seen_ml = total_ml
        if flowed_ml > 0.0:
            noise = params["noise_ratio"] * (NOISY_TIMES if self.fault == "noisy" else 1.0)
            part = params["slip_ratio"] + signal.drifted + self._rng.gauss(noise)
            self._turned_ml += flowed_ml * max(part, 0.0)
        before_ml = signal.value
        if self.fault is None:
            signal.value = self._turned_ml
        else:
            signal.follow(dt_s, self._turned_ml, params["tau_s"], params["drift_per_h"])
        if signal.value > before_ml and self.turn is not None:
            self.turn(signal.value - before_ml)

    def state(self):
        """Return a JSON-able state."""
        if self._seen_ml is None:
            return None
        return [self.signal.state(), pack_floats([self._seen_ml, self._turned_ml])]

    def restore(self, state):
        """Restore what `state` returned."""
        if state is None:
            self._seen_ml = self._turned_ml = None
            return
        self.signal.restore(state[0])
        self._seen_ml, self._turned_ml = unpack_floats(state[1])


class SupplyProbe(Lagged):
    """The supply rail of the pumps: its voltage and the current of the board itself."""

    KIND = "supply"

    def step(self, dt_s, truth):
        """Advance by `dt_s`."""
        self.signal.follow(dt_s, self.params["supply_mv"], self.params["tau_s"],
                           self.params["drift_mv_per_h"])

    @property
    def supply(self):
        """The (mV, mA) of the rail."""
        return self.signal.look(self.params["noise_mv"]), self.params["current_ma"]
