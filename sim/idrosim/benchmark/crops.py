"""Crops of the random cells: recipe and range of target EC. CPython only."""

from __future__ import annotations

from typing import NamedTuple

from idrosim.benchmark.cases import Ions
from idrosim.greenhouse.water import RECIPES


class Crop(NamedTuple):
    """A crop: its recipe in mmol/L, and the lowest and highest usual target EC, uS/cm."""

    name: str
    recipe: Ions
    target_us_cm: tuple[float, float]


# Lettuce: Mattson and Peters 2014; the others: Sonneveld and Straver, Nutrient solutions for
# vegetables and flowers grown in water or substrates, 1994. Herbs grow on the lettuce recipe.
CROPS = (
    Crop("lettuce", dict(RECIPES["lettuce"]), (1_200.0, 2_000.0)),
    Crop("herbs", dict(RECIPES["lettuce"]), (1_000.0, 1_800.0)),
    Crop("strawberry", {"NH4": 1.0, "K": 5.0, "Ca": 3.25, "Mg": 1.25, "NO3": 11.5, "P": 1.25,
                        "SO4": 1.125}, (1_200.0, 1_800.0)),
    Crop("cucumber", {"NH4": 1.25, "K": 8.0, "Ca": 4.0, "Mg": 1.375, "NO3": 16.0, "P": 1.25,
                      "SO4": 1.375}, (1_800.0, 2_600.0)),
    Crop("tomato", {"NH4": 1.2, "K": 9.5, "Ca": 5.4, "Mg": 2.4, "NO3": 16.0, "P": 1.5,
                    "SO4": 4.4}, (2_000.0, 3_200.0)),
)
