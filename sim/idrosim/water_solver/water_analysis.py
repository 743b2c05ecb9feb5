"""Reads a water analysis as laboratories print it: mg/L or mmol/L, nitrate or its nitrogen,
bicarbonate or alkalinity, and hardness in place of calcium or magnesium.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from idrosim.greenhouse.chemistry import IONS, Solution
from idrosim.water_solver.formula import group_mass
from idrosim.water_solver.solve import ProblemError
from idrosim.water_solver.speciation import charge_gap

# quantity of a report: (ion of the chemistry, mg per mmol)
QUANTITIES: dict[str, tuple[str, float]] = {
    **{ion: (ion, group_mass(ion)) for ion in ("Ca", "Mg", "Na", "K", "NH4", "NO3", "Cl", "SO4")},
    "NH4-N": ("NH4", group_mass("N")), "NO3-N": ("NO3", group_mass("N")),
    "SO4-S": ("SO4", group_mass("S")), "P": ("P", group_mass("P")),
    "PO4": ("P", group_mass("PO4")), "PO4-P": ("P", group_mass("P")),
}
# mg per meq of alkalinity; a mmol of CaCO3 is two meq
ALKALINITY = {"HCO3": group_mass("HCO3"), "CaCO3": 0.5 * group_mass("CaCO3")}
UNITS = ("mg/l", "mmol/l")
# mmol/L of Ca + Mg for one unit of hardness
HARDNESS = {"mg/l CaCO3": 1.0 / group_mass("CaCO3"), "dH": 10.0 / group_mass("CaO"),
            "fH": 10.0 / group_mass("CaCO3"), "mmol/l": 1.0}
BALANCERS = ("Na", "Cl", "HCO3")
MOST = 10_000.0
PH = (4.0, 10.5)
CHARGES = {"Ca": 2, "Mg": 2, "Na": 1, "K": 1, "NH4": 1, "NO3": -1, "Cl": -1, "SO4": -2, "P": -1}
# Acceptance criterion of laboratories (Standard Methods 1030 E), and a floor for pure waters.
_UNBALANCED_RATIO, _UNBALANCED_MEQ_L = 0.05, 0.2
_HARDNESS_RATIO, _HARDNESS_MMOL_L = 0.1, 0.1


@dataclass(frozen=True)
class Water:
    """A raw water: mmol/L of every ion (C is inorganic carbon), and how its charges were closed.

    `added` is the ion and the meq/L that were added to balance the charges, None if none.
    """

    ions: Mapping[str, float]
    alkalinity_meq_l: float
    added: tuple[str, float] | None = None


@dataclass(frozen=True)
class Report:
    """What a laboratory printed. `hardness` is (unit of HARDNESS, value) or None."""

    quantities: Mapping[str, float]
    unit: str
    ph: float | None
    hardness: tuple[str, float] | None = None
    balance_with: str | None = None


def read_report(report: Report) -> Water:
    """Return the water of a report. Raises ProblemError, which names the quantity."""
    if report.unit not in UNITS:
        raise ProblemError("unit", f"{report.unit!r} is not one of {', '.join(UNITS)}")
    ions, alkalinity = _amounts(report)
    if report.hardness is not None:
        _apply_hardness(ions, *report.hardness)
    ph = report.ph
    if ph is not None and not PH[0] <= ph <= PH[1]:
        raise ProblemError("ph", f"{ph:g} is outside {PH[0]:g}..{PH[1]:g}")
    alkalinity, added = _balance(ions, alkalinity, report.balance_with)
    if alkalinity > 0.0 and ph is None:
        raise ProblemError("ph", "missing: alkalinity and pH together give the carbon")
    carbon = 0.0 if ph is None else inorganic_carbon(ions, ph)
    return Water({ion: ions.get(ion, 0.0) for ion in IONS} | {"C": carbon}, alkalinity, added)


def strong_meq_l(ions: Mapping[str, float]) -> float:
    """Return the charge of the strong ions, which equals the alkalinity, meq/L."""
    return sum(ions.get(ion, 0.0) * charge for ion, charge in CHARGES.items())


def inorganic_carbon(ions: Mapping[str, float], ph: float) -> float:
    """Return the mmol/L of inorganic carbon with which the ions have this pH at 25 °C.

    Raises ProblemError if no amount of carbon gives it.
    """
    try:
        return _inorganic_carbon(ions, ph)
    except (ValueError, ArithmeticError):
        raise ProblemError("ph", f"{ph:g} does not go with these ions") from None


def _inorganic_carbon(ions: Mapping[str, float], ph: float) -> float:
    solution = Solution()
    strong = max(strong_meq_l(ions), 0.0)
    totals = [1e-3 * ions.get(ion, 0.0) for ion in IONS]
    place = IONS.index("C")
    low, high = 0.0, 1e-3 * max(strong, 1e-6)
    gap_low = charge_gap(solution, totals, 25.0, ph)
    if gap_low >= 0.0:  # more acid than the pH allows: no carbon can be there
        return 0.0
    for _ in range(12):  # almost linear: a secant needs two or three steps
        totals[place] = high
        gap = charge_gap(solution, totals, 25.0, ph)
        if abs(gap) < 1e-9 or gap == gap_low:
            break
        low, high, gap_low = high, max(high - gap * (high - low) / (gap - gap_low), 0.0), gap
    return 1e3 * high


def _amounts(report: Report) -> tuple[dict[str, float], float | None]:
    """Return mmol/L by ion, and the alkalinity in meq/L or None if it is not stated."""
    ions: dict[str, float] = {}
    alkalinity: float | None = None
    named: dict[str, str] = {}
    for name, value in report.quantities.items():
        field = f"ions.{name}"
        if name not in QUANTITIES and name not in ALKALINITY:
            known = ", ".join([*QUANTITIES, *ALKALINITY])
            raise ProblemError(field[:60], f"unknown; known are {known}")
        if not 0.0 <= value <= MOST:
            raise ProblemError(field, f"{value:g} is outside 0..{MOST:g}")
        ion = QUANTITIES[name][0] if name in QUANTITIES else "alkalinity"
        if ion in named:
            raise ProblemError(field, f"{named[ion]} states it already")
        named[ion] = name
        is_mass = report.unit == "mg/l"
        if name in QUANTITIES:
            ions[ion] = value / QUANTITIES[name][1] if is_mass else value
        else:
            alkalinity = value / ALKALINITY[name] if is_mass else (
                value * (2.0 if name == "CaCO3" else 1.0))
    return ions, alkalinity


def _apply_hardness(ions: dict[str, float], unit: str, value: float) -> None:
    """Add calcium or magnesium from the hardness, or compare it with both."""
    if unit not in HARDNESS:
        raise ProblemError("hardness.unit", f"{unit!r} is not one of {', '.join(HARDNESS)}")
    if not 0.0 <= value <= MOST:
        raise ProblemError("hardness.value", f"{value:g} is outside 0..{MOST:g}")
    whole = value * HARDNESS[unit]
    known = [ion for ion in ("Ca", "Mg") if ion in ions]
    if not known:
        raise ProblemError("hardness", "give Ca or Mg too: hardness is the sum of both")
    off = whole - sum(ions[ion] for ion in known)
    allowed = max(_HARDNESS_RATIO * whole, _HARDNESS_MMOL_L)
    if len(known) == 2 and abs(off) > allowed or off < -allowed:
        raise ProblemError("hardness", (
            f"{whole:.2f} mmol/l, but {' and '.join(known)} are {whole - off:.2f} mmol/l"))
    if len(known) == 1:
        ions["Mg" if known == ["Ca"] else "Ca"] = max(off, 0.0)


def _balance(
    ions: dict[str, float], alkalinity: float | None, balance_with: str | None
) -> tuple[float, tuple[str, float] | None]:
    """Close the charges; return the alkalinity and what was added, None if it is negligible."""
    if balance_with is not None and balance_with not in BALANCERS:
        raise ProblemError("balance_with", (
            f"{balance_with!r} is not one of {', '.join(BALANCERS)}"))
    stated = alkalinity or 0.0
    gap = strong_meq_l(ions) - stated
    whole = stated + sum(abs(charge) * ions.get(ion, 0.0) for ion, charge in CHARGES.items())
    is_close = abs(gap) <= max(_UNBALANCED_RATIO * whole, _UNBALANCED_MEQ_L)
    if not is_close and balance_with is None:
        raise ProblemError("ions", (
            f"cations exceed anions by {gap:.2f} meq/l: an ion or the alkalinity is missing or"
            " wrong; balance_with = \"Na\", \"Cl\" or \"HCO3\" adds the rest as this ion"))
    if balance_with == "HCO3":
        if stated + gap < 0.0:
            raise ProblemError("balance_with", "anions exceed cations: HCO3 cannot balance")
        return stated + gap, ("HCO3", gap)
    ion = balance_with if not is_close and balance_with else ("Cl" if gap > 0.0 else "Na")
    sign = 1.0 if ion == "Cl" else -1.0
    if sign * gap < 0.0:
        raise ProblemError("balance_with", f"more {ion} cannot balance {gap:.2f} meq/l")
    ions[ion] = ions.get(ion, 0.0) + sign * gap
    return stated, (ion, abs(gap)) if abs(gap) >= 0.01 else None
