"""Typical tap waters of cities, for the random cells.

Values are rounded, in mg/L, of the kind that the publisher named in `source` reports for a year;
they are not the analysis of a day. Such analyses never balance exactly (Standard Methods 1030 E
accepts 5 %): the remainder is given to sodium or chloride. CPython only.
"""

from __future__ import annotations

from typing import NamedTuple


class CityWater(NamedTuple):
    """One analysis: ions in mg/L, alkalinity as bicarbonate."""

    city: str
    calcium: float
    magnesium: float
    sodium: float
    potassium: float
    chloride: float
    sulfate: float
    nitrate: float
    bicarbonate: float
    ph: float
    source: str


CITIES = tuple(CityWater(*row) for row in (
    ("Melbourne", 4, 1.2, 5, 0.6, 8, 2, 0.5, 14, 7.3, "Melbourne Water, Silvan"),
    ("New York", 6, 1.4, 11, 0.6, 16, 4, 0.7, 17, 7.4, "NYC DEP, Catskill and Delaware"),
    ("Seattle", 9, 1.2, 3, 0.3, 4, 2, 0.2, 28, 8.2, "Seattle Public Utilities, Cedar"),
    ("Cape Town", 13, 2, 12, 0.7, 24, 14, 0.5, 21, 8.6, "City of Cape Town"),
    ("Manchester", 12, 1.5, 6, 0.7, 9, 13, 1.5, 28, 7.6, "United Utilities, Haweswater"),
    ("Hong Kong", 15, 1.8, 9, 3, 14, 17, 6, 30, 8.2, "Water Supplies Department, Dongjiang"),
    ("Helsinki", 20, 1.6, 6, 1.4, 7, 25, 1.5, 42, 8.6, "HSY, Paijanne"),
    ("Madrid", 12, 3, 8, 1, 10, 10, 2, 43, 7.9, "Canal de Isabel II"),
    ("Sydney", 13, 5, 17, 2, 30, 8, 0.8, 46, 7.9, "Sydney Water, Prospect"),
    ("Oslo", 18, 0.7, 4, 0.4, 4, 9, 0.8, 50, 7.9, "Oslo VAV, Oset"),
    ("Tokyo", 20, 5, 15, 2.2, 20, 26, 6, 55, 7.5, "Tokyo Bureau of Waterworks, Tone"),
    ("Stockholm", 25, 4, 12, 2.5, 14, 31, 1, 67, 8.5, "Stockholm Vatten, Norsborg"),
    ("Adelaide", 20, 13, 70, 4, 110, 45, 1, 70, 7.6, "SA Water, Happy Valley"),
    ("Denver", 33, 8, 20, 2, 24, 53, 0.8, 76, 7.8, "Denver Water"),
    ("Johannesburg", 17, 7, 15, 3, 13, 20, 1, 82, 8.2, "Rand Water, Vaal"),
    ("Tel Aviv", 35, 0.5, 15, 0.6, 20, 12, 0.5, 98, 8.1, "Mekorot, desalinated at Sorek"),
    ("Chicago", 35, 12, 9, 1.5, 17, 27, 1.5, 128, 7.7, "Chicago Water Management, Michigan"),
    ("Santiago", 110, 12, 50, 2, 100, 180, 6, 134, 7.6, "Aguas Andinas, Maipo"),
    ("Los Angeles", 28, 7, 45, 4, 42, 38, 2, 140, 8.0, "LADWP, Los Angeles Aqueduct"),
    ("Cairo", 28, 12, 25, 5, 22, 30, 1.5, 140, 7.8, "Cairo Water Company, Nile"),
    ("Athens", 45, 6, 4, 0.7, 6, 12, 1.5, 150, 7.8, "EYDAP, Mornos"),
    ("Stuttgart", 49, 8.2, 5.3, 1.3, 7.6, 34, 4.2, 152, 7.9, "Bodensee-Wasserversorgung"),
    ("Zurich", 50, 6.6, 6, 1.2, 7, 14, 3, 165, 7.9, "Wasserversorgung Zurich, lake"),
    ("Amsterdam", 46, 8.5, 65, 6, 82, 47, 3, 165, 8.3, "Waternet, Leiduin"),
    ("Las Vegas", 78, 28, 94, 5, 90, 235, 2, 166, 7.9, "Las Vegas Valley Water District"),
    ("Vienna", 47, 9, 1, 0.4, 1.6, 10, 5, 171, 7.9, "Wiener Wasser, Hochquellen"),
    ("Phoenix", 60, 22, 100, 5, 110, 150, 3, 183, 7.8, "City of Phoenix, Salt and Colorado"),
    ("Milan", 70, 15, 12, 1.3, 20, 33, 25, 214, 7.6, "MM, wells"),
    ("Barcelona", 85, 22, 90, 13, 150, 120, 6, 220, 7.5, "Aigues de Barcelona, Llobregat"),
    ("Paris", 90, 6, 11, 2, 22, 30, 28, 224, 7.6, "Eau de Paris"),
    ("Berlin", 110, 11, 40, 5, 60, 120, 2, 245, 7.5, "Berliner Wasserbetriebe"),
    ("London", 105, 5, 32, 5, 48, 55, 28, 250, 7.5, "Thames Water, Thames and Lea"),
    ("Beijing", 75, 25, 25, 2, 40, 60, 19, 260, 7.6, "Beijing Waterworks, wells"),
    ("San Antonio", 78, 16, 11, 1.3, 19, 24, 8, 270, 7.6, "SAWS, Edwards Aquifer"),
    ("Munich", 79, 19.5, 4.5, 1, 9, 19, 8, 300, 7.6, "SWM, Mangfalltal"),
    ("Dublin", 118, 4, 12, 1, 19, 55, 2, 319, 7.4, "Palmer, How to Brew: the old wells"),
    ("Copenhagen", 115, 18, 40, 4, 72, 60, 2, 330, 7.4, "HOFOR, before softening"),
    ("Rome", 98, 18, 5, 1.5, 7, 14, 4, 370, 7.4, "ACEA, Peschiera"),
    ("Bengaluru", 90, 45, 95, 5, 160, 60, 60, 380, 7.4, "Central Ground Water Board, wells"),
    ("Lucknow", 50, 45, 60, 5, 30, 30, 15, 440, 7.6, "Central Ground Water Board, wells"),
))

