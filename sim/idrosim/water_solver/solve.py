"""Solves a water problem: pH and EC of a solution, and the volume of stock for a target pH.

The format is that of `idroserra chem` (docs/chemistry.md). A problem lists ions in mmol per kg of
water, whose charges need not balance: H+ makes up the rest. Stocks are added in ml per kg of
water, with their solutes and water. An invalid problem raises a ProblemError with the field.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CA, IONS, P, Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.water import STOCK_WATER_KG_L, STOCKS, amounts

FIELDS = ("id", "water", "temp_c", "co2", "add", "target_ph", "with")
DOSING_STOCKS = tuple(STOCK_WATER_KG_L)
TEMP_C = (0.0, 50.0)
MAX_MMOL_KG = 1_000.0
MAX_CO2_ATM = 10.0
MAX_ML_PER_L = 500.0

_PH_REACHED = 1e-4  # counts as at the target
_PH_SOLVED = 1e-6
_FIRST_ML = 1e-3
_TOLERANCE = 1e-7

_table = EquilibriaTable()


class ProblemError(ValueError):
    """A problem cannot be solved. `field` is the path of the wrong value, "" for the whole."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field = field
        self.why = why


@dataclass(frozen=True)
class Found:
    """Properties of a mixture: pH, conductivity at its temperature and at 25 C, brushite SI."""

    ph: float
    kappa_us_cm: float
    ec_us_cm: float
    si_brushite: float | None  # None without calcium or phosphate


