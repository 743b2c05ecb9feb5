"""Display units that a user can choose. Stored values keep their units (DESIGN.md, 2.5)."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: shown value = stored value * `factor` + `offset`, with `decimals` and `text`.

    A difference of two values has no offset."""

    text: str
    factor: float
    offset: float
    decimals: int


# Stored as µS/cm at 25 °C. "ppm" is not a mass fraction but EC times the meter's factor.
EC = {
    "mS/cm": Unit("mS/cm", 0.001, 0, 2),
    "uS/cm": Unit("µS/cm", 1, 0, 0),
    "ppm500": Unit("ppm (500)", 0.5, 0, 0),
    "ppm700": Unit("ppm (700)", 0.7, 0, 0),
}
# Stored as °C.
TEMPERATURE = {"C": Unit("°C", 1, 0, 1), "F": Unit("°F", 1.8, 32, 1)}
# Stored as ml. Doses are always shown in ml, the unit of bottles and syringes.
LITRES_A_GALLON = 3.785411784  # US liquid gallon, exactly 231 cubic inches
VOLUME = {"L": Unit("L", 0.001, 0, 1), "gal": Unit("gal", 0.001 / LITRES_A_GALLON, 0, 1)}

KINDS = {"ec": EC, "temperature": TEMPERATURE, "volume": VOLUME}