_GRAMS_MOL = {"Ca": 40.078, "Mg": 24.305, "Na": 22.990, "K": 39.098, "Cl": 35.45, "SO4": 96.06,
              "NO3": 62.004}
_BICARBONATE_G_MOL = 61.017
_CHARGES = {"Ca": 2, "Mg": 2, "Na": 1, "K": 1, "Cl": -1, "SO4": -2, "NO3": -1}
_PK_CO2 = 6.37  # CO2 and bicarbonate, between 15 and 25 C


def alkalinity_meq_l(water: CityWater) -> float:
    """Return the published alkalinity, meq/L."""
    return water.bicarbonate / _BICARBONATE_G_MOL


def unbalanced_meq_l(water: CityWater) -> float:
    """Return cations less anions of the analysis as published, meq/L."""
    return _excess(_mmol_l(water), water)


def ions(water: CityWater) -> dict[str, float]:
    """Return the balanced water, mmol/L; `C` is the inorganic carbon at the published pH."""
    found = _mmol_l(water)
    excess = _excess(found, water)
    found["Na" if excess < 0.0 else "Cl"] += abs(excess)
    found["C"] = alkalinity_meq_l(water) * (1.0 + 10.0 ** (_PK_CO2 - water.ph))
    return found


def _mmol_l(water: CityWater) -> dict[str, float]:
    given = {"Ca": water.calcium, "Mg": water.magnesium, "Na": water.sodium, "K": water.potassium,
             "Cl": water.chloride, "SO4": water.sulfate, "NO3": water.nitrate}
    return {ion: mg / _GRAMS_MOL[ion] for ion, mg in given.items()}


def _excess(found: dict[str, float], water: CityWater) -> float:
    cations = sum(charge * found[ion] for ion, charge in _CHARGES.items())
    return cations - alkalinity_meq_l(water)
