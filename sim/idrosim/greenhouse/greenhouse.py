"""Composition root of the physics: tank, pumps, light, air and a lettuce crop.

Outputs in, time forward, true values out. The same parameters and seed give the same digits on
CPython and MicroPython. Weather, light and crop are computed once per simulated minute or when an
output changes; so is water at rest, by exact exponentials. Water that is dosed, filled or mixed
moves in finer steps. The air moves at every step.
"""

import math

from idrosim.greenhouse import crop, parameters
from idrosim.greenhouse.air import Air, saturation_pa
from idrosim.greenhouse.dosing_pump import Doser
from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.greenhouse.grow_bed import Bed
from idrosim.greenhouse.oxygen import Oxygen
from idrosim.greenhouse.reservoir import Reservoir
from idrosim.greenhouse.rng import Rng
from idrosim.greenhouse.water import WATERS, amounts

_SLOW_S = 60.0
_INSTANT_S = 1e-6
_NOISE_TAU_S = 7_200.0
_NOISE_KEEP = math.exp(-_SLOW_S / _NOISE_TAU_S)
_OPEN_WATER_KG_S_M2_PA = 3e-9
_PUMP_ERROR_PCT = 4.0  # largest calibration error drawn from the seed


class Plant:
    """One greenhouse. Unknown parameters and outputs raise a ValueError that names them."""

    def __init__(self, params, seed):
        self._params = parameters.complete(params)
        self._rng = Rng(seed)
        self.reservoir = Reservoir(self._params)
        self._oxygen = Oxygen(self._params, self.reservoir.temp_c)
        self._bed = Bed(self._params) if self._params["bed.holds_ml"] > 0.0 else None
        self._dosers = [
            Doser(name, self._params, self._rng.uniform(-_PUMP_ERROR_PCT, _PUMP_ERROR_PCT))
            for name in parameters.DOSERS]
        self._levels = {name: 0.0 for name in parameters.OUTPUTS}
        # Seconds since the start, until the next slow step, and that the water has yet to move.
        self._elapsed_s = self._slow_left_s = self._owed_s = 0.0
        self._topoff_ml = self._transpired_ml = self._harvested_g = self._noise_c = 0.0
        self._grow_n = self._grow_s = self._canopy_ml_s = self._tank_ml_s = 0.0
        self._dli_mol_m2 = self._today = 0.0
        self._uptake = []
        self._surroundings = {}
        self._replant()
        self._air = Air(self._params, self._outside_c())
        self._configure()

    def _replant(self):
        self._nonstructural = self._params["crop.nonstructural_g_m2"]
        self._structural = self._params["crop.structural_g_m2"]

    def _configure(self):
        """Precompute what a step reads from parameters and levels."""
        params = self._params
        self.reservoir.configure(params)
        if self._bed is not None:
            self._bed.configure(params)
        for doser in self._dosers:
            doser.configure(params)
            tube = params[doser.name + ".tube"] or doser.name
            doser.bottle = self._dosers[parameters.DOSERS.index(tube)]
        self._topoff_per_ml = amounts(WATERS, params["top_off.water"], 1e-6)
        self._mm_per_ml = 10.0 / params["reservoir.area_cm2"]
        self._capacity_ml = 0.1 * params["reservoir.height_mm"] * params["reservoir.area_cm2"]
        self._leak_ml_s = params["reservoir.leak_ml_per_h"] / 3600.0
        self._brushite_per_s = 1.0 / (3600.0 * params["reservoir.brushite_tau_h"])
        self._ua_w_k = params["reservoir.ua_w_k"]
        self._co2_atm = params["air.co2_ppm"] * params["air.pressure_hpa"] / 1013.25e6
        self._apply_levels()

    def _apply_levels(self):
        params = self._params
        flow = self._level("circulation")
        still = params["reservoir.kla_still_per_h"]
        kla = still + min(flow, 1.0) * (params["reservoir.kla_per_h"] - still)
        self._kla_per_s = (kla + params["reservoir.air_stone_per_h"]) / 3600.0
        self._pump_w = params["reservoir.heater_w"] + flow * params["circulation.power_w"]
        self._circulation_ml_s = flow * params["circulation.flow_l_per_h"] / 3.6
        self._valve_ml_s = self._level("top_off") * params["top_off.flow_ml_per_s"]
        self._lamps = self._level("light") * params["light.ppfd_umol_m2_s"]
        self._air.configure(params, self._level("fan") * params["fan.exchanges_per_h"])
        self._heater_w = self._level("heater") * params["heater.power_w"]
        self._mist_kg_s = self._level("humidifier") * params["humidifier.g_per_h"] / 3.6e6
        for doser in self._dosers:
            doser.turn(self._elapsed_s)
        if self._bed is not None:
            self._bed.turn(self._level("irrigation"), self.reservoir)
        self._light = self._ppfd()
        self._slow_left_s = 0.0
        self._pace()

    def _level(self, name):
        stuck = self._params[name + ".stuck"]
        level = (1.0 if stuck == "on" else 0.0) if stuck else self._levels[name]
        return level * self._params[name + ".effect_ratio"]

    def _mixing_s(self):
        """Return the time constant of mixing the inlet pocket into the bulk, s."""
        if self._circulation_ml_s <= 0.0:
            return self._params["reservoir.still_mixing_s"]
        turnover_s = self.reservoir.volume_ml / self._circulation_ml_s
        return min(self._params["reservoir.turnovers_to_mix"] * turnover_s,
                   self._params["reservoir.still_mixing_s"])

    def _pace(self):
        """Set how long the water may wait before it moves."""
        self._stride_s = 0.0
        if self._valve_ml_s <= 0.0 and not self.is_dosing():
            self._stride_s = self.reservoir.pace_s(self._mixing_s())
            if self._bed is not None:
                self._stride_s = min(self._stride_s, self._bed.pace_s())
        self._has_moved = True

    def set_param(self, key, value):
        """Change a parameter while running. Raises ValueError naming the key.

        Setting `<doser>.bottle_ml` refills that bottle and `<doser>.air_ml` lets air into its
        line. Volume, temperature and recipe of the reservoir are starting values: no effect here.
        """
        value = parameters.check(key, value)
        self._move()
        self._params[key] = value
        name, _, what = key.partition(".")
        if what in ("bottle_ml", "air_ml"):
            doser = self._dosers[parameters.DOSERS.index(name)]
            if what == "air_ml":
                doser.let_in_air(value)
            else:
                doser.bottle_ml = value
        self._configure()

    def set_output(self, name, level):
        """Set an output to `level`, 0.0..1.0. Raises ValueError for an unknown name or level."""
        if name not in self._levels:
            raise ValueError(f"unknown output {name!r}")
        if not 0.0 <= level <= 1.0:
            raise ValueError(f"output {name}: level {level} is outside 0..1")
        if self._levels[name] == level:
            return
        self._move()
        self._levels[name] = level
        if name in parameters.DOSERS:
            doser = self._dosers[parameters.DOSERS.index(name)]
            doser.level = level
            doser.turn(self._elapsed_s)
            self._pace()
        else:
            self._apply_levels()

    def is_dosing(self):
        """Return True while any dosing pump turns or drips."""
        return any([doser.is_running() for doser in self._dosers])

    def step(self, dt_s):
        """Advance by `dt_s` seconds. Raises ValueError when it is negative."""
        if dt_s < 0.0:
            raise ValueError(f"dt_s {dt_s}: time runs forward")
        while dt_s > 0.0:
            if self._slow_left_s < _INSTANT_S:
                self._refresh()
            part = min(dt_s, self._slow_left_s)
            self._air.step(part)
            self._elapsed_s += part
            self._slow_left_s -= part
            self._owed_s += part
            dt_s -= part
            if self._slow_left_s < _INSTANT_S or self._owed_s >= self._stride_s:
                self._move()

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
        """Compute the slow quantities: weather, light, growth, transpiration, uptake."""
        self._move()
        params, air, tank = self._params, self._air, self.reservoir
        self._noise_c = _NOISE_KEEP * self._noise_c + self._rng.gauss(
            params["outside.noise_c"] * math.sqrt(1.0 - _NOISE_KEEP * _NOISE_KEEP))
        today = (params["start.hour"] + self._elapsed_s / 3600.0) // 24.0
        if today != self._today:
            self._today, self._dli_mol_m2 = today, 0.0
        ppfd, area_m2 = self._ppfd(), params["crop.area_m2"]
        self._light = ppfd
        pressure = air.pressure_pa()
        self._grow_n, self._grow_s = crop.growth(
            self._nonstructural, self._structural, ppfd / crop.PAR_UMOL_J,
            params["air.co2_ppm"], air.temp_c)
        canopy_kg_s = area_m2 * crop.transpiration_kg_m2_s(
            crop.leaf_area_index(self._structural), ppfd, air.temp_c, pressure)
        if self._bed is not None and self._bed.moisture_pct() <= 0.0:
            canopy_kg_s = self._grow_n = self._grow_s = 0.0  # it wilts
        open_m2 = params["reservoir.open_ratio"] * params["reservoir.area_cm2"] * 1e-4
        tank_kg_s = open_m2 * _OPEN_WATER_KG_S_M2_PA * max(
            saturation_pa(tank.temp_c) - pressure, 0.0)
        heat_w = area_m2 * (self._lamps / params["light.efficacy_umol_j"]
                            + (ppfd - self._lamps) / crop.PAR_UMOL_J)
        heat_w += self._heater_w - crop.LATENT_J_KG * self._mist_kg_s
        air.drive(self._outside_c(), heat_w - crop.LATENT_J_KG * canopy_kg_s,
                  canopy_kg_s + tank_kg_s + self._mist_kg_s)
        self._canopy_ml_s, self._tank_ml_s = 1000.0 * canopy_kg_s, 1000.0 * tank_kg_s
        grown_g_s = max(self._grow_n + self._grow_s, 0.0) * area_m2 * params["crop.uptake_ratio"]
        self._uptake = crop.uptake_mol_s(
            grown_g_s, canopy_kg_s * params["crop.uptake_ratio"], tank.molar())
        self._oxygen.drive(params, tank.temp_c, tank.measure()[2],
                           crop.root_g_m2(self._structural) * area_m2)
        self._slow_left_s = _SLOW_S

    def _move(self):
        """Advance water and crop to the present, at the rates since their last move."""
        dt_s = self._owed_s
        if dt_s <= 0.0:
            return
        self._owed_s = 0.0
        tank = self.reservoir
        self._dli_mol_m2 += 1e-6 * self._light * dt_s
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
        # Evaporation from the surface cools the tank.
        tank.heat(dt_s, self._air.temp_c, self._ua_w_k,
                  self._pump_w - 1e-3 * crop.LATENT_J_KG * self._tank_ml_s)
        tank.react(dt_s, self._kla_per_s, self._co2_atm, self._brushite_per_s)
        self._oxygen.step(dt_s, self._kla_per_s, tank.volume_ml)
        tank.solve()
        self._pace()

    def _move_water(self, dt_s):
        tank = self.reservoir
        mixing_s = self._mixing_s()
        tank.mix(dt_s, mixing_s)
        if self._bed is not None:
            self._bed.move(dt_s, tank)
        for doser in self._dosers:
            if doser.is_flowing():
                tank.inject(doser.pump(dt_s), doser.moles_per_ml, dt_s, mixing_s)
        if self._valve_ml_s > 0.0:
            volume_ml = self._valve_ml_s * dt_s
            temp_c = self._params["top_off.temp_c"]
            self._topoff_ml += volume_ml
            tank.add(volume_ml, [per_ml * volume_ml for per_ml in self._topoff_per_ml], temp_c)
            self._oxygen.pour(volume_ml, temp_c, tank.volume_ml, self._params["air.pressure_hpa"])
        if self._leak_ml_s > 0.0:
            tank.spill(self._leak_ml_s * dt_s)
        if tank.volume_ml > self._capacity_ml:
            tank.overflow(self._capacity_ml)

    def truth(self):
        """Return what perfect instruments would read now, by key."""
        tank = self.reservoir
        ph, kappa_us_cm, ec_us_cm = tank.measure()
        found = {
            "reservoir.ph": ph, "reservoir.ec_us_cm": ec_us_cm,
            "reservoir.kappa_us_cm": kappa_us_cm, "reservoir.temp_c": tank.temp_c,
            "reservoir.level_mm": self._mm_per_ml * tank.volume_ml,
            "reservoir.volume_ml": tank.volume_ml, "reservoir.do_mg_l": self._oxygen.mg_l,
            "inlet.ph": tank.measure_inlet()[0], "air.temp_c": self._air.temp_c,
            "air.rh_pct": self._air.rh_pct(), "air.co2_ppm": self._params["air.co2_ppm"],
            "light.ppfd_umol_m2_s": self._light, "light.dli_mol_m2": self._dli_mol_m2,
            "topoff_ml": self._topoff_ml, "transpired_ml": self._transpired_ml,
            "spilled_ml": tank.spilled_ml, "overflowed_ml": tank.overflowed_ml,
            "crop.dry_g_m2": self._nonstructural + self._structural}
        for doser in self._dosers:
            found[doser.truth_key] = doser.dosed_ml
        if self._bed is not None:
            bed = self._bed
            found["bed.volume_ml"] = bed.volume_ml
            found["roots.dry_min"] = bed.dry_s / 60.0
            found["roots.moisture_pct"] = bed.moisture_pct()
            found["irrigated_ml"] = bed.irrigated_ml
        return found

    def around(self):
        """Return the surroundings of the probes: one dict, valid until the next call.

        `inlet` is a function that returns (pH, conductivity, EC) of the inlet pocket; `mains` is
        1.0 while a lamp or the circulation runs.
        """
        seen = self._surroundings
        air = self._air
        seen["air.temp_c"] = air.temp_c
        seen["air.rh_pct"] = air.rh_pct()
        if self._bed is not None:
            seen["irrigated_ml"] = self._bed.lifted_ml(self._owed_s)
            seen["roots.moisture_pct"] = self._bed.moisture_pct()
        if self._has_moved:
            self._has_moved = False
            tank = self.reservoir
            seen["reservoir.ph"], seen["reservoir.kappa_us_cm"], _ = tank.measure()
            seen["reservoir.temp_c"] = tank.temp_c
            seen["reservoir.level_mm"] = self._mm_per_ml * tank.volume_ml
            seen["reservoir.do_mg_l"] = self._oxygen.mg_l
            seen["inlet"] = tank.measure_inlet
            seen["topoff_ml"] = self._topoff_ml
            seen["spilled_ml"] = tank.spilled_ml
            seen["air.co2_ppm"] = self._params["air.co2_ppm"]
            seen["light.ppfd_umol_m2_s"] = self._light
            seen["mains"] = 1.0 if self._lamps > 0.0 or self._circulation_ml_s > 0.0 else 0.0
        return seen

    def _scalars(self):
        return [
            self._elapsed_s, self._slow_left_s, self._owed_s, self._topoff_ml,
            self._transpired_ml, self._harvested_g, self._noise_c, self._nonstructural,
            self._structural, self._grow_n, self._grow_s, self._canopy_ml_s, self._tank_ml_s,
            self._dli_mol_m2, self._today, self._light,
        ]

    def state(self):
        """Return the complete state, JSON-able and exact; see `restore`."""
        return {
            "params": dict(self._params), "levels": dict(self._levels), "rng": self._rng.state,
            "floats": pack_floats(self._scalars()), "air": pack_floats(self._air.state()),
            "oxygen": pack_floats(self._oxygen.state()),
            "uptake": [[index, pack_floats([rate])] for index, rate in self._uptake],
            "dosers": [pack_floats(doser.state()) for doser in self._dosers],
            "reservoir": self.reservoir.state(),
            "bed": None if self._bed is None else pack_floats(self._bed.state())}

    def restore(self, state):
        """Restore what `state` returned, of a Plant built with the same seed."""
        self._params = dict(state["params"])
        self._levels = dict(state["levels"])
        self._rng.state = state["rng"]
        for index, doser in enumerate(self._dosers):
            doser.level = self._levels[doser.name]
            doser.restore(unpack_floats(state["dosers"][index]))
        self.reservoir.restore(state["reservoir"])
        if self._bed is not None:
            self._bed.restore(unpack_floats(state["bed"]))
        self._configure()
        (self._elapsed_s, self._slow_left_s, self._owed_s, self._topoff_ml,
         self._transpired_ml, self._harvested_g, self._noise_c, self._nonstructural,
         self._structural, self._grow_n, self._grow_s, self._canopy_ml_s, self._tank_ml_s,
         self._dli_mol_m2, self._today, self._light) = unpack_floats(state["floats"])
        self._air.restore(unpack_floats(state["air"]))
        self._oxygen.restore(unpack_floats(state["oxygen"]))
        self._uptake = [(index, unpack_floats(rate)[0]) for index, rate in state["uptake"]]
