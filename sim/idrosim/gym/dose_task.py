"""The task of dose-v0: hold pH, EC and level with acid, base, nutrient and the tap.

CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idrosim.benchmark.cases import BAND_PH
from idrosim.benchmark.fleet.reservoirs import Value
from idrosim.gym.cell_table import DOSERS
from idrosim.gym.greenhouse import NORMALS, Flows, Greenhouse
from idrosim.gym.task import HOUSE_COLUMNS, Column, closeness, measured

MAX_ON_S = 10.0  # of a pump in one step, as the firmware's gate allows one dose
BAND_LEVEL_RATIO = 0.05
_WEIGHTS = {"ph": 0.4, "ec": 0.4, "level": 0.2}
_COST_PER_MEQ_L = 2.0  # of acid and base: fighting one with the other must not pay


class DoseTask:
    """The bottles of the cell: acid, base, nutrient A and B."""

    stocks: Sequence[str | Mapping[str, float]] = DOSERS
    normals = NORMALS
    actions: Sequence[Column] = (("ph", -1.0, 1.0), ("nutrient", 0.0, 1.0), ("tap", 0.0, 1.0))
    observations: Sequence[Column] = (
        *HOUSE_COLUMNS, ("target_ph", 0.0, 14.0), ("target_ec_ms_cm", 0.0, 20.0),
        ("acid_ph", 0.0, 14.0), ("base_ph", 0.0, 14.0), ("nutrient_ms_cm", 0.0, 20.0))

    def flows(self, house: Greenhouse, action: Sequence[Value]) -> Flows:
        """Return acid below 0 or base above 0, as much A as B, and water of the tap."""
        cell, most = house.cell, house.numbers.most
        full_ml = MAX_ON_S * cell["pump_ml_s"]
        ph, nutrient, tap = action
        nutrient_ml = nutrient * full_ml
        return Flows(
            (most(-ph, 0.0) * full_ml, most(ph, 0.0) * full_ml, nutrient_ml, nutrient_ml),
            tap * cell["tap_ml_s"] * house.dt_s, 0.0)

    def observe(self, house: Greenhouse, normals: Sequence[Value]) -> list[Value]:
        """Return the readings, the targets, and what full doses do by the titration."""
        cell, least = house.cell, house.numbers.least
        full_ml = MAX_ON_S * cell["pump_ml_s"]
        return [
            *measured(house, normals), cell["target_ph"], 1e-3 * cell["target_us_cm"],
            least(full_ml / cell["acid_ml_per_ph"], 14.0),
            least(full_ml / cell["base_ml_per_ph"], 14.0),
            least(0.1 * full_ml / cell["nutrient_ml_per_100_us_cm"], 20.0)]

    def reward(self, house: Greenhouse, flows: Flows) -> Value:
        """Return the closeness of pH, EC and level, less the cost of acid and base."""
        cell = house.cell
        acid_ml, base_ml, _, _ = flows.doses_ml
        meq_l = 1e3 * (acid_ml * cell["acid_meq_ml"] + base_ml * cell["base_meq_ml"]) / (
            cell["volume_ml"])
        return (
            _WEIGHTS["ph"] * closeness(house, house.water.ph - cell["target_ph"], BAND_PH)
            + _WEIGHTS["ec"] * closeness(
                house, house.ec_us_cm - cell["target_us_cm"], cell["band_us_cm"])
            + _WEIGHTS["level"] * closeness(house, house.level_ratio - 1.0, BAND_LEVEL_RATIO)
            - _COST_PER_MEQ_L * meq_l)
