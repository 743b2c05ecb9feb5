"""Nutrient recipes from salts: what a request or a file may say, and the plan as JSON.

`idroserra chem recipe` reads these types from TOML files, the HTTP API from a request body. The
plan is of idrosim.water_solver; this module names the key of everything that is wrong.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from idroserra.core.errors import HostError
from idroserra.simulation.nutrient_plan import plan_json
from idroserra.simulation.stock_calculator import StockProblem
from idrosim.greenhouse.chemistry import AIR_CO2_ATM
from idrosim.greenhouse.water import RECIPES, WATERS
from idrosim.water_solver import salt_recipe, stock_tanks, water_analysis
from idrosim.water_solver.formula import FormulaError
from idrosim.water_solver.salt_program import IonBand
from idrosim.water_solver.salts import BY_NAME, DEFAULT_SHELF, Salt
from idrosim.water_solver.solve import ProblemError
from idrosim.water_solver.water_analysis import Report, Water

DEFAULT_PH = 5.8
_NUTRIENTS = tuple(water_analysis.CHARGES)
_SURPLUS_MMOL_L = 0.1  # of a nutrient that a named recipe does not have, above the water's
_Name = Annotated[str, Meta(min_length=1, max_length=60)]
_Amount = Annotated[float, Meta(ge=0.0, le=water_analysis.MOST)]
_Mmol = Annotated[float, Meta(ge=0.0, le=200.0)]
_Pct = Annotated[float, Meta(ge=0.0, le=100.0)]


class NoSolver(HostError):
    """The solver of nutrient recipes is not installed."""

    def __init__(self) -> None:
        super().__init__("nutrient recipes need scipy: pip install 'idroserra[recipes]'")


def has_solver() -> bool:
    """Whether the extra `recipes` is installed."""
    return find_spec("scipy") is not None


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A table of a file or a request; undeclared keys are refused."""


class Hardness(_Strict):
    """Total hardness: calcium and magnesium."""

    value: _Amount
    unit: Literal["mg/l CaCO3", "dH", "fH", "mmol/l"]


class Quantities(_Strict, rename={
    "NH4_N": "NH4-N", "NO3_N": "NO3-N", "SO4_S": "SO4-S", "PO4_P": "PO4-P"}):
    """What a laboratory measures; HCO3 or CaCO3 is the alkalinity."""

    Ca: _Amount | None = None
    Mg: _Amount | None = None
    Na: _Amount | None = None
    K: _Amount | None = None
    NH4: _Amount | None = None
    NH4_N: _Amount | None = None
    NO3: _Amount | None = None
    NO3_N: _Amount | None = None
    Cl: _Amount | None = None
    SO4: _Amount | None = None
    SO4_S: _Amount | None = None
    P: _Amount | None = None
    PO4: _Amount | None = None
    PO4_P: _Amount | None = None
    HCO3: _Amount | None = None
    CaCO3: _Amount | None = None


class WaterAnalysis(_Strict):
    """A water analysis as a laboratory prints it."""

    ions: Quantities
    unit: Literal["mg/l", "mmol/l"] = "mg/l"
    ph: Annotated[float, Meta(ge=4.0, le=10.5)] | None = None
    hardness: Hardness | None = None
    balance_with: Annotated[Literal["Na", "Cl", "HCO3"] | None, Meta(description=(
        "The ion that closes the charges if they are further apart than a laboratory errs."))
    ] = None
    name: _Name | None = None


class ShelfSalt(_Strict):
    """One product on the shelf: a built-in one by its name, or any with a formula."""

    name: _Name
    formula: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    purity_pct: Annotated[float, Meta(ge=1.0, le=100.0)] | None = None
    density_kg_l: Annotated[float, Meta(ge=0.5, le=3.0)] | None = None
    price_per_kg: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None


class Shelf(_Strict):
    """The file of a shelf."""

    salt: Annotated[list[ShelfSalt], Meta(min_length=1, max_length=salt_recipe.MAX_SALTS)]


class IonTarget(_Strict):
    """The target of one ion: a value with its tolerance, or limits, mmol/L."""

    mmol_l: _Mmol | None = None
    tolerance_pct: _Pct | None = None
    weight: Annotated[float, Meta(ge=0.01, le=100.0)] = 1.0
    min: _Mmol | None = None
    max: _Mmol | None = None


