"""The units a person chooses to see. Inside, everything stays as it is stored (DESIGN.md, 2.5)."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """Multiply a stored value by `factor`, add `offset`, and print `decimals` and `text`.

    A difference of two values is only multiplied."""

    text: str
    factor: float
    offset: float
    decimals: int


# Stored as µS/cm at 25 °C. A ppm is no mass here: it is EC times a factor that meters agree on.
EC = {
    "mS/cm": Unit("mS/cm", 0.001, 0, 2),
    "uS/cm": Unit("µS/cm", 1, 0, 0),
    "ppm500": Unit("ppm (500)", 0.5, 0, 0),
    "ppm700": Unit("ppm (700)", 0.7, 0, 0),
}
# Stored as °C.
TEMPERATURE = {"C": Unit("°C", 1, 0, 1), "F": Unit("°F", 1.8, 32, 1)}
# Stored as ml. Doses stay in ml: that is what is on the bottle and on the syringe.
LITRES_A_GALLON = 3.785411784  # US liquid gallon, exactly 231 cubic inches
VOLUME = {"L": Unit("L", 0.001, 0, 1), "gal": Unit("gal", 0.001 / LITRES_A_GALLON, 0, 1)}

KINDS = {"ec": EC, "temperature": TEMPERATURE, "volume": VOLUME}
