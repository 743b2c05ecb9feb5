"""Stock solutions of acid and base, and their milliequivalents per millilitre.

From weight and density at 20 C (tests/oracle/README.md). Phosphoric acid counts one proton, as it
dissociates at the pH of nutrient solutions; potassium carbonate counts two.
"""

from __future__ import annotations

from typing import NamedTuple

from idroserra.i18n.marker import N_


class Stock(NamedTuple):
    """A common stock solution. meq_per_ml: protons or bases; doser: that of its bottle."""

    name: str
    title: str
    meq_per_ml: float
    doser: str


STOCKS = {stock.name: stock for stock in (
    Stock("h3po4_10pct", N_("Phosphoric acid, 10 % by weight"), 1.0747, "ph_down"),
    Stock("hno3_10pct", N_("Nitric acid, 10 % by weight"), 1.6732, "ph_down"),
    Stock("koh_10pct", N_("Potassium hydroxide, 10 % by weight"), 1.9460, "ph_up"),
    Stock("k2co3_10pct", N_("Potassium carbonate, 10 % by weight"), 1.5780, "ph_up"),
    Stock("khco3_1M", N_("Potassium bicarbonate, 1 mol/L"), 1.0, "ph_up"),
)}
