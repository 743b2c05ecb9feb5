"""Probes besides those in the water: what rangers, floats, meters, gas and light sensors see.

As those of probes.py: `step` moves them through time, a property is what the part at their wires
looks at. A fault is None or one of the class's FAULTS; anything else is a ValueError.
"""

from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.probes.parameters import settings
from idrosim.probes.signal_chain import NOISY_TIMES, Lagged


class GasProbe(Lagged):
    """CO2 at an optical sensor behind its membrane."""

    def __init__(self, params, rng):
        super().__init__(settings("co2", params), rng)

    def step(self, dt_s, truth):
        """Advance by `dt_s` in air of `truth`."""
        params = self.params
        self.signal.follow(dt_s, truth["air.co2_ppm"] + params["offset_ppm"], params["tau_s"],
                           params["drift_ppm_per_h"])

    @property
    def co2_ppm(self):
        """The carbon dioxide it sees, ppm."""
        return max(0.0, self.signal.look(self.params["noise_ppm"]))


class LightProbe(Lagged):
    """Brightness at the crop: lamps and sun have about the same lux to the photon."""

    def __init__(self, params, rng):
        super().__init__(settings("light", params), rng)

    def step(self, dt_s, truth):
        """Advance by `dt_s` in the light of `truth`."""
        params = self.params
        lux = truth["light.ppfd_umol_m2_s"] * params["lx_per_umol_m2_s"] * params["clear_ratio"]
        self.signal.follow(dt_s, lux, params["tau_s"], params["drift_per_h"] * lux)

    @property
    def illuminance_lx(self):
        """The brightness it sees, lx."""
        return max(0.0, self.signal.look(self.params["noise_lx"]))


class RangeProbe(Lagged):
    """The surface of the water below a ranger, with its waves, and the air between."""

    def __init__(self, params, rng):
        super().__init__(settings("range", params), rng)
        self.air_c = 20.0

    def step(self, dt_s, truth):
        """Advance by `dt_s` over a tank of `truth`."""
        params = self.params
        self.air_c = truth["air.temp_c"]
        self.signal.follow(dt_s, truth["reservoir.level_mm"] + params["offset_mm"],
                           params["tau_s"], params["drift_mm_per_h"])

    @property
    def level_mm(self):
        """How high the water stands where the sound meets it, mm."""
        return self.signal.look(self.params["noise_mm"])

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), pack_floats([self.air_c])]

    def restore(self, state):
        """Take back what `state` returned."""
        self.signal.restore(state[0])
        self.air_c = unpack_floats(state[1])[0]


class FloatProbe(Lagged):
    """A float on its arm: lifted where the water stands higher than `lift_mm`.

    Drifting, it takes up water and lifts later. On the floor a puddle of 2 litres lifts it.
    """

    FAULTS = ("drift", "slow")
    PUDDLE_ML = 2_000.0

    def __init__(self, params, rng):
        super().__init__(settings("float", params), rng)
        self.is_up = False
        self.is_on_floor = False

    def step(self, dt_s, truth):
        """Advance by `dt_s` in a tank of `truth`."""
        params, signal = self.params, self.signal
        if self.is_on_floor:
            self.is_up = truth["spilled_ml"] > self.PUDDLE_ML
            return
        gap_mm = params["gap_mm"] if self.is_up else 0.0
        signal.follow(dt_s, truth["reservoir.level_mm"], params["tau_s"],
                      params["drift_mm_per_h"])
        self.is_up = signal.value + signal.drifted > params["lift_mm"] - gap_mm

    def state(self):
        """Return a JSON-able state."""
        return [self.signal.state(), self.is_up]

    def restore(self, state):
        """Take back what `state` returned."""
        self.signal.restore(state[0])
        self.is_up = state[1]


class FlowProbe(Lagged):
    """A pipe: what flowed in a step turns the wheel of its meter. `line` is what adds up in it.

    Its signal is what the wheel has turned in all, ml. Noisy, it turns by fits and starts.
    """

    FAULTS = ("noisy", "drift", "slow")

    def __init__(self, params, rng):
        super().__init__(settings("flow", params), rng)
        self._rng = rng
        self.turn = None  # called with the ml of a step
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
        """Take back what `state` returned."""
        if state is None:
            self._seen_ml = self._turned_ml = None
            return
        self.signal.restore(state[0])
        self._seen_ml, self._turned_ml = unpack_floats(state[1])


class SupplyProbe(Lagged):
    """The rail of the pumps: its voltage and what the board itself draws."""

    def __init__(self, params, rng):
        super().__init__(settings("supply", params), rng)

    def step(self, dt_s, truth):
        """Advance by `dt_s`."""
        self.signal.follow(dt_s, self.params["supply_mv"], self.params["tau_s"],
                           self.params["drift_mv_per_h"])

    @property
    def supply(self):
        """The rail's (mV, mA)."""
        return self.signal.look(self.params["noise_mv"]), self.params["current_ma"]
