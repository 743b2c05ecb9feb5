"""The cells of the scoreboard: water, acid, volume and probes, and the results of commissioning.

Every cell is one simulated greenhouse with a fresh fill of nutrient solution at 80 % strength and
the resulting pH. Crop, air, pumps, circulation and tap scale with the volume, so that a cell of
1,000 litres behaves like ten of 100 litres. case_file.py reads custom cells. CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from idrosim.benchmark.disturbances import Disturbance
from idrosim.greenhouse.chemistry import AIR_CO2_ATM, IONS, Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS, amounts
from idrosim.probes.parameters import DEFAULTS

Ions = dict[str, float]  # waters and recipes in mmol/L, stocks in mol/L

RECIPE = "lettuce"
TEMP_C = 20.0
_COOLER_OUTSIDE_C, _COOLER_TAP_C = 1.0, 4.0  # than the water when it was filled
TARGET_PH = 5.8
BAND_PH = 0.2
FRESH_FILL = 0.8  # of the strength of the recipe
DEPTH_MM = 200.0  # of every full tank
FILL_BELOW_MM = 2.0
PUMP_ML_S_L = 0.02
MAX_PUMP_ML_S = 20.0  # maximum of a node; a larger tank has stronger nutrient instead
MIXING_S = 900.0  # until 95 % of a dose are mixed
_TURNOVERS_TO_MIX = 1.5  # of the tank, for that
NUTRIENT_TIMES = 100.0  # strength of the stock relative to the recipe
CROP_M2_L = 0.005
EC_BAND_RATIO = 0.08
MAX_STRENGTH = 3.0  # of a recipe
_SECANTS = 8
MAX_ML_L = 50.0  # of acid or base per litre
MIN_BAND_US_CM = 100.0

# Hard water needs strong acid; small tanks of soft water need diluted acid.
_WEAK = {"h3po4": "h3po4_10pct", "hno3": "hno3_10pct"}
_STRONG = {"h3po4": "h3po4_2.9M", "hno3": "hno3_2.9M"}
_DILUTED = {"h3po4": "h3po4_0.25M", "hno3": "hno3_0.4M"}
HARD_FROM_MEQ_L = 1.0  # of alkalinity
_SMALL_BELOW_L = 20.0
_OF_PROBES = "probe."
BASE, DILUTED_BASE = "khco3_1M", "khco3_0.25M"
VOLUMES_L = (20, 100, 1_000)
PH_STOCKS = tuple(name for name in STOCKS if not name.startswith(("nutrient", "water")))
# Both are calibrated on the first day. The aged one is slow and noisy, and drifts.
PROBES: Mapping[str, Mapping[str, float]] = {
    "fresh": {},
    "aged": {
        "probe.ph.slope_ratio": 0.96, "probe.ph.offset_mv": 6.0, "probe.ph.tau_s": 45.0,
        "probe.ph.noise_mv": 1.0, "probe.ph.offset_walk_mv": 3.0, "probe.ec.cell_ratio": 1.03,
        "probe.ec.tau_s": 15.0, "probe.ec.noise_ratio": 0.004,
    },
}
AGED_DAYS = 365.0  # age of "aged" probes; parameters are linear in age

# With phosphate as H2PO4-. In a water, bicarbonate balances the remainder.
ION_CHARGES = {"K": 1, "Na": 1, "NH4": 1, "Ca": 2, "Mg": 2, "NO3": -1, "Cl": -1, "SO4": -2,
               "P": -1}

_table = EquilibriaTable()


class TooWeakError(ValueError):
    """No dose of an acid or base reaches a pH. `side` is acid or base."""

    def __init__(self, side: str, why: str) -> None:
        super().__init__(why)
        self.side = side


@dataclass(frozen=True)
class Titration:
    """Results of commissioning, with the stocks in the bottles."""

    acid_ml_per_ph: float
    base_ml_per_ph: float
    nutrient_ml_per_100_us_cm: float  # of A, and as much of B


@dataclass(frozen=True)
class Cell:
    """One greenhouse of the scoreboard.

    `water` and `recipe` are names, or amounts by ion. `acid` and `base` are stocks of water.py or
    ions in mol/L; the acids h3po4 and hno3 get a strength that suits water and volume. `probes` is
    "fresh", "aged" or an age in days. None means: the base that suits, the EC of the full recipe,
    a crop that suits the volume, the days of the scoreboard, the flow and the strength of nutrient
    that suit the volume, and for `drawn` a seed made of the name. `twin` overrides other
    parameters of plant and probes by key.
    """

    water: str | Ions
    acid: str | Ions
    volume_l: float
    probes: str | float
    recipe: str | Ions = RECIPE
    base: str | Ions | None = None
    temp_c: float = TEMP_C
    target_ph: float = TARGET_PH
    ec_us_cm: float | None = None
    crop_m2: float | None = None
    days: float | None = None
    title: str = ""
    drawn: int | None = None
    flow_ml_s: float | None = None
    nutrient_times: float | None = None
    mixing_s: float = MIXING_S
    twin: Mapping[str, float] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()

    @property
    def name(self) -> str:
        """The name, such as ro-h3po4-20-fresh."""
        return self.title or f"{self.water}-{self.acid}-{self.volume_l:g}-{self.probes}"

    @property
    def seed(self) -> int:
        """Seed of weather, noise and pump errors: the same for every policy."""
        if self.drawn is not None:
            return self.drawn
        return 1 + sum(ord(char) * (index + 1) for index, char in enumerate(self.name))

    @property
    def alkalinity_meq_l(self) -> float:
        """Alkalinity of the raw water, meq/L."""
        return alkalinity_meq_l(self.water)

    @cached_property
    def stocks(self) -> dict[str, Any]:
        """The stock in each bottle: its name, or its ions in mol/L."""
        acids, base = _WEAK, BASE
        if self.alkalinity_meq_l > HARD_FROM_MEQ_L:
            acids = _STRONG
        elif self.volume_l < _SMALL_BELOW_L:
            acids, base = _DILUTED, DILUTED_BASE
        times = self.nutrient_times or (
            NUTRIENT_TIMES * max(1.0, PUMP_ML_S_L * self.volume_l / MAX_PUMP_ML_S))
        nutrient_a: str | Ions = "nutrient_a"
        nutrient_b: str | Ions = "nutrient_b"
        if self.recipe != RECIPE or times != NUTRIENT_TIMES:
            nutrient_a, nutrient_b = nutrients(self.recipe, times)
        acid = acids.get(self.acid, self.acid) if isinstance(self.acid, str) else self.acid
        return {
            "ph_down": acid,
            "ph_up": self.base or base, "nutrient_a": nutrient_a, "nutrient_b": nutrient_b}

    @property
    def pump_ml_s(self) -> float:
        """Declared flow of each dosing pump, ml/s."""
        return self.flow_ml_s or min(PUMP_ML_S_L * self.volume_l, MAX_PUMP_ML_S)

    @property
    def probe_params(self) -> dict[str, float]:
        """Probe parameters that differ from the defaults."""
        own = {key: value for key, value in self.twin.items() if key.startswith(_OF_PROBES)}
        if isinstance(self.probes, str):
            return {**PROBES[self.probes], **own}
        share, found = self.probes / AGED_DAYS, {}
        for key, aged in PROBES["aged"].items():
            _, kind, name = key.split(".")
            fresh = DEFAULTS[kind][name]
            found[key] = fresh + (aged - fresh) * share
        return {**found, **own}

    @cached_property
    def strength(self) -> float:
        """The strength of the recipe for the target EC. Raises ValueError if there is none."""
        if self.ec_us_cm is None:
            return 1.0
        low, high = 0.0, MAX_STRENGTH
        below, above = (self.ec_at(end) - self.ec_us_cm for end in (low, high))
        found = high
        for _ in range(_SECANTS if below < 0.0 < above else 0):  # EC is close to linear
            found = low - below * (high - low) / (above - below)
            off = self.ec_at(found) - self.ec_us_cm
            if off > 0.0:
                high, above = found, off
            else:
                low, below = found, off
        if not 0.01 < found < 0.99 * MAX_STRENGTH:
            raise ValueError(f"no strength of the recipe has {self.ec_us_cm:g} uS/cm: it is "
                             f"{below + self.ec_us_cm:.0f} at strength 0 and "
                             f"{above + self.ec_us_cm:.0f} at {MAX_STRENGTH:g}")
        return found

    @cached_property
    def target_us_cm(self) -> float:
        """The target EC, by default that of the full recipe at the target pH in air."""
        if self.ec_us_cm is not None:
            return self.ec_us_cm
        return 10.0 * float(round(self.ec_at(1.0) / 10.0))

    def ec_at(self, strength: float) -> float:
        """Return the EC of the recipe at `strength` in the water, at the target pH in air."""
        molal = self.solution(strength)
        ml_l = _ml_to_ph(molal, self, self.target_ph, AIR_CO2_ATM)
        return float(conductivities(_solve(_with(molal, self, ml_l), self.temp_c, AIR_CO2_ATM))[1])

    @property
    def band_us_cm(self) -> float:
        """Allowed difference of the true EC from its target, uS/cm."""
        return max(MIN_BAND_US_CM, EC_BAND_RATIO * self.target_us_cm)

    @cached_property
    def fill_ph(self) -> float:
        """The pH of the fresh fill."""
        return float(_solve(self.solution(FRESH_FILL * self.strength), self.temp_c, None).ph)

    @cached_property
    def fill_ml(self) -> float:
        """Acid (negative: base) that brings the fresh fill to the target once CO2 has left, ml."""
        molal = self.solution(FRESH_FILL * self.strength)
        return self.volume_l * _ml_to_ph(molal, self, self.target_ph, AIR_CO2_ATM)

    def acid_below_ml(self, off_ph: float) -> float:
        """Return the acid that lowers the tank by `off_ph` once it is at its target in air, ml."""
        molal = self.solution(self.strength)
        open_ml_l = _ml_to_ph(molal, self, self.target_ph, AIR_CO2_ATM)
        at_target = _with(molal, self, open_ml_l)
        at_target[IONS.index("C")] = _solve(at_target, self.temp_c, AIR_CO2_ATM).carbon
        return self.volume_l * _ml_to_ph(at_target, self, self.target_ph - off_ph, None)

    @cached_property
    def titration(self) -> Titration:
        """Titration of the fresh fill, closed, from its pH to the target (or over half a pH).

        Raises TooWeakError if no dose of its acid or base reaches that.
        """
        molal = self.solution(FRESH_FILL * self.strength)
        fill_ph, target = self.fill_ph, self.target_ph
        at_target = _with(molal, self, _ml_to_ph(molal, self, target, None))
        if fill_ph > target + 0.3:
            down = _ml_to_ph(molal, self, target, None) / (fill_ph - target)
        else:
            down = _ml_to_ph(at_target, self, target - 0.5, None) / 0.5
        if fill_ph < target - 0.3:
            up = _ml_to_ph(molal, self, target, None) / (fill_ph - target)
        else:
            up = -_ml_to_ph(at_target, self, target + 0.5, None) / 0.5
        fed = [a + b + c for a, b, c in zip(
            at_target, amounts(STOCKS, self.stocks["nutrient_a"], 1e-3),
            amounts(STOCKS, self.stocks["nutrient_b"], 1e-3), strict=True)]
        rise = (conductivities(_solve(fed, self.temp_c, None))[1]
                - conductivities(_solve(at_target, self.temp_c, None))[1])
        litres = float(self.volume_l)
        return Titration(abs(down) * litres, abs(up) * litres, litres * 100.0 / rise)

    def solution(self, strength: float) -> list[float]:
        """Return the water with the recipe at `strength`, mol/kg."""
        raw = amounts(WATERS, self.water, 1e-3)
        salts = amounts(RECIPES, self.recipe, strength * 1e-3)
        return [a + b for a, b in zip(raw, salts, strict=True)]

    def plant(self) -> dict[str, Any]:
        """Return the plant parameters of the twin."""
        litres = float(self.volume_l)
        usual_m2 = CROP_M2_L * litres
        area_m2 = usual_m2 if self.crop_m2 is None else self.crop_m2
        room_m2 = max(area_m2, usual_m2)
        surface = (litres / 60.0) ** (2.0 / 3.0)
        params: dict[str, Any] = {
            "reservoir.volume_ml": 1e3 * litres, "reservoir.area_cm2": 1e4 * litres / DEPTH_MM,
            "reservoir.height_mm": 1.5 * DEPTH_MM,
            "reservoir.water": self.water, "top_off.water": self.water,
            "reservoir.recipe": self.recipe, "reservoir.strength": FRESH_FILL * self.strength,
            "reservoir.temp_c": self.temp_c, "reservoir.ua_w_k": 6.0 * surface,
            "outside.temp_c": self.temp_c - _COOLER_OUTSIDE_C,
            "top_off.temp_c": max(1.0, self.temp_c - _COOLER_TAP_C),
            "circulation.flow_l_per_h": 3_600.0 * _TURNOVERS_TO_MIX * litres / self.mixing_s,
            "circulation.power_w": 8.0 * surface,
            "top_off.flow_ml_per_s": 0.05 * litres * room_m2 / usual_m2,
            "crop.area_m2": area_m2, "air.volume_m3": 10.0 * room_m2,
            "air.ua_w_k": 30.0 * room_m2, "air.heat_capacity_j_k": 1e5 * room_m2}
        for doser, stock in self.stocks.items():
            params[f"{doser}.stock"] = stock
            params[f"{doser}.flow_ml_per_s"] = self.pump_ml_s
            params[f"{doser}.bottle_ml"] = 1e6
        params.update((key, value) for key, value in self.twin.items()
                      if not key.startswith(_OF_PROBES))
        return params


def meq_ml(stock: str | Ions) -> float:
    """Return the acid or base per ml of a stock, meq: phosphoric acid loses one proton here."""
    row = stock if isinstance(stock, dict) else STOCKS[stock]
    return row.get("K", 0.0) + row.get("P", 0.0) + row.get("NO3", 0.0)


def alkalinity_meq_l(water: str | Ions) -> float:
    """Return the alkalinity of a raw water by its charges, meq/L."""
    ions = water if isinstance(water, dict) else WATERS[water]
    return sum(charge * ions.get(ion, 0.0) for ion, charge in ION_CHARGES.items())


def nutrients(recipe: str | Ions, times: float) -> tuple[Ions, Ions]:
    """Return stocks A and B, mol/L, at `times` the recipe, dosed in equal volumes.

    A has all calcium and no sulfate or phosphate: nitrates (and chlorides) of calcium, ammonium,
    and potassium with half of the remaining nitrate. Raises ValueError if there is too little
    nitrate and chloride for the calcium.
    """
    whole = recipe if isinstance(recipe, dict) else RECIPES[recipe]
    anions = whole.get("NO3", 0.0) + whole.get("Cl", 0.0)
    left = anions - 2.0 * whole.get("Ca", 0.0)
    if left < 0.0:
        raise ValueError(f"{whole['Ca']:g} mmol/L Ca needs {2.0 * whole['Ca']:g} of NO3 and Cl "
                         f"in a stock without SO4 and P; there are {anions:g}")
    ammonium = min(whole.get("NH4", 0.0), left)
    potassium = min(whole.get("K", 0.0), 0.5 * (left - ammonium))
    in_a = {"Ca": whole.get("Ca", 0.0), "NH4": ammonium, "K": potassium}
    share = (2.0 * in_a["Ca"] + ammonium + potassium) / anions if anions else 0.0
    for ion in ("NO3", "Cl"):
        in_a[ion] = share * whole.get(ion, 0.0)
    molar = 1e-3 * times
    return (
        {ion: molar * amount for ion, amount in in_a.items() if amount > 0.0},
        {ion: molar * (amount - in_a.get(ion, 0.0)) for ion, amount in whole.items()
         if amount > in_a.get(ion, 0.0)},
    )


def all_cells() -> list[Cell]:
    """Return the matrix: 4 waters x 2 acids x 3 volumes x fresh and aged probes."""
    return [
        Cell(water, acid, volume_l, probes)
        for water in WATERS for acid in _WEAK for volume_l in VOLUMES_L
        for probes in PROBES
    ]


def select(wanted: str | None) -> list[Cell]:
    """Return cells: all for None, evenly spread ones for a number, else those that match.

    `wanted` then holds shell patterns of names, separated by commas. Raises ValueError if no cell
    matches.
    """
    cells = all_cells()
    if wanted is None:
        return cells
    if wanted.isdigit():
        count = min(int(wanted), len(cells))
        if count < 1:
            raise ValueError("cells: expected at least 1")
        return [cells[index * len(cells) // count] for index in range(count)]
    patterns = [part.strip() for part in wanted.split(",")]
    found = [cell for cell in cells if any(fnmatch(cell.name, part) for part in patterns)]
    if not found:
        raise ValueError(f"cells: no name matches {wanted}; a valid name is {cells[0].name}")
    return found


def raw_ph(water: str | Ions, recipe: str | Ions = "none", temp_c: float = TEMP_C) -> float:
    """Return the pH of a water with a recipe, computed from its ions, closed."""
    return float(_solve(Cell(water, "h3po4", 100.0, "fresh", recipe, temp_c=temp_c).solution(1.0),
                        temp_c, None).ph)


def _solve(molal: list[float], temp_c: float, gas_atm: float | None) -> Any:
    solution: Any = Solution(_table)
    solution.gas_atm = gas_atm
    solution.set(molal, temp_c)
    solution.solve(1e-8)
    return solution


def _with(molal: list[float], cell: Cell, ml_l: float) -> list[float]:
    """Return the solution with `ml_l` of acid, or of base if negative."""
    stock = cell.stocks["ph_down" if ml_l > 0.0 else "ph_up"]
    brought = amounts(STOCKS, stock, 1e-3 * abs(ml_l))
    return [a + b for a, b in zip(molal, brought, strict=True)]


def _ml_to_ph(molal: list[float], cell: Cell, ph: float, gas_atm: float | None) -> float:
    """Return the ml/l of acid to reach `ph`, negative for base. Raises TooWeakError above 50."""
    low, high = -MAX_ML_L, MAX_ML_L
    for _ in range(60):
        middle = 0.5 * (low + high)
        is_above = _solve(_with(molal, cell, middle), cell.temp_c, gas_atm).ph > ph
        low, high = (middle, high) if is_above else (low, middle)
    if abs(high) > 0.99 * MAX_ML_L:
        side, bottle = ("acid", "ph_down") if high > 0.0 else ("base", "ph_up")
        stock = cell.stocks[bottle]
        raise TooWeakError(side, f"{MAX_ML_L:g} ml/l of {stock} do not reach pH {ph:.2f}")
    return high