class Mixture:
    """Water with added stocks, at one temperature and gas pressure."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self._moles = _ions(problem)
        self._water_kg = 1.0
        for name, ml in _added(problem):
            self._pour(name, ml)
        self.solution = Solution(_table)
        self.solution.gas_atm = _gas_atm(problem)
        self._temp_c = _temp_c(problem)
        self._totals = self._moles

    def _pour(self, name: str, ml_per_l: float) -> None:
        brought = amounts(STOCKS, name, 1e-3 * ml_per_l)
        self._moles = [have + more for have, more in zip(self._moles, brought, strict=True)]
        self._water_kg += 1e-3 * ml_per_l * STOCK_WATER_KG_L[name]

    def ph(self, stock: str | None = None, ml_per_l: float = 0.0) -> float:
        """Return the pH with `ml_per_l` of `stock`. Raises ProblemError without a balance."""
        moles, water_kg = self._moles, self._water_kg
        if stock is not None:
            brought = amounts(STOCKS, stock, 1e-3 * ml_per_l)
            moles = [have + more for have, more in zip(moles, brought, strict=True)]
            water_kg += 1e-3 * ml_per_l * STOCK_WATER_KG_L[stock]
        self._totals = [amount / water_kg for amount in moles]
        return self._solve(self._temp_c)

    def _solve(self, temp_c: float) -> float:
        self.solution.set(self._totals, temp_c)
        try:
            return float(self.solution.solve(_TOLERANCE))
        except (ValueError, ArithmeticError):
            self.solution.chill()
        try:
            return float(self.solution.solve(_TOLERANCE))
        except (ValueError, ArithmeticError):
            raise ProblemError("water", "no charge balance: solution too concentrated") from None

    def describe(self) -> Found:
        """Return the properties of the last solution; solve it again at 25 C for its EC."""
        solution = self.solution
        ph, kappa_us_cm = float(solution.ph), conductivities(solution)[0]
        has_both = self._totals[CA] > 0.0 and self._totals[P] > 0.0
        brushite = solution.si_brushite() if has_both else None
        ec_us_cm = kappa_us_cm
        if self._temp_c != 25.0:
            self._solve(25.0)
            ec_us_cm = conductivities(solution)[0]
        return Found(ph, kappa_us_cm, ec_us_cm, brushite)


def answer(problem: object) -> dict[str, Any]:
    """Return the answer to one problem, without its id. Raises ProblemError."""
    if not isinstance(problem, dict):
        raise ProblemError("", f"expected an object, got {_shown(problem)}")
    for key in problem:
        if key not in FIELDS:
            raise ProblemError(str(key)[:40], f"unknown field; known are {', '.join(FIELDS)}")
    stock, target_ph = _stock(problem), _target_ph(problem)
    mixture = Mixture(problem)
    dose: dict[str, float] = {}
    if target_ph is None:
        mixture.ph()
    elif stock is None:
        raise ProblemError("with", "missing: the stock to reach target_ph")
    else:
        dose["ml_per_l"] = _significant(dose_ml_per_l(mixture, stock, target_ph))
    found = mixture.describe()
    return {
        "ph": round(found.ph, 4), "ec_us_cm_at_t": _significant(found.kappa_us_cm),
        "ec_us_cm": _significant(found.ec_us_cm), **dose,
        "si_brushite": None if found.si_brushite is None else round(found.si_brushite, 4),
    }


def dose_ml_per_l(mixture: Mixture, stock: str, target_ph: float) -> float:
    """Return the ml of `stock` per kg of water that brings `mixture` to `target_ph`.

    Returns 0 if the mixture is at the target; leaves it solved with the dose. Raises ProblemError
    if no dose up to MAX_ML_PER_L reaches the target.
    """
    start_ph = mixture.ph()
    low, off_low = 0.0, start_ph - target_ph
    if abs(off_low) <= _PH_REACHED:
        return 0.0
    ml = _FIRST_ML
    while True:
        off = mixture.ph(stock, ml) - target_ph
        if (off > 0.0) != (off_low > 0.0):
            return _between(mixture, stock, target_ph, (low, off_low), (ml, off))
        if ml >= MAX_ML_PER_L:
            break
        low, off_low = ml, off
        ml = min(4.0 * ml, MAX_ML_PER_L)
    raise ProblemError("target_ph", (
        f"{target_ph:g} cannot be reached with {stock}: the solution is at {start_ph:.2f} and"
        f" {MAX_ML_PER_L:g} ml per l bring it to {off + target_ph:.2f}"))


def _between(
    mixture: Mixture, stock: str, target_ph: float,
    low: tuple[float, float], high: tuple[float, float],
) -> float:
    """Return the dose between two doses whose pH values bracket the target.

    Secant method with Illinois weighting, and a bisection every eighth step.
    """
    (low_ml, low_off), (high_ml, high_off) = low, high
    is_low = False
    for turn in range(1, 200):
        ml = high_ml - high_off * (high_ml - low_ml) / (high_off - low_off)
        if turn % 8 == 0:
            ml = 0.5 * (low_ml + high_ml)
        off = mixture.ph(stock, ml) - target_ph
        if abs(off) <= _PH_SOLVED or high_ml - low_ml <= 1e-12 * high_ml:
            break
        was_low, is_low = is_low, (off > 0.0) == (low_off > 0.0)
        if is_low:
            low_ml, low_off = ml, off
            high_off *= 0.5 if was_low and turn > 1 else 1.0
        else:
            high_ml, high_off = ml, off
            low_off *= 0.5 if not was_low and turn > 1 else 1.0
    return ml


def _ions(problem: Mapping[str, Any]) -> list[float]:
    """Return the ten totals, mol/kg."""
    water = problem.get("water")
    if not isinstance(water, dict):
        raise ProblemError("water", f"expected an object of ions, got {_shown(water)}")
    for name in water:
        if name not in IONS:
            known = " ".join(IONS)
            raise ProblemError(f"water.{str(name)[:40]}", f"unknown ion; known are {known}")
    return [1e-3 * _number(water.get(ion, 0.0), f"water.{ion}", 0.0, MAX_MMOL_KG) for ion in IONS]


def _temp_c(problem: Mapping[str, Any]) -> float:
    temp_c = problem.get("temp_c")
    return 25.0 if temp_c is None else _number(temp_c, "temp_c", *TEMP_C)


def _gas_atm(problem: Mapping[str, Any]) -> float | None:
    co2 = problem.get("co2")
    if co2 is None or co2 == "closed":
        return None
    if co2 == "air":
        return AIR_CO2_ATM
    if isinstance(co2, str):
        raise ProblemError("co2", f'expected "closed", "air" or atm, got {_shown(co2)}')
    return _number(co2, "co2", 0.0, MAX_CO2_ATM)


def _added(problem: Mapping[str, Any]) -> list[tuple[str, float]]:
    added = problem.get("add")
    if added is None:
        return []
    if not isinstance(added, list):
        raise ProblemError("add", f"expected a list, got {_shown(added)}")
    found = []
    for index, entry in enumerate(added):
        field = f"add[{index}]"
        if not isinstance(entry, dict):
            raise ProblemError(field, f"expected an object, got {_shown(entry)}")
        for key in entry:
            if key not in ("stock", "ml_per_l"):
                raise ProblemError(f"{field}.{str(key)[:40]}", "unknown field")
        name = _known_stock(entry.get("stock"), f"{field}.stock")
        found.append((name, _number(entry.get("ml_per_l"), f"{field}.ml_per_l", 0.0,
                                    MAX_ML_PER_L)))
    return found


def _stock(problem: Mapping[str, Any]) -> str | None:
    name = problem.get("with")
    return None if name is None else _known_stock(name, "with")


def _target_ph(problem: Mapping[str, Any]) -> float | None:
    target_ph = problem.get("target_ph")
    return None if target_ph is None else _number(target_ph, "target_ph", 0.0, 14.0)


def _known_stock(name: object, field: str) -> str:
    if not isinstance(name, str) or name not in STOCK_WATER_KG_L:
        known = ", ".join(DOSING_STOCKS)
        raise ProblemError(field, f"{_shown(name)} is not one of {known}")
    return name


def _number(value: object, field: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProblemError(field, f"expected a number, got {_shown(value)}")
    if not low <= value <= high:  # also refuses NaN
        raise ProblemError(field, f"{_shown(value)} is outside {low:g}..{high:g}")
    return float(value)


def _shown(value: object) -> str:
    """Return a short text of a value for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        return "a very long number"
    return text if len(text) <= 40 else text[:37] + "..."


def _significant(value: float) -> float:
    """Return the value with six significant digits."""
    return round(value, 5 - math.floor(math.log10(abs(value)))) if value else 0.0
