"""Numbers of the cells of an environment: one column per cell, computed once.

An environment draws a column at each reset, and a vectorised one a column per reservoir. Every
cell starts with its fresh fill. CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from idrosim.benchmark.cases import FRESH_FILL, Cell, all_cells, meq_ml
from idrosim.benchmark.fleet.reservoirs import ONE, Reservoirs, Setting, Value
from idrosim.greenhouse import parameters
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS, amounts
from idrosim.gym.climate import climate_of
from idrosim.probes.parameters import settings

DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
WEEK_S = 604_800.0


class CellTable:
    """The columns of `cells`: `columns[name]` has the cells on its last axis."""

    def __init__(self, cells: Sequence[Cell], stocks: Sequence[str | Mapping[str, float]]) -> None:
        """Compute the columns. `stocks` are bottles of the cell (DOSERS) or ions in mol/L.

        Raises ValueError without cells, or for a cell that cannot reach its targets.
        """
        if not cells:
            raise ValueError("cells: expected at least one")
        self.cells = tuple(cells)
        rows = [_row(cell, stocks) for cell in self.cells]
        self.columns = {name: np.array([row[name] for row in rows]).T for name in rows[0]}
        climates = [climate_of(cell.plant()) for cell in self.cells]
        kinds = list({id(climate): climate for climate in climates}.values())
        self.climates = np.stack(kinds)
        self.columns["climate"] = np.array(
            [next(i for i, kind in enumerate(kinds) if kind is one) for one in climates])
        # Of each stock, the ions that some cell has in it.
        molar = self.columns["stocks"]
        self.ions = [np.nonzero(molar[:, each].any(axis=-1))[0].tolist()
                     for each in range(molar.shape[1])]

    def pick(self, chosen: int | npt.NDArray[np.int64]) -> dict[str, Any]:
        """Return the numbers of a cell, or arrays of those of several."""
        found: dict[str, Any] = {}
        for name, column in self.columns.items():
            if isinstance(chosen, int):
                found[name] = column[..., chosen].tolist()
            else:
                taken = column[..., chosen]
                found[name] = taken if taken.ndim == 1 else list(taken)
        return found

    def setting(self, picked: Mapping[str, Any]) -> Setting:
        """Return the Setting of what `pick` returned."""
        stocks = [[(ion, picked["stocks"][ion][each]) for ion in ions]
                  for each, ions in enumerate(self.ions)]
        if isinstance(picked["volume_ml"], float):
            stocks = [[(ion, per_ml) for ion, per_ml in stock if per_ml] for stock in stocks]
        return Setting(
            picked["volume_ml"], picked["rim_ml"], picked["raw_mol_ml"], picked["tap_c"],
            picked["mixing_s"], picked["ua_w_k"], picked["warmer_c"], picked["kla_per_s"],
            picked["brushite_per_s"], picked["crop_area_m2"], stocks)


@cache
def default_cells() -> tuple[Cell, ...]:
    """Return the cells of `idroserra sim score`."""
    return tuple(all_cells())


def _row(cell: Cell, stocks: Sequence[str | Mapping[str, float]]) -> dict[str, Value]:
    """Return the numbers of a cell by name; ten numbers are ions in the order of IONS."""
    plant = parameters.complete(cell.plant())
    setup, litres = cell.titration, float(cell.volume_l)
    bottles = [amounts(STOCKS, cell.stocks[stock] if isinstance(stock, str) else stock, 1e-3)
               for stock in stocks]
    turnover_s = 3.6 * plant["reservoir.volume_ml"] / plant["circulation.flow_l_per_h"]
    row = {
        "volume_ml": plant["reservoir.volume_ml"],
        "rim_ml": 0.1 * plant["reservoir.height_mm"] * plant["reservoir.area_cm2"],
        "full_mm": 10.0 * plant["reservoir.volume_ml"] / plant["reservoir.area_cm2"],
        "raw_mol_ml": amounts(WATERS, cell.water, 1e-6),
        "tap_c": plant["top_off.temp_c"], "tap_ml_s": plant["top_off.flow_ml_per_s"],
        "mixing_s": min(plant["reservoir.turnovers_to_mix"] * turnover_s,
                        plant["reservoir.still_mixing_s"]),
        "ua_w_k": plant["reservoir.ua_w_k"],
        "warmer_c": plant["circulation.power_w"] / plant["reservoir.ua_w_k"],
        "kla_per_s": plant["reservoir.kla_per_h"] / 3_600.0,
        "brushite_per_s": 1.0 / (3_600.0 * plant["reservoir.brushite_tau_h"]),
        "crop_area_m2": plant["crop.area_m2"], "stocks": np.array(bottles),
        # Of the pump of each stock; NaN is drawn.
        "pump_errors": [_error_ratio(plant, stock) for stock in stocks],
        "temp_c": plant["reservoir.temp_c"], "pump_ml_s": cell.pump_ml_s,
        "target_ph": cell.target_ph, "target_us_cm": cell.target_us_cm,
        "band_us_cm": cell.band_us_cm, "acid_ml_per_ph": setup.acid_ml_per_ph,
        "base_ml_per_ph": setup.base_ml_per_ph,
        "nutrient_ml_per_100_us_cm": setup.nutrient_ml_per_100_us_cm,
        "acid_meq_ml": meq_ml(cell.stocks["ph_down"]), "base_meq_ml": meq_ml(cell.stocks["ph_up"]),
        "recipe_mmol_l": [1e3 * mol for mol in amounts(
            RECIPES, cell.recipe, 1e-3 * cell.strength)],
        "fill_mol": [litres * mol for mol in cell.solution(FRESH_FILL * cell.strength)],
    }
    row["warm"] = _solved(row)
    return row | _probes(cell)


def _error_ratio(plant: Mapping[str, Any], stock: str | Mapping[str, float]) -> float:
    declared = plant[f"{stock}.error_pct"] if isinstance(stock, str) else None
    return float("nan") if declared is None else 0.01 * float(declared)


def _solved(row: Mapping[str, Any]) -> list[float]:
    """Return the state of the solver for a fresh fill."""
    setting = Setting(row["volume_ml"], row["rim_ml"], row["raw_mol_ml"], row["tap_c"],
                      row["mixing_s"], row["ua_w_k"], row["warmer_c"], row["kla_per_s"],
                      row["brushite_per_s"], row["crop_area_m2"], [])
    return Reservoirs(ONE, setting, row["fill_mol"], row["temp_c"]).warm()


def _probes(cell: Cell) -> dict[str, float]:
    params = cell.probe_params
    ph, ec, level = (settings(kind, params) for kind in ("ph", "ec", "level"))
    return {
        "ph_slope_ratio": ph["slope_ratio"], "ph_offset_mv": ph["offset_mv"],
        "ph_noise_mv": ph["noise_mv"], "ph_tau_s": ph["tau_s"],
        "ph_walk_mv": ph["offset_walk_mv"] / WEEK_S**0.5, "ec_ratio": ec["cell_ratio"],
        "ec_noise_ratio": ec["noise_ratio"], "ec_tau_s": ec["tau_s"],
        "level_noise_mm": level["noise_mm"],
    }
