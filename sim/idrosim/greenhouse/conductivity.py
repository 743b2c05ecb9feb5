"""Electrical conductivity of a solved Solution, by the Debye-Hueckel-Onsager equation.

The conductance of an ion at infinite dilution is reduced by electrophoresis and relaxation, with
Falkenhagen's finite ion size, mixed as in PHREEQC 3.8 (Appelo 2017, Cement and Concrete Research
101, 102). RMS difference from IPHREEQC 3.8.6: 0.5 %. Published models differ by 2 to 3 % from
each other, and by more than 10 % in strong acid (below pH 3), where the mixing rule matters.
"""

import math

from idrosim.greenhouse.chemistry import CHARGES
from idrosim.greenhouse.equilibria import APPROACH, IS_MOBILE

# (index, charge number, its square, distance of closest approach) of each ion of one sign.
_ROWS = tuple((i, abs(z), z * z, APPROACH[i]) for i, z in enumerate(CHARGES) if IS_MOBILE[i])
_CATIONS = tuple(row for row in _ROWS if CHARGES[row[0]] > 0)
_ANIONS = tuple(row for row in _ROWS if CHARGES[row[0]] < 0)


def conductivities(solution):
    """Return (conductivity at the solution's temperature, EC at 25 C), uS/cm.

    EC at 25 C uses the mobilities at 25 C with the present speciation, as a perfect instrument
    does: from 10 to 30 C it is within 1 % of the solution solved at 25 C.
    """
    molalities = solution.charged()
    here, standard = solution.equilibria(False), solution.equilibria(True)
    limits = here.conductance
    moles_p, charge_p, squares_p, mobile_p = _side(molalities, _CATIONS, limits)
    moles_n, charge_n, squares_n, mobile_n = _side(molalities, _ANIONS, limits)
    z_p, z_n = charge_p / moles_p, charge_n / moles_n
    mean_p, mean_n = mobile_p / moles_p, mobile_n / moles_n
    # Onsager's q of the mixture treated as one salt, from transport numbers without interaction.
    # q and the Debye length change so little from 5 to 40 C that both temperatures share them.
    q = z_p * z_n * (mean_p + mean_n) / ((z_n * mean_p + z_p * mean_n) * (z_p + z_n))
    root = math.sqrt(solution.ionic_strength())
    pull = root * q / (1.0 + math.sqrt(q)) * z_p * z_n
    debye, relaxation, electrophoresis, per_molality = here.onsager
    _, relaxation_25, electrophoresis_25, per_molality_25 = standard.onsager
    drag = (debye * root, electrophoresis * root, relaxation * pull,
            electrophoresis_25 * root, relaxation_25 * pull)
    limits = limits, standard.conductance
    kappa_p, standard_p = _moved(molalities, _CATIONS, limits, drag)
    kappa_n, standard_n = _moved(molalities, _ANIONS, limits, drag)
    # PHREEQC's mixing: the equivalents of each sign are divided among its ions by charge^2.
    share_p, share_n = charge_p / squares_p, charge_n / squares_n
    return ((kappa_p * share_p + kappa_n * share_n) * per_molality,
            (standard_p * share_p + standard_n * share_n) * per_molality_25)


def _side(molalities, rows, limits):
    """Return sums over the ions of one sign: mol, charge, charge^2, limiting conductance."""
    moles = charge = squares = mobile = 0.0
    for index, size, square, _ in rows:
        molality = molalities[index]
        moles = moles + molality
        charge = charge + molality * size
        squares = squares + molality * square
        mobile = mobile + molality * size * limits[index]
    return moles, charge, squares, mobile


def _moved(molalities, rows, limits, drag):
    """Return the sum of charge^2 times conductance, here and at 25 C."""
    here, standard = limits
    debye, slow, pull, slow_25, pull_25 = drag
    total = total_25 = 0.0
    for index, size, square, approach in rows:
        near = 1.0 / (1.0 + debye * approach)
        part = molalities[index] * square
        dragged, near = size * near, near * near
        total = total + part * (here[index] - slow * dragged) * (1.0 - pull * near)
        total_25 = total_25 + part * (standard[index] - slow_25 * dragged) * (1.0 - pull_25 * near)
    return total, total_25
