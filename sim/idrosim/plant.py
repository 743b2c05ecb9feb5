"""The greenhouse as it truly is: tank, pumps, light, air and a lettuce crop.

Composition root of the physics: outputs in, time forward, truth out. Same parameters and seed,
same digits on CPython and MicroPython. Climate and crop change slowly and are computed once a
simulated minute, or when an output changes; water and heat move at every step, by exact
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
_DAY_S = 86_400.0
_NOISE_TAU_S = 7_200.0
_OPEN_WATER_KG_S_M2_PA = 3e-9


class Plant:
    """One greenhouse. Unknown parameters and outputs are a ValueError that names them."""

    def __init__(self, params, seed):
        self._params = parameters.complete(params)
        self._rng = Rng(seed)
        self.reservoir = Reservoir(self._params)
        self._dosers = {
            name: Doser(name, self._params, self._rng.uniform(-4.0, 4.0))
            for name in parameters.DOSERS
        }
        self._levels = {name: 0.0 for name in parameters.OUTPUTS}
        self._elapsed_s = 0.0
        self._topoff_ml = 0.0
        self._transpired_ml = 0.0
        self._harvested_g = 0.0
        self._noise_c = 0.0
        self._replant()
        self._air = Air(self._params, self._outside_c())
        self._slow_left_s = 0.0
        self._slow = [0.0] * 6
        self._uptake = [0.0] * 10
        self._configure()

    def _replant(self):
        self._nonstructural = self._params["crop.nonstructural_g_m2"]
        self._structural = self._params["crop.structural_g_m2"]

    def _configure(self):
        params = self._params
        self._air.configure(params)
        for name in self._dosers:
            self._dosers[name].configure(params)
        self._topoff_per_ml = amounts(WATERS, params["top_off.water"], 1e-6)
        self._capacity_ml = 0.1 * params["reservoir.height_mm"] * params["reservoir.area_cm2"]
        self._leak_ml_s = params["reservoir.leak_ml_per_h"] / 3600.0
        self._slow_left_s = 0.0

    def set_param(self, key, value):
        """Change a parameter while running. Raises ValueError naming the key.

        Setting `<doser>.bottle_ml` refills that bottle; a volume, temperature or recipe of the
        reservoir and a dry weight of the crop are starting values and have no effect any more.
        """
        self._params[key] = parameters.check(key, value)
        if key.endswith(".bottle_ml"):
            self._dosers[key[: -len(".bottle_ml")]].bottle_ml = self._params[key]
        self._configure()

    def set_output(self, name, level):
        """Set what the node drives: `level` 0.0..1.0. Raises ValueError for an unknown name."""
        if name not in self._levels:
            raise ValueError("unknown output %r" % (name,))
        if not 0.0 <= level <= 1.0:
            raise ValueError("output %s: level %r is outside 0..1" % (name, level))
        if self._levels[name] == level:
            return
        self._levels[name] = level
        if name in self._dosers:
            self._dosers[name].level = level
        else:
            self._slow_left_s = 0.0

    def _level(self, name):
        stuck = self._params[name + ".stuck"]
        if stuck:
            return 1.0 if stuck == "on" else 0.0
        return self._levels[name]

    def is_dosing(self):
        """True while any dosing pump turns: the time to step finely."""
        for name in parameters.DOSERS:
            if self._dosers[name].is_running():
                return True
        return False

    def step(self, dt_s):
        """Advance by `dt_s` seconds. Raises ValueError when it is negative."""
        if dt_s < 0.0:
            raise ValueError("dt_s %r: time runs forward" % (dt_s,))
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
        params = self._params
        lamps = params["light.ppfd_umol_m2_s"] * self._level("light")
        sun = params["outside.ppfd_umol_m2_s"] * math.sin(math.pi * (self._hour() - 6.0) / 12.0)
        return lamps, lamps + max(sun, 0.0)

    def _refresh(self):
        """Compute what changes slowly: weather, light, growth, transpiration, uptake."""
        params, air = self._params, self._air
        keep = math.exp(-_SLOW_S / _NOISE_TAU_S)
        self._noise_c = keep * self._noise_c + self._rng.gauss(
            params["outside.noise_c"] * math.sqrt(1.0 - keep * keep))
        lamps, ppfd = self._ppfd()
        area_m2 = params["crop.area_m2"]
        pressure = air.pressure_pa()
        grow = crop.growth(self._nonstructural, self._structural, ppfd / crop.PAR_UMOL_J,
                           params["air.co2_ppm"], air.temp_c)
        canopy_kg_s = area_m2 * crop.transpiration_kg_m2_s(
            crop.leaf_area_index(self._structural), ppfd, air.temp_c, pressure)
        open_m2 = params["reservoir.open_ratio"] * params["reservoir.area_cm2"] * 1e-4
        tank_kg_s = open_m2 * _OPEN_WATER_KG_S_M2_PA * max(
            saturation_pa(self.reservoir.temp_c) - pressure, 0.0)
        heat_w = area_m2 * (lamps / params["light.efficacy_umol_j"]
                            + (ppfd - lamps) / crop.PAR_UMOL_J)
        self._slow = [grow[0], grow[1], canopy_kg_s, tank_kg_s,
                      heat_w - crop.LATENT_J_KG * canopy_kg_s, self._outside_c()]
        grown_g_s = max(grow[0] + grow[1], 0.0) * area_m2 * params["crop.uptake_ratio"]
        self._uptake = crop.uptake_mol_s(grown_g_s, canopy_kg_s, self.reservoir.molar())
        self._slow_left_s = _SLOW_S

    def _advance(self, dt_s):
        params, tank = self._params, self.reservoir
        grow_n, grow_s, canopy_kg_s, tank_kg_s, heat_w, outside_c = self._slow
        circulation = self._level("circulation")
        self._air.step(dt_s, outside_c, heat_w, canopy_kg_s + tank_kg_s)
        self._nonstructural = max(self._nonstructural + grow_n * dt_s, 0.01)
        self._structural += grow_s * dt_s
        if self._nonstructural + self._structural > params["crop.harvest_g_m2"]:
            self._harvested_g += (self._nonstructural + self._structural) * params["crop.area_m2"]
            self._replant()
        self._transpired_ml += tank.evaporate(canopy_kg_s * 1000.0 * dt_s)
        tank.evaporate(tank_kg_s * 1000.0 * dt_s)
        tank.take([rate * dt_s for rate in self._uptake])
        self._move_water(dt_s, circulation)
        tank.heat(dt_s, self._air.temp_c, params["reservoir.ua_w_k"],
                  params["reservoir.heater_w"] + circulation * params["circulation.power_w"])
        still = params["reservoir.kla_still_per_h"]
        kla = still + circulation * (params["reservoir.kla_per_h"] - still)
        tank.react(dt_s, kla / 3600.0, params["air.co2_ppm"] * 1e-6,
                   1.0 / (3600.0 * params["reservoir.brushite_tau_h"]))

    def _move_water(self, dt_s, circulation):
        params, tank = self._params, self.reservoir
        tau_s = params["reservoir.still_mixing_s"]
        if circulation > 0.0:
            flow_ml_s = circulation * params["circulation.flow_l_per_h"] / 3.6
            tau_s = params["reservoir.turnovers_to_mix"] * tank.volume_ml / flow_ml_s
        tank.mix(dt_s, tau_s)
        for name in parameters.DOSERS:
            volume_ml = self._dosers[name].pump(dt_s)
            if volume_ml > 0.0:
                tank.inject(volume_ml, self._dosers[name].moles_per_ml, dt_s, tau_s)
        valve = self._level("top_off")
        if valve > 0.0:
            volume_ml = valve * params["top_off.flow_ml_per_s"] * dt_s
            self._topoff_ml += volume_ml
            tank.add(volume_ml, [per_ml * volume_ml for per_ml in self._topoff_per_ml],
                     params["top_off.temp_c"])
        lost_ml = self._leak_ml_s * dt_s + max(tank.volume_ml - self._capacity_ml, 0.0)
        if lost_ml > 0.0:
            tank.spill(lost_ml)

    def truth(self):
        """Return what perfect instruments would read now, by channel-like key."""
        tank = self.reservoir
        ph, ec_us_cm, kappa_us_cm = tank.measure()
        found = {
            "reservoir.ph": ph,
            "reservoir.ec_us_cm": ec_us_cm,
            "reservoir.kappa_us_cm": kappa_us_cm,
            "reservoir.temp_c": tank.temp_c,
            "reservoir.level_mm": 10.0 * tank.volume_ml / self._params["reservoir.area_cm2"],
            "reservoir.volume_ml": tank.volume_ml,
            "air.temp_c": self._air.temp_c,
            "air.rh_pct": self._air.rh_pct(),
            "light.ppfd_umol_m2_s": self._ppfd()[1],
            "topoff_ml": self._topoff_ml,
            "transpired_ml": self._transpired_ml,
            "spilled_ml": tank.spilled_ml,
            "crop.dry_g_m2": self._nonstructural + self._structural,
        }
        for name in parameters.DOSERS:
            found["dosed." + name + "_ml"] = self._dosers[name].dosed_ml
        return found

    def state(self):
        """Return everything that changes, JSON-able; `restore` takes it back to the last bit."""
        floats = [self._elapsed_s, self._topoff_ml, self._transpired_ml, self._harvested_g,
                  self._noise_c, self._nonstructural, self._structural, self._slow_left_s,
                  self._air.temp_c, self._air.vapour]
        for name in parameters.DOSERS:
            floats.append(self._dosers[name].dosed_ml)
            floats.append(self._dosers[name].bottle_ml)
        return {
            "params": dict(self._params),
            "levels": dict(self._levels),
            "rng": self._rng.state,
            "floats": pack_floats(floats + self._slow + self._uptake),
            "reservoir": self.reservoir.state(),
        }

    def restore(self, state):
        """Take back what `state` returned, of a Plant built with the same seed."""
        self._params = dict(state["params"])
        self._configure()
        self._levels = dict(state["levels"])
        self._rng.state = state["rng"]
        floats = unpack_floats(state["floats"])
        (self._elapsed_s, self._topoff_ml, self._transpired_ml, self._harvested_g,
         self._noise_c, self._nonstructural, self._structural, self._slow_left_s,
         self._air.temp_c, self._air.vapour) = floats[:10]
        self._slow, self._uptake = floats[-16:-10], floats[-10:]
        for index, name in enumerate(parameters.DOSERS):
            doser = self._dosers[name]
            doser.level = self._levels[name]
            doser.dosed_ml, doser.bottle_ml = floats[10 + 2 * index : 12 + 2 * index]
        self.reservoir.restore(state["reservoir"])
