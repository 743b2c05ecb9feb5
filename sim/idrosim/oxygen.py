"""What oxygen water holds in balance with air at sea level (Benson and Krause 1984)."""

import math

# Of ln mg/L = A0 + A1/T + A2/T^2 + A3/T^3 + A4/T^4, T in kelvin, in fresh water.
_LN_MG_L = (-139.34411, 1.575701e5, -6.642308e7, 1.243800e10, -8.621949e11)


def saturation_mg_l(temp_c):
    """Return mg of O2 a litre of fresh water holds under moist air of 101,325 Pa, 0 to 40 C."""
    inverse = 1.0 / (temp_c + 273.15)
    total = 0.0
    for factor in reversed(_LN_MG_L):
        total = total * inverse + factor
    return math.exp(total)
