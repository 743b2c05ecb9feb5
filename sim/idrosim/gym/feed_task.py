"""The task of feed-v0: hold every nutrient ion with single salts, tap and drain. CPython only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idrosim.benchmark.cases import BAND_PH
from idrosim.benchmark.fleet.reservoirs import Value
from idrosim.greenhouse.chemistry import IONS
from idrosim.gym.dose_task import BAND_LEVEL_RATIO, MAX_ON_S
from idrosim.gym.greenhouse import NORMALS, Flows, Greenhouse
from idrosim.gym.task import HOUSE_COLUMNS, Column, closeness, measured
from idrosim.water_solver.nutrient_batch import SALTS

SALT_MOL_L = 0.5  # of each bottle: K2SO4 is near saturation
SALT_NAMES = ("Ca(NO3)2.4H2O", "KNO3", "NH4NO3", "MgSO4.7H2O", "KH2PO4", "K2SO4", "KCl")
SALT_ML_L = 1.0  # of a full tank, at an action of 1
DRAIN_RATIO = 0.05  # of a full tank
MEASURED = tuple(ion for ion in IONS if ion != "C")
NUTRIENTS = tuple(ion for ion in MEASURED if ion not in ("Na", "Cl"))
ION_NOISE_RATIO = 0.03  # of an ion-selective electrode
BAND_RATIO, _LEAST_BAND_MMOL_L = 0.1, 0.05
_MAX_MMOL_L = 200.0
_WEIGHTS = {"ions": 0.6, "ph": 0.3, "level": 0.1}
_COST_PER_MMOL_L, _COST_PER_TANK = 0.02, 2.0  # of salts, and of solution drained


class FeedTask:
    """Bottles of single salts at SALT_MOL_L, acid and base of the cell, tap and drain."""

    stocks: Sequence[str | Mapping[str, float]] = (
        "ph_down", "ph_up",
        *({ion: SALT_MOL_L * count for ion, count in SALTS[name][2].items()}
          for name in SALT_NAMES))
    normals = NORMALS + len(MEASURED)
    actions: Sequence[Column] = (
        ("ph", -1.0, 1.0), *((name, 0.0, 1.0) for name in SALT_NAMES), ("tap", 0.0, 1.0),
        ("drain", 0.0, 1.0))
    observations: Sequence[Column] = (
        *HOUSE_COLUMNS, *((f"{ion}_mmol_l", 0.0, _MAX_MMOL_L) for ion in MEASURED),
        ("target_ph", 0.0, 14.0),
        *((f"target_{ion}_mmol_l", 0.0, _MAX_MMOL_L) for ion in NUTRIENTS))

    def flows(self, house: Greenhouse, action: Sequence[Value]) -> Flows:
        """Return acid or base, each salt, water of the tap, and what is drained."""
        cell, most = house.cell, house.numbers.most
        ph, *salts, tap, drain = action
        full_ml = MAX_ON_S * cell["pump_ml_s"]
        salt_ml = 1e-3 * SALT_ML_L * cell["volume_ml"]
        return Flows(
            (most(-ph, 0.0) * full_ml, most(ph, 0.0) * full_ml,
             *(share * salt_ml for share in salts)),
            tap * cell["tap_ml_s"] * house.dt_s, drain * DRAIN_RATIO * cell["volume_ml"])

    def observe(self, house: Greenhouse, normals: Sequence[Value]) -> list[Value]:
        """Return the readings, every ion, and the targets."""
        least, most = house.numbers.least, house.numbers.most
        molar, target = house.water.molar, house.cell["recipe_mmol_l"]
        ions = [least(1e3 * molar[IONS.index(ion)] * most(1.0 + ION_NOISE_RATIO * normal, 0.0),
                      _MAX_MMOL_L)
                for ion, normal in zip(MEASURED, normals[NORMALS:], strict=True)]
        return [*measured(house, normals), *ions, house.cell["target_ph"],
                *(target[IONS.index(ion)] for ion in NUTRIENTS)]

    def reward(self, house: Greenhouse, flows: Flows) -> Value:
        """Return the closeness of ions, pH and level, less the cost of salts and drained water."""
        cell, molar, most = house.cell, house.water.molar, house.numbers.most
        close = 0.0
        for ion in NUTRIENTS:
            target = cell["recipe_mmol_l"][IONS.index(ion)]
            close = close + closeness(house, 1e3 * molar[IONS.index(ion)] - target,
                                      most(BAND_RATIO * target, _LEAST_BAND_MMOL_L))
        volume_ml = cell["volume_ml"]
        salts_ml = sum(flows.doses_ml[2:])
        return (
            _WEIGHTS["ions"] * close / len(NUTRIENTS)
            + _WEIGHTS["ph"] * closeness(house, house.water.ph - cell["target_ph"], BAND_PH)
            + _WEIGHTS["level"] * closeness(house, house.level_ratio - 1.0, BAND_LEVEL_RATIO)
            - _COST_PER_MMOL_L * 1e3 * SALT_MOL_L * salts_ml / volume_ml
            - _COST_PER_TANK * flows.drain_ml / volume_ml)
