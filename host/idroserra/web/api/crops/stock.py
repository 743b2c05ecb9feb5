"""The HTTP API of the stock calculator."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.simulation.nutrient_process import RecipeSolver
from idroserra.simulation.nutrient_recipe import RecipeRequest
from idroserra.simulation.stock_calculator import (
    BOUNDS,
    BatchRequest,
    batch_json,
    batch_words,
    dose_of_water,
    weigh,
)
from idroserra.web.api.schemas import Out, error_replies, error_reply
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({})
_Water = Annotated[str, Meta(max_length=200, description=(
    'ro, soft, medium, hard, or a report in mg/L such as "Ca=48 Mg=10 HCO3=146 pH=7.6".'))]
_Stock = Annotated[str, Meta(max_length=20, description="A stock of docs/chemistry.md.")]


def _within(field: str, description: str) -> Meta:
    low, high = BOUNDS[field]
    return Meta(ge=low, le=high, description=description)


_Litres = Annotated[float, _within("volume_l", "Litres to make.")]
_TargetPh = Annotated[float, _within("target_ph", "pH to reach.")]
_Celsius = Annotated[float, _within("temp_c", "Of the water, °C.")]


class DoseOut(Out):
    """The ml of a stock for plain water."""

    stock: str
    stock_ml: float
    ph_without_stock: float
    ph: float
    ec_us_cm: float
    words: Annotated[dict[str, Any], Meta(
        description="In the reader's language: salts, ions, lines, notes.")]


class BatchOut(Out):
    """A batch: grams of each salt, ml of acid or base, and the resulting solution."""

    recipe: str
    strength: float
    volume_l: float
    water: str
    alkalinity_meq_l: float
    grams: dict[str, float]
    stock: str | None
    stock_ml: float
    ph_without_stock: float
    ph: float
    ec_us_cm: float
    si_brushite: float | None
    ions_mmol_l: dict[str, dict[str, float]]
    notes: list[str]
    words: dict[str, Any]


class IonOut(Out):
    """One ion of a recipe, mmol/L: what is wanted and allowed, and what the plan gives."""

    wanted: float | None
    low: float | None
    high: float | None
    got: float


class MissedOut(Out):
    """An ion that no choice of the salts brings into its band, mmol/L."""

    ion: str
    low: float
    high: float | None
    got: float
    off: Annotated[float, Meta(description="Distance to the band.")]
    from_water: float


class TankOut(Out):
    """A stock solution: salts with g (and ml of a liquid) for its litres."""

    tank: str
    salts: list[dict[str, Any]]
    ph: Annotated[float | None, Meta(description="null: too concentrated to be computed.")]
    saturation: dict[str, float]
    precipitates: Annotated[dict[str, float], Meta(
        description="Saturation indices of the solids that may precipitate.")]
    is_clear: bool


class RecipeOut(Out):
    """A nutrient recipe: two stock solutions and the ready solution."""

    ok: Annotated[bool, Meta(description=(
        "Every ion and the pH are met, and nothing may precipitate."))]
    minimised: str
    ph: float
    ph_aerated: Annotated[float, Meta(description="In equilibrium with the CO2 of air.")]
    ec_us_cm: float
    cost_per_m3: float | None
    ions_mmol_l: dict[str, IonOut]
    missed: list[MissedOut]
    missing_acid_meq_l: float
    missing_base_meq_l: float
    saturation: dict[str, float]
    precipitates: dict[str, float]
    concentration: float
    stock_l: float
    ready_l: float
    stocks: list[TankOut]
    clear_up_to: Annotated[float | None, Meta(description=(
        "Highest concentration of the stock solutions without precipitate."))]
    notes: list[str]


def stock_router() -> Routes:
    """Return the routes under /api/stock."""
    router = Routes("/api/stock", _ERROR_REPLIES)
    solver = RecipeSolver()

    @router.get("/batch", answer=BatchOut)
    def batch(
        recipe: Annotated[str, Meta(max_length=20, description="A nutrient solution.")],
        volume_l: _Litres = 100.0, water: _Water = "ro",
        strength: Annotated[float, _within("strength", "Times the recipe.")] = 1.0,
        target_ph: _TargetPh = 5.8, acid: _Stock = "h3po4_10pct", base: _Stock = "khco3_1M",
        temp_c: _Celsius = 20.0,
    ) -> dict[str, Any]:
        """Return salts and acid or base of a nutrient solution."""
        wanted = BatchRequest(recipe, volume_l, water, strength, target_ph, acid, base, temp_c)
        weighed = weigh(wanted)
        return batch_json(wanted, weighed) | {"words": batch_words(weighed)}

    @router.get("/dose", answer=DoseOut)
    def dose(
        stock: _Stock, volume_l: _Litres = 100.0, water: _Water = "ro",
        target_ph: _TargetPh = 5.8, temp_c: _Celsius = 20.0,
    ) -> dict[str, Any]:
        """Return the acid or base that brings plain water to a pH."""
        return dose_of_water(water, stock, volume_l, target_ph, temp_c)

    @router.post("/recipe", answer=RecipeOut, replies={
        501: error_reply("scipy is not installed."),
        503: error_reply("Not computed in time.")})
    def nutrient_recipe(body: RecipeRequest) -> dict[str, Any]:
        """Return the salts of a nutrient solution, split into stock solutions A and B."""
        return solver.solve(body)

    return router
