"""The stock calculator: the batch of a nutrient solution, and the acid or base of plain water.

`idroserra chem` and the page ask the same functions of the simulator's chemistry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from idroserra.core.errors import InvalidInput
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import current_units, format_number, localize_decimal, translate
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.stock_solutions import STOCKS
from idrosim.greenhouse.water import RECIPES, WATERS
from idrosim.water_solver import nutrient_batch, solve, water_analysis
from idrosim.water_solver.nutrient_batch import Batch, Note
from idrosim.water_solver.solve import DOSING_STOCKS, ProblemError

# Bounds of the numbers, as stored: litres, times the recipe, pH, °C.
BOUNDS = {"volume_l": (0.1, 1e6), "strength": (0.05, 4.0), "target_ph": (3.0, 9.0),
          "temp_c": (0.0, 50.0)}
MOST_MG_L = water_analysis.MOST
REPORT_PH = water_analysis.PH
SOLUTIONS = {
    "lettuce": N_("Lettuce, Mattson and Peters"), "sonneveld_lettuce": N_("Lettuce, Sonneveld"),
    "hoagland1": "Hoagland 1", "hoagland2": "Hoagland 2",
}
WATER_TITLES = {"ro": N_("reverse osmosis"), "soft": N_("soft tap water"),
                "medium": N_("medium tap water"), "hard": N_("hard tap water")}
# The values of a water report, mg/L, without pH.
REPORT = (*water_analysis.ALKALINITY, *nutrient_batch.REPORT_MG)
_SALTS = {
    "Ca(NO3)2.4H2O": N_("Calcium nitrate"), "NH4NO3": N_("Ammonium nitrate"),
    "KNO3": N_("Potassium nitrate"), "KCl": N_("Potassium chloride"),
    "CaCl2.2H2O": N_("Calcium chloride"), "Mg(NO3)2.6H2O": N_("Magnesium nitrate"),
    "MgSO4.7H2O": N_("Magnesium sulfate"), "KH2PO4": N_("Monopotassium phosphate"),
    "NH4H2PO4": N_("Monoammonium phosphate"), "K2SO4": N_("Potassium sulfate"),
}
# The texts of the notes in nutrient_batch.py, for their translation.
NOTE_TEXTS = (
    N_("{ion} {got} mmol/L accumulates in a closed system"),
    N_("{ion} is {got} mmol/L, the recipe has {wanted}"),
    N_("use nitric acid for this alkalinity: phosphoric acid adds too much P"),
    N_("calcium phosphate will precipitate: lower the pH or the strength"),
    N_("the charges of the report do not balance: {gap} meq/L added as {ion}"),
)
_PROBLEMS = {
    "target_ph": N_("this pH cannot be reached with this stock in this water"),
    "water": N_("the solution is too concentrated to be computed"),
}


class StockProblem(InvalidInput):
    """A problem without answer: the field, and why in English."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(Text("{field}: {why}", field=field, why=why))
        self.field = field
        self.why = why

    @property
    def words(self) -> str:
        """Why, in the reader's language."""
        return _(_PROBLEMS.get(self.field, "")) or translate(self.why)


@dataclass(frozen=True)
class BatchRequest:
    """A nutrient solution: its recipe, the water, and the stocks for its pH."""

    recipe: str
    volume_l: float
    water: str
    strength: float
    target_ph: float
    acid: str
    base: str
    temp_c: float


class Weighed(NamedTuple):
    """The batch of a request, with all its notes."""

    batch: Batch
    notes: list[Note]


def weigh(wanted: BatchRequest) -> Weighed:
    """Return the salts and the stock of a batch. Raises StockProblem."""
    _check_bounds(wanted)
    for field, stock in (("acid", wanted.acid), ("base", wanted.base)):
        _check_stock(field, stock)
    try:
        water, remark = nutrient_batch.read_water(wanted.water)
        found = nutrient_batch.weigh(
            wanted.recipe, water, wanted.volume_l, wanted.target_ph,
            {"strength": wanted.strength, "acid": wanted.acid, "base": wanted.base,
             "temp_c": wanted.temp_c})
    except ProblemError as error:
        raise StockProblem(error.field, error.why) from None
    return Weighed(found, ([remark] if remark else []) + list(found.notes))