class TargetIons(_Strict):
    """The targets of the ions, mmol/L; P is phosphate."""

    K: _Mmol | IonTarget | None = None
    Na: _Mmol | IonTarget | None = None
    NH4: _Mmol | IonTarget | None = None
    Ca: _Mmol | IonTarget | None = None
    Mg: _Mmol | IonTarget | None = None
    NO3: _Mmol | IonTarget | None = None
    Cl: _Mmol | IonTarget | None = None
    SO4: _Mmol | IonTarget | None = None
    P: _Mmol | IonTarget | None = None


class Target(_Strict):
    """A nutrient solution. Ions that it does not list are free."""

    ions: TargetIons
    tolerance_pct: _Pct = 5.0
    ph: Annotated[float, Meta(ge=4.0, le=8.5)] | None = None
    name: _Name | None = None


class RecipeRequest(_Strict):
    """A nutrient recipe to compute."""

    target: Annotated[str | Target, Meta(description="A name, or mmol/L of ions.")]
    water: Annotated[str | WaterAnalysis, Meta(description="ro, soft, medium, hard.")] = "ro"
    shelf: Annotated[list[ShelfSalt], Meta(
        min_length=1, max_length=salt_recipe.MAX_SALTS)] | None = None
    strength: Annotated[float, Meta(ge=0.05, le=4.0, description="Times the target.")] = 1.0
    ph: Annotated[float, Meta(ge=4.0, le=8.5)] | None = None
    temp_c: Annotated[float, Meta(ge=0.0, le=50.0, description="Ready solution, °C.")] = 20.0
    co2: Annotated[Literal["closed", "air"], Meta(description=(
        "closed: pH right after mixing; air: once CO2 is in equilibrium with air."))] = "closed"
    concentration: Annotated[float, Meta(
        ge=2.0, le=400.0, description="Times the ready solution.")] = 100.0
    stock_l: Annotated[float, Meta(
        ge=0.1, le=100_000.0, description="Litres of A, and of B.")] = 10.0
    stock_temp_c: Annotated[float, Meta(
        ge=0.0, le=50.0, description="The coldest the stock solutions become, °C.")] = 10.0
    minimise: Annotated[Literal["cost", "sodium"] | None, Meta(description=(
        "Default: the cost if every salt has a price, else sodium."))] = None


def recipe_json(request: RecipeRequest) -> dict[str, Any]:
    """Return the plan of a request. Raises StockProblem, which names the field, NoSolver."""
    try:
        return planned(request, *_read(request))
    except ProblemError as error:
        raise StockProblem(error.field, error.why) from None


def check_request(request: RecipeRequest) -> None:
    """Raise StockProblem, which names the field, for a request without a plan."""
    try:
        _read(request)
    except ProblemError as error:
        raise StockProblem(error.field, error.why) from None


def _read(request: RecipeRequest) -> tuple[Water, list[Salt], list[IonBand]]:
    water = located("water", water_of, request.water)
    return (water, located("shelf", shelf_of, request.shelf, request.minimise),
            located("target", bands_of, request.target, request.strength, water))


def located(part: str, read: Any, *arguments: Any) -> Any:
    """Return `read(*arguments)`; a ProblemError gets `part` before its field."""
    try:
        return read(*arguments)
    except ProblemError as error:
        field = f"{part}.{error.field}" if error.field else part
        raise ProblemError(field, error.why) from None


def water_of(given: str | WaterAnalysis) -> Water:
    """Return a water by name or from its analysis. Raises ProblemError."""
    if isinstance(given, str):
        if given not in WATERS:
            raise ProblemError("", f"{given[:40]!r} is not one of {', '.join(WATERS)}")
        ions = WATERS[given]
        return Water(ions, water_analysis.strong_meq_l(ions))
    hardness = None if given.hardness is None else (given.hardness.unit, given.hardness.value)
    return water_analysis.read_report(
        Report(_stated(given.ions), given.unit, given.ph, hardness, given.balance_with))


