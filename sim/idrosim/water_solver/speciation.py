"""The charge that a solution lacks at a given pH, which acid or base must bring."""

from collections.abc import Sequence

from idrosim.greenhouse.chemistry import CHARGES, Solution

_ITERATIONS = 80
_DRIFT = 1e-8


def charge_gap(solution: Solution, totals: Sequence[float], temp_c: float, ph: float) -> float:
    """Return the strong charge missing at `ph`, eq per kg of water: positive for a base.

    Leaves the species of `totals` (mol/kg) at that pH in `solution`. Raises ValueError if they do
    not converge.
    """
    solution.put(list(totals), temp_c)
    solution.start()
    for _ in range(_ITERATIONS):
        solution.ph = ph
        _, drift = solution.iterate()
        if drift < _DRIFT:
            solution.ph = ph
            species = solution.charged()
            return -float(sum(
                amount * charge for amount, charge in zip(species, CHARGES, strict=True)))
    raise ValueError(f"no speciation at pH {ph:g}: {list(totals)}")
