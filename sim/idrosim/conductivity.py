"""Electrical conductivity of a solved Solution: limiting conductances and activities.

kappa = sum of lambda0_i(T) m_i g_i^(0.595 / sqrt|z|), as Appelo gave PHREEQC in 2010. Against
IPHREEQC 3.8.6 the root mean square is 1 to 2 % from 0.25 to 2 times strength; published
conductivity models differ among themselves by 2 to 3 %.
"""

import math

from idrosim.chemistry import CHARGES

_EXPONENT = 0.595
# z^2 / sqrt|z| for |z| of 1, 2 and 3: the power of the coefficient of a single charge.
_POWERS = tuple(_EXPONENT * z * z / math.sqrt(z) for z in (1.0, 2.0, 3.0))
_SIZES = tuple(abs(charge) for charge in CHARGES)


def conductivities(solution):
    """Return (conductivity at the solution's temperature, EC at 25 C), uS/cm.

    For the second the ions move as at 25 C while the speciation stays: what a perfect instrument
    reports, within 0.8 % of the solution solved again at 25 C from 10 to 30 C.
    """
    here, log_g1 = solution.mobility(False)
    factors = _factors(log_g1)
    standard, log_g1 = solution.mobility(True)
    factors_25 = _factors(log_g1)
    kappa_us_cm = ec_us_cm = 0.0
    for index, molality in enumerate(solution.charged()):
        size = _SIZES[index]
        kappa_us_cm += molality * here[index] * factors[size]
        ec_us_cm += molality * standard[index] * factors_25[size]
    return kappa_us_cm, ec_us_cm


def _factors(log_g1):
    one, two, three = _POWERS
    return 0.0, math.exp(one * log_g1), math.exp(two * log_g1), math.exp(three * log_g1)
