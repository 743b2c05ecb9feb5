"""Composition of raw waters, dosing stocks and recipes.

Waters are mmol/L with all alkalinity as bicarbonate; stocks are mol/L of stock. Acids list only
their anion and bases only their cation: charge balance gives the rest. The 10 % stocks have the
densities of the oracle tables: H3PO4 1.0532 kg/L, HNO3 1.0543, KOH 1.0918, K2CO3 1.0904. Other
strengths are named by their mol/L: 2.9 mol/L is 25 % phosphoric acid by weight or 17 % nitric.
"""

from idrosim.greenhouse.chemistry import IONS

# Soft, medium and hard tap water and reverse osmosis, mmol/L.
WATERS = {
    "ro": {},
    "soft": {"Ca": 0.3, "Mg": 0.08, "Na": 0.35, "K": 0.03, "Cl": 0.34, "SO4": 0.15, "C": 0.541373},
    "medium": {"Ca": 1.2, "Mg": 0.4, "Na": 0.8, "K": 0.05, "Cl": 0.85, "SO4": 0.4, "C": 2.51019},
    "hard": {"Ca": 2.75, "Mg": 0.8, "Na": 1.2, "K": 0.1, "Cl": 1.2, "SO4": 0.6, "C": 6.44056},
}

# Solutions at strength 1, mmol/L. Hoagland and Arnon 1950; Sonneveld and Straver; Mattson and
# Peters 2014 (lettuce).
RECIPES = {
    "none": {},
    "lettuce": {"K": 5.3711, "Ca": 2.2489, "Mg": 0.9979, "NH4": 0.925, "NO3": 9.7943,
                "P": 0.9997, "SO4": 0.9979},
    "hoagland1": {"K": 6.0, "Ca": 5.0, "Mg": 2.0, "NO3": 15.0, "P": 1.0, "SO4": 2.0},
    "hoagland2": {"K": 6.0, "Ca": 4.0, "Mg": 2.0, "NH4": 1.0, "NO3": 14.0, "P": 1.0, "SO4": 2.0},
    "sonneveld_lettuce": {"K": 11.0, "Ca": 4.5, "Mg": 1.0, "NH4": 1.25, "NO3": 19.0, "P": 2.0,
                          "SO4": 1.125},
}

# Dosing stocks, mol/L. A and B are the lettuce recipe at 100 times, calcium separate from sulfate
# and phosphate: A calcium and ammonium nitrate with half the potassium nitrate, B the rest.
STOCKS = {
    "h3po4_10pct": {"P": 1.0747},
    "hno3_10pct": {"NO3": 1.6732},
    "h3po4_0.25M": {"P": 0.25},
    "h3po4_2.9M": {"P": 2.9},
    "hno3_0.4M": {"NO3": 0.4},
    "hno3_2.9M": {"NO3": 2.9},
    "koh_10pct": {"K": 1.9460},
    "k2co3_10pct": {"K": 1.5780, "C": 0.7890},
    "khco3_1M": {"K": 1.0, "C": 1.0},
    "khco3_0.25M": {"K": 0.25, "C": 0.25},
    "k2co3_1.4M": {"K": 2.8, "C": 1.4},
    "nutrient_a": {"Ca": 0.22489, "NH4": 0.0925, "K": 0.21857, "NO3": 0.76085},
    "nutrient_b": {"K": 0.31854, "Mg": 0.09979, "SO4": 0.09979, "P": 0.09997, "NO3": 0.21858},
    "water": {},
}

# Water per litre of the pH stocks, kg: density less the dissolved mass.
STOCK_WATER_KG_L = {
    "h3po4_10pct": 0.9 * 1.0532,
    "hno3_10pct": 0.9 * 1.0543,
    "koh_10pct": 0.9 * 1.0918,
    "k2co3_10pct": 0.9 * 1.0904,
    "khco3_1M": 0.967,
}


def amounts(table, name, factor):
    """Return `table[name]` times `factor`, ten floats in the order of chemistry.IONS.

    `name` may also be a dict of ions, in the unit of the table. Raises ValueError if unknown.
    """
    if isinstance(name, dict):
        row = name
    elif name in table:
        row = table[name]
    else:
        raise ValueError(f"{name!r}: not one of {sorted(table)}")
    return [row.get(ion, 0.0) * factor for ion in IONS]
