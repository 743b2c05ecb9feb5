"""Electrical conductivity of a solved Solution: limiting conductances and activities.

kappa = sum of lambda0_i(T) m_i g_i^(0.595 / sqrt|z|), the form Appelo gave PHREEQC in 2010. Against
IPHREEQC 3.8.6 the root mean square is 1 to 2 % from 0.25 to 2 times strength; published
conductivity models differ among themselves by 2 to 3 %.
"""

import math

_EXPONENT = 0.595
# Names of Solution.species() in the order of the conductances; the last row is the pairs.
_NAMES = ("K", "Na", "NH4", "Ca", "Mg", "NO3", "Cl", "SO4", "H", "OH", "HCO3", "CO3",
          "H2PO4", "HPO4", "PO4")


def kappa_us_cm(solution, at_25_c=False):
    """Return the conductivity in uS/cm at the solution's temperature.

    With `at_25_c` the ions move as at 25 C while the solution keeps the speciation it has: EC as
    instruments report it, within 0.3 % of solving again at 25 C.
    """
    found = solution.species()
    lambdas, log_g1 = solution.mobility(at_25_c)
    factors = [0.0, math.exp(_EXPONENT * log_g1),
               math.exp(_EXPONENT * 4.0 / math.sqrt(2.0) * log_g1),
               math.exp(_EXPONENT * 9.0 / math.sqrt(3.0) * log_g1)]
    total = (found["pair+"][0] + found["pair-"][0]) * lambdas[15] * factors[1]
    for index in range(15):
        molality, charge = found[_NAMES[index]]
        total += molality * lambdas[index] * factors[abs(charge)]
    return total
