"""The cells of the scoreboard: water, acid, volume and probes, and what is known at commissioning.

Every cell is one greenhouse of the twin (plant.py), filled fresh with nutrient solution at four
fifths of its strength and at the pH the water then has. Crop, air, pumps, circulation and tap
grow with the volume, so that a cell of 1,000 litres is ten of 100 litres and no other garden.
CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from idrosim.chemistry import AIR_CO2_ATM, Solution
from idrosim.conductivity import conductivities
from idrosim.equilibria import EquilibriaTable
from idrosim.water import RECIPES, STOCKS, WATERS, amounts

RECIPE = "lettuce"
TEMP_C = 20.0
TARGET_PH = 5.8
BAND_PH = 0.2
FRESH_FILL = 0.8  # of the recipe's strength
DEPTH_MM = 200.0  # of every tank when it is full enough
FILL_BELOW_MM = 2.0
PUMP_ML_S_L = 0.02
CROP_M2_L = 0.005
EC_BAND_RATIO = 0.08
LEAST_BAND_US_CM = 100.0

# Who has hard water buys strong acid. By water: the acids and the base.
_WEAK = {"h3po4": "h3po4_10pct", "hno3": "hno3_10pct"}
_STRONG = {"h3po4": "h3po4_2.9M", "hno3": "hno3_2.9M"}
ACIDS = {"ro": _WEAK, "soft": _WEAK, "medium": _STRONG, "hard": _STRONG}
BASE = "khco3_1M"
VOLUMES_L = (20, 100, 1_000)
# Acid or base in a ml of stock, meq: at pH 5.8 phosphoric acid has given one proton.
MEQ_ML = {
    name: row.get("K", 0.0) + row.get("P", 0.0) + row.get("NO3", 0.0)
    for name, row in STOCKS.items() if not name.startswith(("nutrient", "water"))
}
# Both were calibrated on the first day. The aged one is slow, noisy and holds it badly.
PROBES: Mapping[str, Mapping[str, float]] = {
    "fresh": {},
    "aged": {
        "probe.ph.slope_ratio": 0.96, "probe.ph.offset_mv": 6.0, "probe.ph.tau_s": 45.0,
        "probe.ph.noise_mv": 1.0, "probe.ph.offset_walk_mv": 3.0, "probe.ec.cell_ratio": 1.03,
        "probe.ec.tau_s": 15.0, "probe.ec.noise_ratio": 0.004,
    },
}

_table = EquilibriaTable()


@dataclass(frozen=True)
class Titration:
    """What a grower finds at commissioning, with the stock that is in the bottles."""

    acid_ml_per_ph: float
    base_ml_per_ph: float
    nutrient_ml_per_100_us_cm: float  # of A, and as much of B


@dataclass(frozen=True)
class Cell:
    """One greenhouse of the scoreboard."""

    water: str
    acid: str
    volume_l: int
    probes: str

    @property
    def name(self) -> str:
        """Its name, such as ro-h3po4-20-fresh."""
        return f"{self.water}-{self.acid}-{self.volume_l}-{self.probes}"

    @property
    def seed(self) -> int:
        """What draws weather, noise and pump errors: the same for every policy."""
        return 1 + sum(ord(char) * (index + 1) for index, char in enumerate(self.name))

    @property
    def stocks(self) -> dict[str, str]:
        """The stock in each bottle."""
        return {
            "ph_down": ACIDS[self.water][self.acid], "ph_up": BASE,
            "nutrient_a": "nutrient_a", "nutrient_b": "nutrient_b",
        }

    @property
    def pump_ml_s(self) -> float:
        """What each dosing pump gives."""
        return PUMP_ML_S_L * self.volume_l

    @cached_property
    def target_us_cm(self) -> float:
        """The EC of this water with the whole recipe, brought to the target pH in air."""
        molal = _solution(self.water, 1.0)
        ml_l = _ml_to_ph(molal, self, TARGET_PH, AIR_CO2_ATM)
        found = _solve(_with(molal, self, ml_l), AIR_CO2_ATM)
        return 10.0 * float(round(conductivities(found)[1] / 10.0))

    @property
    def band_us_cm(self) -> float:
        """How far the true EC may be from its target."""
        return max(LEAST_BAND_US_CM, EC_BAND_RATIO * self.target_us_cm)

    @cached_property
    def fill_ph(self) -> float:
        """The pH of the fresh fill."""
        return float(_solve(_solution(self.water, FRESH_FILL), None).ph)

    @cached_property
    def titration(self) -> Titration:
        """Titrate the fresh fill, closed, from where it stands to the target (or half a pH)."""
        molal = _solution(self.water, FRESH_FILL)
        stands = self.fill_ph
        at_target = _with(molal, self, _ml_to_ph(molal, self, TARGET_PH, None))
        if stands > TARGET_PH + 0.3:
            down = _ml_to_ph(molal, self, TARGET_PH, None) / (stands - TARGET_PH)
        else:
            down = _ml_to_ph(at_target, self, TARGET_PH - 0.5, None) / 0.5
        if stands < TARGET_PH - 0.3:
            up = _ml_to_ph(molal, self, TARGET_PH, None) / (stands - TARGET_PH)
        else:
            up = -_ml_to_ph(at_target, self, TARGET_PH + 0.5, None) / 0.5
        fed = [a + b + c for a, b, c in zip(
            at_target, amounts(STOCKS, "nutrient_a", 1e-3), amounts(STOCKS, "nutrient_b", 1e-3),
            strict=True)]
        rise = conductivities(_solve(fed, None))[1] - conductivities(_solve(at_target, None))[1]
        litres = float(self.volume_l)
        return Titration(abs(down) * litres, abs(up) * litres, litres * 100.0 / rise)

    def plant(self) -> dict[str, Any]:
        """Return the parameters of its twin."""
        litres = float(self.volume_l)
        area_m2 = CROP_M2_L * litres
        surface = (litres / 60.0) ** (2.0 / 3.0)
        params: dict[str, Any] = {
            "reservoir.volume_ml": 1e3 * litres,
            "reservoir.area_cm2": 1e4 * litres / DEPTH_MM,
            "reservoir.height_mm": 1.5 * DEPTH_MM,
            "reservoir.water": self.water, "top_off.water": self.water,
            "reservoir.recipe": RECIPE, "reservoir.strength": FRESH_FILL,
            "reservoir.temp_c": TEMP_C, "reservoir.ua_w_k": 6.0 * surface,
            "circulation.flow_l_per_h": 6.0 * litres, "circulation.power_w": 8.0 * surface,
            "top_off.flow_ml_per_s": 0.05 * litres,
            "crop.area_m2": area_m2, "air.volume_m3": 10.0 * area_m2,
            "air.ua_w_k": 30.0 * area_m2, "air.heat_capacity_j_k": 1e5 * area_m2,
        }
        for doser, stock in self.stocks.items():
            params[f"{doser}.stock"] = stock
            params[f"{doser}.flow_ml_per_s"] = self.pump_ml_s
            params[f"{doser}.bottle_ml"] = 1e6
        return params


def all_cells() -> list[Cell]:
    """Return the matrix: 4 waters x 2 acids x 3 volumes x fresh and aged probes."""
    return [
        Cell(water, acid, volume_l, probes)
        for water in WATERS for acid in _WEAK for volume_l in VOLUMES_L
        for probes in PROBES
    ]


def chosen(wanted: str | None) -> list[Cell]:
    """Return the cells of `wanted`: None all, a number so many spread over all, else patterns.

    Patterns are shell patterns of names with commas between. Raises ValueError for no cell.
    """
    cells = all_cells()
    if wanted is None:
        return cells
    if wanted.isdigit():
        count = min(int(wanted), len(cells))
        if count < 1:
            raise ValueError("cells: at least one is needed")
        return [cells[index * len(cells) // count] for index in range(count)]
    patterns = [part.strip() for part in wanted.split(",")]
    found = [cell for cell in cells if any(fnmatch(cell.name, part) for part in patterns)]
    if not found:
        raise ValueError(f"cells: none is named {wanted}; the first is {cells[0].name}")
    return found


def _solution(water: str, strength: float) -> list[float]:
    raw, salts = amounts(WATERS, water, 1e-3), amounts(RECIPES, RECIPE, strength * 1e-3)
    return [a + b for a, b in zip(raw, salts, strict=True)]


def _solve(molal: list[float], gas_atm: float | None) -> Any:
    solution: Any = Solution(_table)
    solution.gas_atm = gas_atm
    solution.set(molal, TEMP_C)
    solution.solve(1e-8)
    return solution


def _with(molal: list[float], cell: Cell, ml_l: float) -> list[float]:
    """Return the solution with `ml_l` of acid, or of base where it is below zero."""
    stock = cell.stocks["ph_down" if ml_l > 0.0 else "ph_up"]
    brought = amounts(STOCKS, stock, 1e-3 * abs(ml_l))
    return [a + b for a, b in zip(molal, brought, strict=True)]


def _ml_to_ph(molal: list[float], cell: Cell, ph: float, gas_atm: float | None) -> float:
    """Return the ml of acid in a litre to `ph`, below zero of base."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        is_above = _solve(_with(molal, cell, middle), gas_atm).ph > ph
        low, high = (middle, high) if is_above else (low, middle)
    return high
