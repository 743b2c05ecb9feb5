"""Saturation indices: whether a solid may fall out of a solution.

SI = log10(ion activity product / solubility product); above 0 the solid may form. Constants: USGS
phreeqc.dat (gypsum, calcite, hydroxyapatite), minteq.v4.dat (monetite, octacalcium phosphate),
Gregory et al. 1970 (brushite), Ohlinger et al. 1998 (struvite), Harvie et al. 1984 (syngenite).

Soluble salts have no solubility product that Davies' equation could be used with: theirs is the
product of molalities of their saturated solution (Lange's Handbook, 15th edition, table 5.2),
which assumes that activity coefficients are as in there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from idrosim.greenhouse.chemistry import IONS, Solution
from idrosim.greenhouse.equilibria import BRUSHITE_LOG_K, LN10

# A solution counts as clear below it: databases of constants differ among themselves by 0.1.
CLEAR_BELOW = -0.1
_R_J = 8.31446262
_KCAL_J = 4184.0


@dataclass(frozen=True)
class Solid:
    """A solid with its dissolution: powers of activities, log K at 25 °C, enthalpy in J/mol.

    `analytic` replaces both by A1 + A2 T + A3/T + A4 log10 T, T in kelvin. `is_counted` is False
    for solids that take weeks to form from a supersaturated nutrient solution.
    """

    name: str
    powers: Mapping[str, int]
    log_k: float
    enthalpy_j: float = 0.0
    analytic: tuple[float, float, float, float] | None = None
    is_counted: bool = True

    def log_k_at(self, temp_c: float) -> float:
        """Return the decimal logarithm of the solubility product."""
        kelvin = temp_c + 273.15
        if self.analytic is not None:
            a1, a2, a3, a4 = self.analytic
            return a1 + a2 * kelvin + a3 / kelvin + a4 * math.log10(kelvin)
        return self.log_k - self.enthalpy_j * (1.0 / kelvin - 1.0 / 298.15) / (LN10 * _R_J)


SOLIDS = (
    Solid("gypsum", {"Ca": 1, "SO4": 1}, -4.58, 0.0, (68.2401, 0.0, -3221.51, -25.0627)),
    Solid("brushite", {"Ca": 1, "HPO4": 1}, BRUSHITE_LOG_K),
    Solid("calcite", {"Ca": 1, "CO3": 1}, -8.48, 0.0, (17.118, -0.046528, -3496.0, 0.0)),
    Solid("struvite", {"Mg": 1, "NH4": 1, "PO4": 1}, -13.26),
    Solid("syngenite", {"K": 2, "Ca": 1, "SO4": 2}, -7.45),
    Solid("monetite", {"Ca": 1, "H": 1, "PO4": 1}, -19.275, 31_000.0, is_counted=False),
    Solid("octacalcium phosphate", {"Ca": 4, "H": 1, "PO4": 3}, -47.08),
    Solid("hydroxyapatite", {"Ca": 5, "HPO4": 3, "H": -4}, -3.421, -36.155 * _KCAL_J,
          is_counted=False),
)
SLOW = frozenset(solid.name for solid in SOLIDS if not solid.is_counted)
# salt: (ions per mole, g/mol without water, g per 100 g of water at 0, 10, 20 and 30 °C)
_SOLUBLE: dict[str, tuple[dict[str, int], float, tuple[float, float, float, float]]] = {
    "KNO3": ({"K": 1, "NO3": 1}, 101.10, (13.9, 21.2, 31.6, 45.3)),
    "K2SO4": ({"K": 2, "SO4": 1}, 174.25, (7.4, 9.3, 11.1, 13.0)),
    "KH2PO4": ({"K": 1, "P": 1}, 136.08, (14.8, 18.3, 22.6, 28.0)),
    "MgSO4.7H2O": ({"Mg": 1, "SO4": 1}, 120.36, (22.0, 28.2, 33.7, 38.9)),
}


class Concentrate(Solution):
    """A stock solution: activity coefficients stay at those of 0.5 mol/kg.

    Above, Davies' coefficients rise without bound. Held there, the index of gypsum is higher than
    the measured solubility in calcium nitrate solutions gives, so the error is on the safe side.
    """

    _DAVIES_MOL_KG = 0.5
    _FIRST_PH = 3.0

    def start(self) -> None:
        """Guess as for any solution, but acid, where little phosphate is paired."""
        Solution.start(self)
        self.ph = self._FIRST_PH

    def _activities(self) -> tuple[float, ...]:
        whole = self._ionic
        self._ionic = min(whole, self._DAVIES_MOL_KG)
        try:
            found: tuple[float, ...] = Solution._activities(self)
        finally:
            self._ionic = whole
        return found


def saturation_indices(solution: Solution) -> dict[str, float]:
    """Return the index of every solid whose ions are all there, of a solved solution."""
    activities = solution.activities()
    found = {}
    for solid in SOLIDS:
        if all(activities[ion] > 0.0 for ion in solid.powers):
            product = sum(power * math.log10(activities[ion])
                          for ion, power in solid.powers.items())
            found[solid.name] = product - solid.log_k_at(solution.temp_c)
    for name, (ions, _, _) in _SOLUBLE.items():
        molalities = {ion: solution.totals[IONS.index(ion)] for ion in ions}
        if all(molality > 0.0 for molality in molalities.values()):
            found[name] = sum(
                count * math.log10(molalities[ion] / (count * _saturated(name, solution.temp_c)))
                for ion, count in ions.items())
    return found


def precipitates(indices: Mapping[str, float]) -> dict[str, float]:
    """Return the indices above CLEAR_BELOW, without the slow solids."""
    return {name: index for name, index in indices.items()
            if index > CLEAR_BELOW and name not in SLOW}


def _saturated(name: str, temp_c: float) -> float:
    """Return the solubility of a salt, mol per kg of water, at 0 to 30 °C."""
    _, molar_mass, table = _SOLUBLE[name]
    place = min(max(temp_c, 0.0), 30.0) / 10.0
    index = min(int(place), 2)
    grams = table[index] + (table[index + 1] - table[index]) * (place - index)
    return 10.0 * grams / molar_mass