def batch_json(wanted: BatchRequest, weighed: Weighed) -> dict[str, Any]:
    """Return a batch as JSON, with its notes in English."""
    found = weighed.batch
    stock, ml = found.dose or (None, 0.0)
    return {
        "recipe": wanted.recipe, "strength": wanted.strength, "volume_l": wanted.volume_l,
        "water": wanted.water, "alkalinity_meq_l": round(found.alkalinity_meq_l, 3),
        "grams": {name: round(grams, 3) for name, grams in found.grams.items()},
        "stock": stock, "stock_ml": round(ml, 2),
        "ph_without_stock": round(found.ph_without_dose, 3), "ph": round(found.ph, 3),
        "ec_us_cm": round(found.ec_us_cm, 1),
        "si_brushite": None if found.si_brushite is None else round(found.si_brushite, 3),
        "ions_mmol_l": {ion: {"wanted": round(pair[0], 3), "got": round(pair[1], 3)}
                        for ion, pair in found.ions.items()},
        "notes": [str(note) for note in weighed.notes],
    }


def batch_words(weighed: Weighed) -> dict[str, Any]:
    """Return a batch in the reader's language and units: salts, steps and notes."""
    found = weighed.batch
    salts = [{"salt": _(_SALTS[name]), "formula": name, "tank": nutrient_batch.SALTS[name][1],
              "grams": format_number(grams, 2)} for name, grams in found.grams.items()]
    ions = [{"ion": ion, "wanted": format_number(pair[0], 2), "got": format_number(pair[1], 2)}
            for ion, pair in found.ions.items() if max(pair) > 0]
    alkalinity = _("Alkalinity of the water: {value} meq/L.").format(
        value=format_number(found.alkalinity_meq_l, 2))
    return {
        "salts": salts, "ions": ions,
        "lines": [_dose_text(found.dose, found.ph_without_dose, found.ph),
                  _ec_text(found.ec_us_cm), alkalinity],
        "notes": [note_text(note) for note in weighed.notes]}


def dose_of_water(
    water: str, stock: str, volume_l: float, target_ph: float, temp_c: float
) -> dict[str, Any]:
    """Return the ml of a stock that bring plain water to a pH. Raises StockProblem."""
    _check_stock("stock", stock)
    try:
        ions, remark = nutrient_batch.read_water(water)
        before = solve.answer({"water": ions, "temp_c": temp_c})
        found = solve.answer(
            {"water": ions, "temp_c": temp_c, "target_ph": target_ph, "with": stock})
    except ProblemError as error:
        raise StockProblem(error.field, error.why) from None
    stock_ml = found["ml_per_l"] * volume_l
    dose = (stock, stock_ml) if stock_ml else None
    return {
        "stock": stock, "stock_ml": round(stock_ml, 2), "ph_without_stock": before["ph"],
        "ph": found["ph"], "ec_us_cm": found["ec_us_cm"],
        "words": {"salts": [], "ions": [], "notes": [note_text(remark)] if remark else [],
                  "lines": [_dose_text(dose, before["ph"], found["ph"]),
                            _ec_text(found["ec_us_cm"])]}}


def note_text(note: Note) -> str:
    """Return a note in the reader's language."""
    values = {name: localize_decimal(value) for name, value in note.values.items()}
    return _(note.template).format(**values)


def solutions() -> tuple[str, ...]:
    """Return the names of the nutrient solutions."""
    return tuple(name for name in RECIPES if name != "none")


def waters() -> tuple[str, ...]:
    """Return the names of the known waters."""
    return tuple(WATERS)


def _check_bounds(wanted: BatchRequest) -> None:
    for field, (low, high) in BOUNDS.items():
        if not low <= getattr(wanted, field) <= high:
            raise StockProblem(field, Text(
                N_("{low} to {high} is needed"), low=f"{low:g}", high=f"{high:g}"))


def _check_stock(field: str, stock: str) -> None:
    if stock not in DOSING_STOCKS:
        raise StockProblem(field, f"{stock!r}: not one of {', '.join(DOSING_STOCKS)}")


def _dose_text(dose: tuple[str, float] | None, before: float, after: float) -> str:
    ph = format_number(after, 2)
    if dose is None:
        return _("No acid or base is needed: pH {ph}.").format(ph=ph)
    stock, ml = dose
    return _("Pour {volume} ml of {stock}: pH {before} becomes {ph}.").format(
        volume=format_number(ml, 1), stock=_(STOCKS[stock].title),
        before=format_number(before, 2), ph=ph)


def _ec_text(ec_us_cm: float) -> str:
    unit = current_units().ec
    return _("EC {value} {unit} at 25 °C.").format(
        value=format_number(ec_us_cm * unit.factor, unit.decimals), unit=unit.text)
