"""The greenhouse as it truly is: tank, pumps, light, air and a lettuce crop.

Composition root of the physics: outputs in, time forward, truth out. Same parameters and seed,
same digits on CPython and MicroPython. Weather, light and crop change slowly and are computed
once a simulated minute, or when an output changes; water and heat move at every step, by exact
exponentials, so the length of a step hardly matters.
"""

import math

from idrosim import crop, parameters
from idrosim.air import Air, saturation_pa
from idrosim.doser import Doser
from idrosim.exact import pack_floats, unpack_floats
from idrosim.reservoir import Reservoir
from idrosim.rng import Rng
from idrosim.water import WATERS, amounts

_SLOW_S = 60.0
_NOISE_TAU_S = 7_200.0
_NOISE_KEEP = math.exp(-_SLOW_S / _NOISE_TAU_S)
_OPEN_WATER_KG_S_M2_PA = 3e-9
_PUMP_ERROR_PCT = 4.0  # largest calibration error the seed may draw


class Plant:
    """One greenhouse. Unknown parameters and outputs are a ValueError that names them."""

    def __init__(self, params, seed):
        self._params = parameters.complete(params)
        self._rng = Rng(seed)
        self.reservoir = Reservoir(self._params)
        self._dosers = [
            Doser(name, self._params, self._rng.uniform(-_PUMP_ERROR_PCT, _PUMP_ERROR_PCT))
            for name in parameters.DOSERS
        ]
        self._levels = {name: 0.0 for name in parameters.OUTPUTS}
        self._elapsed_s = self._slow_left_s = 0.0
        self._topoff_ml = self._transpired_ml = self._harvested_g = self._noise_c = 0.0
        self._grow_n = self._grow_s = self._canopy_ml_s = self._tank_ml_s = 0.0
        self._uptake = []
        self._replant()
        self._air = Air(self._params, self._outside_c())
        self._configure()

    def _replant(self):
        self._nonstructural = self._params["crop.nonstructural_g_m2"]
        self._structural = self._params["crop.structural_g_m2"]

    def _configure(self):
        """Take parameters and levels over into what a step reads."""
        params = self._params
        self._air.configure(params)
        for doser in self._dosers:
            doser.configure(params)
        self._topoff_per_ml = amounts(WATERS, params["top_off.water"], 1e-6)
        self._capacity_ml = 0.1 * params["reservoir.height_mm"] * params["reservoir.area_cm2"]
        self._leak_ml_s = params["reservoir.leak_ml_per_h"] / 3600.0
        self._brushite_per_s = 1.0 / (3600.0 * params["reservoir.brushite_tau_h"])
        self._ua_w_k = params["reservoir.ua_w_k"]
        self._co2_atm = params["air.co2_ppm"] * 1e-6
        self._apply_levels()

    def _apply_levels(self):
        params = self._params
        flow = self._level("circulation")
        still = params["reservoir.kla_still_per_h"]
        self._kla_per_s = (still + flow * (params["reservoir.kla_per_h"] - still)) / 3600.0
        self._pump_w = params["reservoir.heater_w"] + flow * params["circulation.power_w"]
        self._circulation_ml_s = flow * params["circulation.flow_l_per_h"] / 3.6
        self._valve_ml_s = self._level("top_off") * params["top_off.flow_ml_per_s"]
        self._lamps = self._level("light") * params["light.ppfd_umol_m2_s"]
        self._slow_left_s = 0.0

    def _level(self, name):
        stuck = self._params[name + ".stuck"]
        if stuck:
            return 1.0 if stuck == "on" else 0.0
        return self._levels[name]

    def set_param(self, key, value):
        """Change a parameter while running. Raises ValueError naming the key.

        Setting `<doser>.bottle_ml` refills that bottle; a volume, temperature or recipe of the
        reservoir is a starting value and has no effect any more.
        """
        self._params[key] = parameters.check(key, value)
        if key.endswith(".bottle_ml"):
            doser = self._dosers[parameters.DOSERS.index(key.split(".")[0])]
            doser.bottle_ml = self._params[key]
        self._configure()

    def set_output(self, name, level):
        """Set what the node drives: `level` 0.0..1.0. Raises ValueError for an unknown name."""
        if name not in self._levels:
            raise ValueError(f"unknown output {name!r}")
        if not 0.0 <= level <= 1.0:
            raise ValueError(f"output {name}: level {level} is outside 0..1")
        if self._levels[name] == level:
            return
        self._levels[name] = level
        if name in parameters.DOSERS:
            self._dosers[parameters.DOSERS.index(name)].level = level
        else:
            self._apply_levels()

    def is_dosing(self):
        """True while any dosing pump turns: the time to step finely."""
        return any(doser.is_running() for doser in self._dosers)

    def step(self, dt_s):
        """Advance by `dt_s` seconds. Raises ValueError when it is negative."""
        if dt_s < 0.0:
            raise ValueError(f"dt_s {dt_s}: time runs forward")
        while dt_s > 0.0:
            if self._slow_left_s <= 0.0:
                self._refresh()
            part = min(dt_s, self._slow_left_s)
            self._advance(part)
            self._slow_left_s -= part
            self._elapsed_s += part
            dt_s -= part

    def _hour(self):
        return (self._params["start.hour"] + self._elapsed_s / 3600.0) % 24.0

    def _outside_c(self):
        params = self._params
        phase = (self._hour() - params["outside.warmest_hour"]) / 24.0
        return (params["outside.temp_c"] + self._noise_c
                + params["outside.swing_c"] * math.cos(2.0 * math.pi * phase))

    def _ppfd(self):
        sun = self._params["outside.ppfd_umol_m2_s"]
        if sun > 0.0:
            sun = max(sun * math.sin(math.pi * (self._hour() - 6.0) / 12.0), 0.0)
        return self._lamps + sun

    def _refresh(self):
        """Compute what changes slowly: weather, light, growth, transpiration, uptake."""
        params, air, tank = self._params, self._air, self.reservoir
        self._noise_c = _NOISE_KEEP * self._noise_c + self._rng.gauss(
            params["outside.noise_c"] * math.sqrt(1.0 - _NOISE_KEEP * _NOISE_KEEP))
        ppfd, area_m2 = self._ppfd(), params["crop.area_m2"]
        pressure = air.pressure_pa()
        self._grow_n, self._grow_s = crop.growth(
            self._nonstructural, self._structural, ppfd / crop.PAR_UMOL_J,
            params["air.co2_ppm"], air.temp_c)
        canopy_kg_s = area_m2 * crop.transpiration_kg_m2_s(
            crop.leaf_area_index(self._structural), ppfd, air.temp_c, pressure)
        open_m2 = params["reservoir.open_ratio"] * params["reservoir.area_cm2"] * 1e-4
        tank_kg_s = open_m2 * _OPEN_WATER_KG_S_M2_PA * max(
            saturation_pa(tank.temp_c) - pressure, 0.0)
        heat_w = area_m2 * (self._lamps / params["light.efficacy_umol_j"]
                            + (ppfd - self._lamps) / crop.PAR_UMOL_J)
        air.drive(self._outside_c(), heat_w - crop.LATENT_J_KG * canopy_kg_s,
                  canopy_kg_s + tank_kg_s)
        self._canopy_ml_s, self._tank_ml_s = 1000.0 * canopy_kg_s, 1000.0 * tank_kg_s
        grown_g_s = max(self._grow_n + self._grow_s, 0.0) * area_m2 * params["crop.uptake_ratio"]
        self._uptake = crop.uptake_mol_s(
            grown_g_s, canopy_kg_s * params["crop.uptake_ratio"], tank.molar())
        tank.refresh()
        self._slow_left_s = _SLOW_S

    def _advance(self, dt_s):
        tank = self.reservoir
        self._air.step(dt_s)
        self._nonstructural = max(self._nonstructural + self._grow_n * dt_s, 0.01)
        self._structural += self._grow_s * dt_s
        dry_g_m2 = self._nonstructural + self._structural
        if dry_g_m2 > self._params["crop.harvest_g_m2"]:
            self._harvested_g += dry_g_m2 * self._params["crop.area_m2"]
            self._replant()
        self._transpired_ml += tank.evaporate(self._canopy_ml_s * dt_s)
        tank.evaporate(self._tank_ml_s * dt_s)
        tank.take(self._uptake, dt_s)
        self._move_water(dt_s)
        tank.heat(dt_s, self._air.temp_c, self._ua_w_k, self._pump_w)
        tank.react(dt_s, self._kla_per_s, self._co2_atm, self._brushite_per_s)

    def _move_water(self, dt_s):
        params, tank = self._params, self.reservoir
        tau_s = params["reservoir.still_mixing_s"]
        if self._circulation_ml_s > 0.0:
            turnover_s = tank.volume_ml / self._circulation_ml_s
            tau_s = params["reservoir.turnovers_to_mix"] * turnover_s
        tank.mix(dt_s, tau_s)
        for doser in self._dosers:
            if doser.is_running():
                tank.inject(doser.pump(dt_s), doser.moles_per_ml, dt_s, tau_s)
        if self._valve_ml_s > 0.0:
            volume_ml = self._valve_ml_s * dt_s
            self._topoff_ml += volume_ml
            tank.add(volume_ml, [per_ml * volume_ml for per_ml in self._topoff_per_ml],
                     params["top_off.temp_c"])
        lost_ml = self._leak_ml_s * dt_s + max(tank.volume_ml - self._capacity_ml, 0.0)
        if lost_ml > 0.0:
            tank.spill(lost_ml)

    def truth(self):
        """Return what perfect instruments would read now, by channel-like key."""
        return self._truth(self.reservoir.measure())

    def around(self):
        """Return what surrounds the probes: `truth`, with the chemistry of the last slow step."""
        return self._truth(self.reservoir.glance())

    def _truth(self, measured):
        tank = self.reservoir
        ph, kappa_us_cm, ec_us_cm = measured
        found = {
            "reservoir.ph": ph,
            "reservoir.ec_us_cm": ec_us_cm,
            "reservoir.kappa_us_cm": kappa_us_cm,
            "reservoir.temp_c": tank.temp_c,
            "reservoir.level_mm": 10.0 * tank.volume_ml / self._params["reservoir.area_cm2"],
            "reservoir.volume_ml": tank.volume_ml,
            "air.temp_c": self._air.temp_c,
            "air.rh_pct": self._air.rh_pct(),
            "air.co2_ppm": self._params["air.co2_ppm"],
            "light.ppfd_umol_m2_s": self._ppfd(),
            "topoff_ml": self._topoff_ml,
            "transpired_ml": self._transpired_ml,
            "spilled_ml": tank.spilled_ml,
            "crop.dry_g_m2": self._nonstructural + self._structural,
        }
        for doser in self._dosers:
            found[doser.truth_key] = doser.dosed_ml
        return found

    def _scalars(self):
        return [
            self._elapsed_s, self._slow_left_s, self._topoff_ml, self._transpired_ml,
            self._harvested_g, self._noise_c, self._nonstructural, self._structural,
            self._grow_n, self._grow_s, self._canopy_ml_s, self._tank_ml_s,
        ]

    def state(self):
        """Return everything that changes, JSON-able; `restore` takes it back to the last bit."""
        return {
            "params": dict(self._params),
            "levels": dict(self._levels),
            "rng": self._rng.state,
            "floats": pack_floats(self._scalars() + self._air.state()),
            "uptake": [[index, pack_floats([rate])] for index, rate in self._uptake],
            "dosers": pack_floats([d.dosed_ml for d in self._dosers]
                                  + [d.bottle_ml for d in self._dosers]),
            "reservoir": self.reservoir.state(),
        }

    def restore(self, state):
        """Take back what `state` returned, of a Plant built with the same seed."""
        self._params = dict(state["params"])
        self._levels = dict(state["levels"])
        self._rng.state = state["rng"]
        self._configure()
        floats = unpack_floats(state["floats"])
        (self._elapsed_s, self._slow_left_s, self._topoff_ml, self._transpired_ml,
         self._harvested_g, self._noise_c, self._nonstructural, self._structural,
         self._grow_n, self._grow_s, self._canopy_ml_s, self._tank_ml_s) = floats[:12]
        self._air.restore(floats[12:])
        self._uptake = [(index, unpack_floats(rate)[0]) for index, rate in state["uptake"]]
        amounts_ml = unpack_floats(state["dosers"])
        for index, doser in enumerate(self._dosers):
            doser.level = self._levels[parameters.DOSERS[index]]
            doser.dosed_ml = amounts_ml[index]
            doser.bottle_ml = amounts_ml[len(self._dosers) + index]
        self.reservoir.restore(state["reservoir"])
