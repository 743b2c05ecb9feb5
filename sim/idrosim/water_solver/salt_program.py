"""The linear program that chooses salts: ions within their bands, charges balanced, least cost.

Solved by HiGHS through scipy (the extra `recipes`). If no choice meets every band, the bands
become elastic: the least weighted sum of relative misses is found first, then the least cost with
it. The pH gives way late. Amounts are mmol per litre of the ready solution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idrosim.greenhouse.chemistry import IONS
from idrosim.water_solver.salts import Salt
from idrosim.water_solver.solve import ProblemError

# Weight of a missing meq/L of acid or base against relative misses of ions: twice the phosphate is
# accepted for a pH, but no flood of KH2PO4, which is a weak acid.
_CHARGE_WEIGHT = 2.0
# Tank A may go without acid sooner than an ion misses its band.
_ACID_WEIGHT = 1e-3
# Among plans of the same cost: close to what is wanted, little that is not asked for, light.
_CLOSENESS, _UNWANTED, _LIGHTNESS = 1e-2, 1e-3, 1e-4
_LEAST_SCALE_MMOL_L = 0.1
_MOST_STEPS = 10_000  # of the solver; a recipe takes about 30
_OPTIMAL, _INFEASIBLE = 0, 2


@dataclass(frozen=True)
class IonBand:
    """The allowed mmol/L of one ion in the ready solution; `wanted` lies within, or is None."""

    ion: str
    low: float
    high: float
    wanted: float | None = None
    weight: float = 1.0

    @property
    def scale(self) -> float:
        """mmol/L that count as one in a relative miss."""
        reference = self.wanted if self.wanted is not None else (
            self.high if math.isfinite(self.high) else self.low)
        return max(reference, _LEAST_SCALE_MMOL_L)


@dataclass(frozen=True)
class Neutrality:
    """The charge balance at a pH, linear in mmol/L of ions: sum(slopes * ions) = level."""

    slopes: Mapping[str, float]
    level: float


@dataclass(frozen=True)
class Choice:
    """mmol/L of each salt, and meq/L of base (positive) or acid that the shelf lacks."""

    amounts: dict[str, float]
    missing_meq_l: float


class SaltProgram:
    """The program of one water, shelf and target; `solve` it for each charge balance.

    Columns: salts, relative distance from what is wanted (bands), misses below and above (bands),
    acid missing in tank A, missing base and acid of the whole. `price` is the cost or the sodium
    of a mmol of each salt; `acid_meq_l` the acid without sulfate and phosphate that tank A needs.
    """

    def __init__(
        self, water: Mapping[str, float], shelf: Sequence[Salt], bands: Sequence[IonBand],
        price: Sequence[float], acid_meq_l: float,
    ) -> None:
        import numpy
        import scipy.optimize

        self._numpy, self._linprog = numpy, scipy.optimize.linprog
        self._shelf, self._water, self._is_elastic = shelf, water, False
        count = len(bands)
        self._ions = numpy.array([[salt.ions.get(ion, 0) for salt in shelf] for ion in IONS],
                                 dtype=float)
        mass = numpy.array([salt.g_per_mmol for salt in shelf])
        scales = numpy.array([band.scale for band in bands])
        wanted = {band.ion for band in bands if band.wanted is not None}
        unwanted = numpy.array([ion not in wanted for ion in IONS])
        largest = max(max(price, default=0.0), 1e-9)
        nothing = numpy.zeros(count)
        self._cost = numpy.concatenate([
            numpy.array(price) / largest + _UNWANTED * (unwanted @ self._ions)
            + _LIGHTNESS * mass,
            numpy.array([_CLOSENESS * band.weight for band in bands]), nothing, nothing,
            numpy.zeros(3)])
        self._miss_cost = numpy.concatenate([
            numpy.zeros(len(shelf) + count),
            *2 * [numpy.array([band.weight for band in bands]) / scales],
            numpy.array([_ACID_WEIGHT]), numpy.full(2, _CHARGE_WEIGHT)])
        self._rows, self._limits = self._inequalities(bands, scales, acid_meq_l)

    def _inequalities(
        self, bands: Sequence[IonBand], scales: Any, acid_meq_l: float
    ) -> tuple[Any, Any]:
        """Return (matrix, right side) of matrix @ columns <= right side."""
        numpy, count, salts = self._numpy, len(bands), len(self._shelf)
        acid = numpy.zeros(salts + 3 * count + 3)
        acid[:salts] = [min(salt.charge, 0) if salt.is_acid_for_a else 0 for salt in self._shelf]
        acid[salts + 3 * count] = -1.0
        rows, limits = [acid], [-acid_meq_l]
        for index, band in enumerate(bands):
            have = self._water.get(band.ion, 0.0)
            ions = self._ions[IONS.index(band.ion)]
            sides = [(-1.0, salts + count + index, 1.0, band.low),
                     (1.0, salts + 2 * count + index, 1.0, band.high)]
            if band.wanted is not None:
                sides += [(sign, salts + index, scales[index], band.wanted)
                          for sign in (-1.0, 1.0)]
            for sign, column, slack, bound in sides:
                if math.isfinite(bound):
                    row = numpy.zeros(salts + 3 * count + 3)
                    row[:salts], row[column] = sign * ions, -slack
                    rows.append(row)
                    limits.append(sign * (bound - have))
        return numpy.array(rows), numpy.array(limits)

    def solve(self, neutrality: Neutrality) -> Choice:
        """Return the best choice under a charge balance. Raises ProblemError."""
        numpy = self._numpy
        slopes = numpy.array([neutrality.slopes.get(ion, 0.0) for ion in IONS])
        have = sum(slope * self._water.get(ion, 0.0)
                   for ion, slope in zip(IONS, slopes, strict=True))
        charge = numpy.zeros(len(self._cost))
        charge[:len(self._shelf)] = slopes @ self._ions
        charge[-2:] = 1.0, -1.0  # missing base, missing acid
        equal = charge.reshape(1, -1), numpy.array([neutrality.level - have])
        is_slack = self._miss_cost > 0.0
        found = None if self._is_elastic else self._run(
            self._cost, self._rows, self._limits, equal, numpy.where(is_slack, 0.0, numpy.inf))
        if found is None:
            self._is_elastic = True  # also of the next: without a miss it is the same program
            found = self._run_elastic(equal)
        amounts = {salt.name: float(amount) for salt, amount in
                   zip(self._shelf, found[:len(self._shelf)], strict=True) if amount > 1e-6}
        return Choice(amounts, float(found[-2] - found[-1]))

    def _run_elastic(self, equal: tuple[Any, Any]) -> Any:
        numpy = self._numpy
        free = numpy.full(len(self._cost), numpy.inf)
        best = self._run(self._miss_cost, self._rows, self._limits, equal, free)
        if best is not None:
            least = float(self._miss_cost @ best)
            rows = numpy.vstack([self._rows, self._miss_cost])
            limits = numpy.append(self._limits, least * (1.0 + 1e-6) + 1e-7)
            best = self._run(self._cost, rows, limits, equal, free)
        if best is None:
            raise ProblemError("", "the solver found no recipe")
        return best

    def _run(
        self, cost: Any, rows: Any, limits: Any, equal: tuple[Any, Any], most: Any
    ) -> Any:
        """Return the columns of the optimum, or None if no columns meet all rows."""
        result = self._linprog(
            cost, rows, limits, *equal,
            bounds=self._numpy.column_stack([self._numpy.zeros(len(most)), most]),
            method="highs", options={"maxiter": _MOST_STEPS})
        if result.status not in (_OPTIMAL, _INFEASIBLE):
            raise ProblemError("", f"the solver stopped: {result.message}")
        return result.x if result.status == _OPTIMAL else None
