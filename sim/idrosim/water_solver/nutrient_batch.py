"""Computes the salts (g) and acid (ml) of a nutrient solution for a volume of water.

Ions from the water and the acid (phosphate or nitrate) are subtracted. Salts are common soluble
fertilisers, assumed pure. Micronutrients and iron are not included. Differences that the salts
cannot remove, such as excess calcium in the water, show in `ions`: wanted and resulting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS
from idrosim.water_solver.formula import read_formula
from idrosim.water_solver.solve import Mixture, ProblemError, dose_ml_per_l
from idrosim.water_solver.water_analysis import (
    ALKALINITY,
    CHARGES,
    MOST,
    PH,
    QUANTITIES,
    inorganic_carbon,
    strong_meq_l,
)

# salt: (molar mass g/mol, tank, ions per mole). Tank A and B separate calcium from sulfate and
# phosphate in concentrates.
SALTS: dict[str, tuple[float, str, Mapping[str, int]]] = {
    formula: (read_formula(formula).molar_mass, tank, read_formula(formula).ions)
    for tank, formulas in {
        "A": ("Ca(NO3)2.4H2O", "NH4NO3", "KNO3", "KCl", "CaCl2.2H2O", "Mg(NO3)2.6H2O"),
        "B": ("MgSO4.7H2O", "KH2PO4", "NH4H2PO4", "K2SO4")}.items()
    for formula in formulas}
# Each salt in turn is limited by the scarcest of its ions; then salts whose other ion may exceed.
_ORDER = ("Ca(NO3)2.4H2O", "KH2PO4", "NH4H2PO4", "NH4NO3", "MgSO4.7H2O", "KNO3", "K2SO4",
          "Mg(NO3)2.6H2O", "CaCl2.2H2O", "KCl")
_FOR_THE_REST = (("Ca", "Ca(NO3)2.4H2O"), ("Mg", "MgSO4.7H2O"), ("P", "KH2PO4"), ("K", "K2SO4"))
_LEAST_MMOL_L = 1e-3
# mg/mmol of the ions in a water report (mg/L), without alkalinity (HCO3 and CaCO3).
REPORT_MG = {ion: QUANTITIES[ion][1] for ion in CHARGES}


class Note(str):
    """A remark in English, with its template and values."""

    __slots__ = ("template", "values")
    template: str
    values: dict[str, str]

    def __new__(cls, template: str, **values: str) -> "Note":
        """Return `template` with its `{values}`."""
        made = super().__new__(cls, template.format(**values))
        made.template, made.values = template, values
        return made


@dataclass(frozen=True)
class Batch:
    """Masses and volume to weigh out, and the resulting solution."""

    grams: dict[str, float]
    dose: tuple[str, float] | None  # stock and ml for the whole volume
    ph_without_dose: float
    ph: float
    ec_us_cm: float
    si_brushite: float | None
    ions: dict[str, tuple[float, float]]  # mmol/L: wanted, resulting
    alkalinity_meq_l: float
    notes: tuple[Note, ...]


def read_water(text: str) -> tuple[dict[str, float], Note | None]:
    """Return (mmol/L by ion, remark or None) of a known water or a report in mg/L.

    A report reads `Ca=48 Mg=10 HCO3=146 pH=7.6`; alkalinity is HCO3 or CaCO3. Na or Cl is added to
    balance its charges. Raises ProblemError.
    """
    if "=" not in text:
        if text not in WATERS:
            known = ", ".join(WATERS)
            raise ProblemError("water", f"{text!r} is not one of {known}, and not a report")
        return dict(WATERS[text]), None
    ions: dict[str, float] = {}
    alkalinity, ph = 0.0, 7.5
    for word in text.replace(",", " ").split():
        name, _, figure = word.partition("=")
        try:
            value = float(figure)
        except ValueError:
            raise ProblemError(f"water.{name}", f"expected a number, got {figure!r}") from None
        if name in REPORT_MG and 0.0 <= value <= MOST:
            ions[name] = value / REPORT_MG[name]
        elif name in ALKALINITY and 0.0 <= value <= MOST:
            alkalinity = value / ALKALINITY[name]
        elif name == "pH" and PH[0] <= value <= PH[1]:
            ph = value
        else:
            known = " ".join([*REPORT_MG, *ALKALINITY, "pH"])
            raise ProblemError(f"water.{name}", f"{figure} is out of range; known: {known}")
    remark = _close(ions, alkalinity)
    ions["C"] = inorganic_carbon(ions, ph)
    return ions, remark


def _close(ions: dict[str, float], alkalinity: float) -> Note | None:
    """Add Na or Cl so that the strong ions balance the alkalinity; return a remark or None."""
    gap = strong_meq_l(ions) - alkalinity
    ion = "Cl" if gap > 0.0 else "Na"
    ions[ion] = ions.get(ion, 0.0) + abs(gap)
    if abs(gap) < 0.1:
        return None
    return Note("the charges of the report do not balance: {gap} meq/L added as {ion}",
                gap=f"{abs(gap):.2f}", ion=ion)


def weigh(
    recipe: str, water: Mapping[str, float], volume_l: float, target_ph: float,
    options: Mapping[str, Any],
) -> Batch:
    """Return the batch. `water` in mmol/L; options: strength, acid, base, temp_c.

    Raises ProblemError for an unknown recipe or stock, or a pH that cannot be reached.
    """
    if recipe not in RECIPES or recipe == "none":
        raise ProblemError("recipe", f"{recipe!r} is not one of {', '.join(list(RECIPES)[1:])}")
    wanted = {i: RECIPES[recipe].get(i, 0.0) * options["strength"] for i in IONS if i != "C"}
    stock, ml = "", 0.0
    brought: dict[str, float] = {}
    for _ in range(12):  # acid brings nutrients, which replace salts, which changes the pH
        salts = _choose(wanted, water, brought)
        mixture = Mixture({"water": _dissolved(water, salts), "temp_c": options["temp_c"]})
        before = mixture.ph()
        stock = options["acid"] if before > target_ph else options["base"]
        if stock not in STOCKS:
            raise ProblemError("stock", f"unknown stock {stock!r}")
        last, ml = ml, dose_ml_per_l(mixture, stock, target_ph)
        brought = {ion: amount * ml for ion, amount in STOCKS[stock].items()}
        if abs(ml - last) < 1e-4:
            break
    found = mixture.describe()
    got = dict(_dissolved(water, salts))
    for ion, amount in brought.items():
        got[ion] = got.get(ion, 0.0) + amount
    ions = {ion: (wanted[ion], got.get(ion, 0.0)) for ion in wanted}
    return Batch(
        {name: SALTS[name][0] * 1e-3 * mmol * volume_l for name, mmol in salts.items()},
        (stock, ml * volume_l) if ml > 0.0 else None, before, found.ph, found.ec_us_cm,
        found.si_brushite, ions, max(strong_meq_l(water), 0.0),
        tuple(_notes(ions, found.si_brushite, stock, ml)))


def _choose(
    wanted: Mapping[str, float], water: Mapping[str, float], brought: Mapping[str, float]
) -> dict[str, float]:
    """Return mmol/L of each salt for the ions that water and acid lack."""
    need = {i: max(w - water.get(i, 0.0) - brought.get(i, 0.0), 0.0) for i, w in wanted.items()}
    salts: dict[str, float] = {}

    def take(name: str, mmol: float) -> None:
        if mmol > _LEAST_MMOL_L:
            salts[name] = salts.get(name, 0.0) + mmol
            for ion, count in SALTS[name][2].items():
                need[ion] = max(need[ion] - count * mmol, 0.0)

    for name in _ORDER:
        take(name, min(need[ion] / count for ion, count in SALTS[name][2].items()))
    for ion, name in _FOR_THE_REST:
        take(name, need[ion] / SALTS[name][2][ion])
    return salts


def _dissolved(water: Mapping[str, float], salts: Mapping[str, float]) -> dict[str, float]:
    """Return mmol/L of every ion of a water with salts."""
    total = {ion: water.get(ion, 0.0) for ion in IONS}
    for name, mmol in salts.items():
        for ion, count in SALTS[name][2].items():
            total[ion] += count * mmol
    return total


def _notes(
    ions: Mapping[str, tuple[float, float]], si_brushite: float | None, stock: str, ml: float
) -> list[Note]:
    notes = []
    for ion, (wanted, got) in ions.items():
        if ion in ("Na", "Cl") and got > 3.0:
            notes.append(Note("{ion} {got} mmol/L accumulates in a closed system",
                              ion=ion, got=f"{got:.1f}"))
        elif ion not in ("Na", "Cl") and abs(got - wanted) > max(0.1 * wanted, 0.05):
            notes.append(Note("{ion} is {got} mmol/L, the recipe has {wanted}",
                              ion=ion, got=f"{got:.2f}", wanted=f"{wanted:.2f}"))
    wanted_p, got_p = ions["P"]
    if stock == "h3po4_10pct" and got_p > 1.3 * wanted_p:
        notes.append(Note(
            "use nitric acid for this alkalinity: phosphoric acid adds too much P"))
    if si_brushite is not None and si_brushite > 0.3:
        notes.append(Note("calcium phosphate will precipitate: lower the pH or the strength"))
    return notes
