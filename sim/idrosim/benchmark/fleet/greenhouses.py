"""Model of many greenhouses at once, each with its own water, tank, crop, pumps and probe.

A step is one minute: crop and evaporation, doses into an inlet pocket that mixes into the bulk,
top-off, heat, CO2 exchange, precipitation, charge balance, and a probe with errors. Chemistry and
uptake are the equations of the single plant. All greenhouses share a room: its climate and the
growth of its lettuce are computed once; each greenhouse has its own crop age and area. Not
modelled: oxygen, daylight, open water, and effects of lines, tubes and probes other than errors of
scale and offset. CPython only; needs the extra `sim`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from idrosim.benchmark.fleet.chemistry import FleetSolution, Floats, crop
from idrosim.greenhouse import crop as leaf
from idrosim.greenhouse import parameters
from idrosim.greenhouse.air import Air
from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CA, C, P
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS, amounts

STEP_S = 60.0
DOSERS = parameters.DOSERS
DAY_STEPS = 1_440
_MIN_ML = 50.0
_HEAT_J_ML_K = 4.186
_BRUSHITE_SI = 0.3
_TINY = 1e-30


@dataclass
class Cells:
    """Properties of N greenhouses. Every array has N elements; units in the names."""

    volume_ml: Floats
    water: list[str]
    recipe: str
    acid: list[str]
    base: list[str]
    kla_per_h: Floats
    mixing_s: Floats
    ua_w_k: Floats
    crop_area_m2: Floats
    crop_age_days: npt.NDArray[np.int64]
    pump_ratio: Floats  # true relative to nominal volume of a dose
    probe_offset_ph: Floats
    probe_slope: Floats  # relative to the Nernst slope

    @property
    def count(self) -> int:
        """The number of greenhouses."""
        return len(self.volume_ml)


def draw(count: int, seed: int) -> Cells:
    """Return `count` random greenhouses, as varied as in practice, reproducible by `seed`."""
    rng = np.random.default_rng(seed)
    volume_ml = 1e3 * np.exp(rng.uniform(math.log(20.0), math.log(500.0), count))
    return Cells(
        volume_ml=volume_ml, water=[str(name) for name in rng.choice(list(WATERS), count)],
        recipe="lettuce",
        acid=[str(name) for name in rng.choice(["h3po4_10pct", "hno3_10pct"], count)],
        base=["khco3_1M"] * count,
        kla_per_h=np.exp(rng.uniform(math.log(0.1), math.log(2.0), count)),
        mixing_s=rng.uniform(180.0, 900.0, count), ua_w_k=6.0 * (volume_ml / 1e5) ** (2.0 / 3.0),
        crop_area_m2=volume_ml / 1e5 * rng.uniform(0.3, 1.2, count),
        crop_age_days=rng.integers(0, 25, count), pump_ratio=1.0 + rng.normal(0.0, 0.04, count),
        probe_offset_ph=rng.normal(0.0, 0.08, count), probe_slope=rng.uniform(0.88, 1.0, count))


class Climate:
    """The shared room over one crop cycle, one value per minute."""

    def __init__(self, cycle_days: int = 35, ppfd: float = 250.0, light_hours: float = 16.0):
        params = parameters.complete({})
        count = cycle_days * DAY_STEPS
        self.temp_c, self.grown_g_m2_s, self.canopy_kg_m2_s = np.empty((3, count))
        air = Air(params, params["outside.temp_c"])
        sugar, structure = params["crop.nonstructural_g_m2"], params["crop.structural_g_m2"]
        for step in range(count):
            hour = step % DAY_STEPS / 60.0
            lit = ppfd if hour < light_hours else 0.0
            d_sugar, d_structure = leaf.growth(
                sugar, structure, lit / leaf.PAR_UMOL_J, params["air.co2_ppm"], air.temp_c)
            canopy = leaf.transpiration_kg_m2_s(
                leaf.leaf_area_index(structure), lit, air.temp_c, air.pressure_pa())
            phase = (hour - params["outside.warmest_hour"]) / 24.0
            outside_c = params["outside.temp_c"] + params["outside.swing_c"] * math.cos(
                2.0 * math.pi * phase)
            area_m2 = params["crop.area_m2"]
            air.drive(outside_c, area_m2 * (lit / params["light.efficacy_umol_j"]
                                            - leaf.LATENT_J_KG * canopy), area_m2 * canopy)
            air.step(STEP_S)
            sugar = max(sugar + d_sugar * STEP_S, 0.01)
            structure += d_structure * STEP_S
            self.temp_c[step] = air.temp_c
            self.grown_g_m2_s[step] = max(d_sugar + d_structure, 0.0)
            self.canopy_kg_m2_s[step] = canopy
        self.count = count


def _matrix(table: Mapping[str, Any], names: list[str], factor: float) -> Floats:
    """Return an array (10, N) from a table of water.py, one column per name."""
    columns = {name: amounts(table, name, factor) for name in set(names)}
    found: Floats = np.array([columns[name] for name in names]).T
    return found


class FleetPlant:
    """The greenhouses. `iterations` of the charge balance are done per minute.

    One tracks pH within 1e-4, and within 0.02 in the minute of a dose; two within 3e-4 then.
    """

    def __init__(
        self, cells: Cells, climate: Climate | None = None, seed: int = 1, iterations: int = 1
    ) -> None:
        self.cells, self._climate = cells, climate or Climate()
        self._rng = np.random.default_rng(seed)
        self._iterations = iterations
        count = cells.count
        litres = cells.volume_ml / 1e3
        salts = amounts(RECIPES, cells.recipe, 1e-3)
        self._raw_mol_ml = _matrix(WATERS, cells.water, 1e-6)
        self.moles = (self._raw_mol_ml * 1e3 + np.array(salts)[:, None]) * litres
        self.pocket = np.zeros((10, count))
        self.taken = np.zeros((10, count))  # by roots and precipitate, less CO2 dissolved
        self.brought = self.moles.copy()
        self.volume_ml = cells.volume_ml.copy()
        self.temp_c = np.full(count, 20.0)
        self.at_s, self._step = 0.0, 0
        self.dosed_ml = {name: np.zeros(count) for name in DOSERS}
        self.doses = np.zeros(count, dtype=np.int64)
        self._stocks = {
            "ph_down": _matrix(STOCKS, cells.acid, 1e-3),
            "ph_up": _matrix(STOCKS, cells.base, 1e-3),
            "nutrient_a": _matrix(STOCKS, ["nutrient_a"] * count, 1e-3),
            "nutrient_b": _matrix(STOCKS, ["nutrient_b"] * count, 1e-3),
        }
        self._mixed = 1.0 - np.exp(-STEP_S / cells.mixing_s)
        self._offset = cells.crop_age_days * DAY_STEPS
        self.solution = FleetSolution(self.temp_c)
        self.solution.solve(self._molal(), self.temp_c, 1e-9)

    def _molal(self) -> Floats:
        found: Floats = self.moles * (1e3 / self.volume_ml)
        return found

    def step(self, doses: Mapping[str, Floats] | None = None) -> None:
        """Advance one minute; `doses` are nominal ml, added to the inlet pocket at its start."""
        for name, ml in (doses or {}).items():
            self._pour(name, ml)
        self._mix()
        self._grow()
        self._top_off()
        self._exchange()
        self.solution.follow(self._molal(), self.temp_c, self._iterations)
        self._step += 1
        self.at_s += STEP_S

    def _pour(self, name: str, ml: Floats) -> None:
        true_ml = ml * self.cells.pump_ratio
        moles = self._stocks[name] * true_ml
        self.pocket += moles
        self.brought += moles
        self.volume_ml = self.volume_ml + true_ml
        self.dosed_ml[name] += true_ml
        self.doses += ml > 0.0

    def _mix(self) -> None:
        moved = self.pocket * self._mixed
        self.moles += moved
        self.pocket -= moved

    def _grow(self) -> None:
        """Apply uptake and transpiration of the crop, and heat exchange with the room."""
        cells, climate = self.cells, self._climate
        now = (self._step + self._offset) % climate.count
        canopy_kg_s = climate.canopy_kg_m2_s[now] * cells.crop_area_m2
        grown_g_s = climate.grown_g_m2_s[now] * cells.crop_area_m2
        for ion, rate in crop.uptake_mol_s(grown_g_s, canopy_kg_s, self._molal()):
            gone = np.minimum(rate * STEP_S, self.moles[ion])
            self.moles[ion] -= gone
            self.taken[ion] += gone
        gone_ml = np.minimum(1e3 * canopy_kg_s * STEP_S, self.volume_ml - _MIN_ML)
        self.volume_ml = self.volume_ml - gone_ml
        aim_c = climate.temp_c[self._step % climate.count]
        keep = np.exp(-STEP_S * cells.ua_w_k / (_HEAT_J_ML_K * self.volume_ml))
        self.temp_c = aim_c + (self.temp_c - aim_c) * keep

    def _top_off(self) -> None:
        """Refill tanks that have lost a tenth with raw water."""
        cells = self.cells
        low = self.volume_ml < 0.9 * cells.volume_ml
        if low.any():
            ml = np.where(low, cells.volume_ml - self.volume_ml, 0.0)
            moles = self._raw_mol_ml * ml
            self.moles += moles
            self.brought += moles
            self.volume_ml = self.volume_ml + ml

    def _exchange(self) -> None:
        """Exchange CO2 with the air and precipitate brushite, as Reservoir.react does."""
        solution, carbon = self.solution, self.moles[C]
        share = np.where(carbon > 0.0, solution.co2 / (solution.carbon + _TINY), 1.0)
        share = np.maximum(share, 1e-9)
        aim = solution.henry() * AIR_CO2_ATM / share * self.volume_ml * 1e-3
        rate = self.cells.kla_per_h / 3600.0 * share
        change = (aim - carbon) * (1.0 - np.exp(-STEP_S * rate))
        self.moles[C] += change
        self.taken[C] -= change
        if self._step % 10:
            return
        excess = 1.0 - np.exp((_BRUSHITE_SI - solution.si_brushite()) * 1.1513)
        if (excess > 0.0).any():
            limit = np.minimum(self.moles[CA], self.moles[P])
            gone = limit * np.maximum(excess, 0.0) * (1.0 - math.exp(-10.0 * STEP_S / 21_600.0))
            for ion in (CA, P):
                self.moles[ion] -= gone
                self.taken[ion] += gone

    def read(self) -> tuple[Floats, Floats]:
        """Return (pH reading, EC at 25 C in uS/cm)."""
        cells = self.cells
        shown = 7.0 + cells.probe_slope * (self.solution.ph - 7.0) + cells.probe_offset_ph
        shown = shown + self._rng.normal(0.0, 0.01, cells.count)
        return shown, self.solution.conductivities()[1]

    def lost_moles(self) -> float:
        """Return the largest relative error of the mass balance of any element."""
        have = self.moles + self.pocket + self.taken
        worst: float = (np.abs(have - self.brought) / (self.brought + 1e-9)).max()
        return worst