def _stated(table: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a table that are stated, by their names in a file."""
    return {field.encode_name: value for field in msgspec.structs.fields(table)
            if (value := getattr(table, field.name)) is not None}


def shelf_of(given: list[ShelfSalt] | None, minimise: str | None) -> list[Salt]:
    """Return the salts of a shelf, the default shelf without one. Raises ProblemError."""
    found: dict[str, Salt] = {}
    for index, one in enumerate(given or ()):
        if one.name in found:
            raise ProblemError(f"{index}.name", f"{one.name!r} is there twice")
        found[one.name] = _salt(one, index)
    shelf = list(DEFAULT_SHELF if given is None else found.values())
    salt_recipe.prices(shelf, minimise or "sodium")
    return shelf


def _salt(given: ShelfSalt, index: int) -> Salt:
    known = BY_NAME.get(given.name)
    if given.formula is None and known is None:
        raise ProblemError(f"{index}.formula", (
            f"missing: {given.name!r} is not a built-in salt"))
    if known is None or given.formula is not None:
        known = Salt(given.name, given.formula or "")
    salt = Salt(
        given.name, known.formula, known.source,
        known.purity_pct if given.purity_pct is None else given.purity_pct,
        known.density_kg_l if given.density_kg_l is None else given.density_kg_l,
        given.price_per_kg)
    try:
        if not salt.ions:
            raise FormulaError(f"{salt.formula} brings no ion")
    except FormulaError as error:
        raise ProblemError(f"{index}.formula", str(error)) from None
    return salt


def bands_of(given: str | Target, strength: float, water: Water) -> list[IonBand]:
    """Return the band of each ion of a target. Raises ProblemError."""
    if isinstance(given, str):
        if not RECIPES.get(given):
            known = ", ".join(name for name, ions in RECIPES.items() if ions)
            raise ProblemError("", f"{given[:40]!r} is not one of {known}")
        given = Target(ions=TargetIons(**RECIPES[given]))
        listed = _stated(given.ions)
        spare = [IonBand(ion, 0.0, water.ions.get(ion, 0.0) + _SURPLUS_MMOL_L)
                 for ion in _NUTRIENTS if ion not in (*listed, "Na", "Cl")]
    else:
        listed, spare = _stated(given.ions), []
    if not listed:
        raise ProblemError("ions", "give at least one ion")
    return [_band(given, ion, one, strength) for ion, one in listed.items()] + spare


def _band(target: Target, ion: str, given: float | IonTarget, strength: float) -> IonBand:
    field = f"ions.{ion}"
    one = given if isinstance(given, IonTarget) else IonTarget(mmol_l=given)
    if one.mmol_l is None:
        if one.min is None and one.max is None:
            raise ProblemError(field, "give mmol_l, or min or max")
        if one.tolerance_pct is not None:
            raise ProblemError(f"{field}.tolerance_pct", "needs mmol_l")
        low, high, wanted = one.min or 0.0, math.inf if one.max is None else one.max, None
    else:
        if one.min is not None or one.max is not None:
            raise ProblemError(field, "give either mmol_l or min and max")
        share = 0.01 * (target.tolerance_pct if one.tolerance_pct is None else one.tolerance_pct)
        low, high, wanted = one.mmol_l * (1.0 - share), one.mmol_l * (1.0 + share), one.mmol_l
    if low > high:
        raise ProblemError(f"{field}.min", f"{low:g} is above max {high:g}")
    return IonBand(ion, low * strength, high * strength,
                None if wanted is None else wanted * strength, one.weight)


def planned(
    request: RecipeRequest, water: Water, shelf: list[Salt], bands: list[IonBand]
) -> dict[str, Any]:
    """Return the plan as JSON. Raises ProblemError, NoSolver."""
    if not has_solver():
        raise NoSolver
    has_prices = all(salt.price_per_kg is not None for salt in shelf)
    target = request.target
    ph = request.ph or (None if isinstance(target, str) else target.ph) or DEFAULT_PH
    problem = salt_recipe.Problem(
        water, shelf, bands, ph, request.temp_c, AIR_CO2_ATM if request.co2 == "air" else None,
        request.minimise or ("cost" if has_prices else "sodium"), request.concentration)
    plan = salt_recipe.solve(problem)
    stocks = stock_tanks.stocks(problem, plan, request.stock_l, request.stock_temp_c)
    return plan_json(problem, plan, stocks, request.stock_l)
