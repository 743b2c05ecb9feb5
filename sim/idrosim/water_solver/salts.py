"""The fertilisers, acids and bases that a nutrient recipe may use, and the built-in shelf.

A product dissolves into the ions of its formula; `purity_pct` is the share of that formula by
weight: 38 for nitric acid of 38 %. Acids have a density, so that they can be measured in ml.
"""

from dataclasses import dataclass
from functools import cached_property

from idrosim.water_solver.formula import Formula, read_formula

_LABEL = "label of greenhouse grades"
_PERRY = "density at 20 °C: Perry's Chemical Engineers' Handbook"


@dataclass(frozen=True)
class Salt:
    """One product of a shelf. `price_per_kg` is of the product as it is sold, in any currency."""

    name: str
    formula: str
    source: str = ""
    purity_pct: float = 100.0
    density_kg_l: float | None = None  # of a liquid
    price_per_kg: float | None = None

    @cached_property
    def composition(self) -> Formula:
        """Ions and molar mass. Raises FormulaError."""
        return read_formula(self.formula)

    @property
    def ions(self) -> dict[str, int]:
        """Ions per mole of the formula."""
        return dict(self.composition.ions)

    @property
    def g_per_mmol(self) -> float:
        """Grams of product that contain a millimole of the formula."""
        return 0.1 * self.composition.molar_mass / self.purity_pct

    @property
    def charge(self) -> int:
        """Charge of the strong ions: negative for an acid, positive for a base.

        Counts phosphate as H2PO4- and carbonate as neutral, as in a nutrient solution.
        """
        charges = {"K": 1, "Na": 1, "NH4": 1, "Ca": 2, "Mg": 2, "NO3": -1, "Cl": -1, "SO4": -2,
                   "P": -1}
        return sum(charges.get(ion, 0) * count for ion, count in self.ions.items())

    @property
    def is_acid_for_a(self) -> bool:
        """Whether it is an acid that may meet the calcium of tank A: nitric or hydrochloric."""
        return self.charge < 0 and not {"SO4", "P"} & set(self.ions)


# Calcium nitrate for greenhouses is the double salt of 15.5 % N and 19 % Ca.
BUILT_IN = tuple(Salt(*row) for row in (
    ("calcium nitrate", "5Ca(NO3)2.NH4NO3.10H2O", f"{_LABEL}: 15.5 % N, 19 % Ca"),
    ("calcium nitrate tetrahydrate", "Ca(NO3)2.4H2O", "CRC Handbook"),
    ("calcium chloride", "CaCl2.2H2O", "CRC Handbook"),
    ("potassium nitrate", "KNO3", f"{_LABEL}: 13.7 % N, 46 % K2O"),
    ("ammonium nitrate", "NH4NO3", f"{_LABEL}: 34.5 % N"),
    ("magnesium nitrate", "Mg(NO3)2.6H2O", f"{_LABEL}: 11 % N, 15.5 % MgO"),
    ("magnesium sulfate", "MgSO4.7H2O", f"{_LABEL}: 16 % MgO, 32 % SO3"),
    ("potassium sulfate", "K2SO4", f"{_LABEL}: 52 % K2O, 45 % SO3"),
    ("ammonium sulfate", "(NH4)2SO4", f"{_LABEL}: 21 % N"),
    ("monopotassium phosphate", "KH2PO4", f"{_LABEL}: 52 % P2O5, 34 % K2O"),
    ("monoammonium phosphate", "NH4H2PO4", f"{_LABEL}: 12 % N, 61 % P2O5"),
    ("potassium chloride", "KCl", f"{_LABEL}: 60 % K2O", 95.0),
    ("nitric acid 38 %", "HNO3", _PERRY, 38.0, 1.234),
    ("nitric acid 60 %", "HNO3", _PERRY, 60.0, 1.367),
    ("phosphoric acid 59 %", "H3PO4", _PERRY, 59.0, 1.418),
    ("phosphoric acid 85 %", "H3PO4", _PERRY, 85.0, 1.689),
    ("sulfuric acid 37 %", "H2SO4", _PERRY, 37.0, 1.277),
    ("potassium hydroxide", "KOH", "flakes; the rest is water", 88.0),
    ("potassium bicarbonate", "KHCO3", "CRC Handbook"),
    ("potassium carbonate", "K2CO3", "CRC Handbook"),
))
BY_NAME = {salt.name: salt for salt in BUILT_IN}
# What a grower has who names no shelf: no chloride, no carbonate, one acid of each kind.
DEFAULT_SHELF = tuple(BY_NAME[name] for name in (
    "calcium nitrate", "potassium nitrate", "ammonium nitrate", "magnesium sulfate",
    "potassium sulfate", "monopotassium phosphate",
    "monoammonium phosphate", "nitric acid 38 %", "phosphoric acid 59 %",
    "potassium bicarbonate"))
