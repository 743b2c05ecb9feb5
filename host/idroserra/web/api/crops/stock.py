"""The HTTP API of the stock calculator."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.simulation.stock_calculator import (
    BOUNDS,
    BatchRequest,
    batch_json,
    batch_words,
    dose_of_water,
    weigh,
)
from idroserra.web.api.schemas import Out, error_replies
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


def stock_router() -> Routes:
    """Return the routes under /api/stock."""
    router = Routes("/api/stock", _ERROR_REPLIES)

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

    return router
