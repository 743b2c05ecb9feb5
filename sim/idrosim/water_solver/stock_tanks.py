"""Splits a nutrient recipe into the stock solutions A and B, and tells what would precipitate.

A takes the calcium and the salts without sulfate, phosphate and carbonate, of which B takes a part
if they do not all dissolve in A; B takes the rest. Both are made with the raw water, so A also
gets as much nitric or hydrochloric acid as neutralises its own water, and B the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.equilibria import EquilibriaTable, density_kg_l
from idrosim.water_solver.salt_recipe import Plan, Problem, State, describe
from idrosim.water_solver.salts import Salt
from idrosim.water_solver.saturation import Concentrate, precipitates
from idrosim.water_solver.solve import ProblemError

_SEPARATED = ("SO4", "P", "C")
# Conventional apparent molar volumes at 25 °C, ml/mol (Millero 1971, Chemical Reviews 71, 147).
_ML_PER_MOL = {"K": 9.0, "Na": -1.2, "NH4": 17.9, "Ca": -17.9, "Mg": -21.2, "NO3": 29.0,
               "Cl": 17.8, "SO4": 14.0, "P": 29.1, "C": 24.3}
_BISECTIONS = 4
# Of the salts that may be in either tank.
_SHARES_IN_B = (0.0, 0.25, 0.5)

_table = EquilibriaTable()


@dataclass(frozen=True)
class Tank:
    """One stock solution: grams of each salt for its litres, and its computed state.

    `state` is None if the solution is too concentrated to be computed.
    """

    name: str
    grams: Mapping[str, float]
    temp_c: float
    state: State | None

    @property
    def precipitates(self) -> dict[str, float]:
        """Saturation indices of what may precipitate."""
        return {} if self.state is None else precipitates(self.state.indices)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is expected to precipitate."""
        return self.state is not None and not self.precipitates


@dataclass(frozen=True)
class Stocks:
    """The two tanks. `clear_up_to` is the highest concentration without precipitate, at most the
    requested one; None if there is none above a tenth of that."""

    tanks: tuple[Tank, Tank]
    clear_up_to: float | None


def stocks(problem: Problem, plan: Plan, stock_l: float, temp_c: float) -> Stocks:
    """Return the tanks of a plan, `stock_l` litres each; `temp_c` is the coldest they become."""
    concentration = problem.concentration
    tanks = _tanks(problem, plan, concentration, stock_l, temp_c)
    return Stocks(tanks, _clear_up_to(problem, plan, concentration, temp_c, tanks))


def split(
    shelf: Sequence[Salt], amounts: Mapping[str, float], own_alkalinity: float, share_in_b: float
) -> dict[str, dict[str, float]]:
    """Return mmol of each salt per litre of ready solution in the tanks A and B.

    `own_alkalinity` is that of the water in A, meq per litre of ready solution; `share_in_b` that
    part of the salts which may be in either.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "B": {}}
    for salt in shelf:
        mmol = amounts.get(salt.name, 0.0)
        if not mmol:
            continue
        if "Ca" in salt.ions:
            found["A"][salt.name] = mmol
        elif any(ion in salt.ions for ion in _SEPARATED) or salt.charge > 0:
            found["B"][salt.name] = mmol
        else:  # KNO3 and its like, or an acid without sulfate and phosphate
            in_a = mmol * (1.0 - share_in_b)
            if salt.charge < 0:
                in_a = min(mmol, own_alkalinity / -salt.charge)
                own_alkalinity += in_a * salt.charge
            for tank, part in (("A", in_a), ("B", mmol - in_a)):
                if part > 1e-9:
                    found[tank][salt.name] = part
    return found


def stock_ions(
    water: Mapping[str, float], shelf: Sequence[Salt], amounts: Mapping[str, float],
    concentration: float,
) -> dict[str, float]:
    """Return mmol per kg of water of a stock solution, `amounts` in mmol per ready litre."""
    salts = dict.fromkeys(IONS, 0.0)
    for salt in shelf:
        for ion, count in salt.ions.items():
            salts[ion] += count * amounts.get(salt.name, 0.0) * concentration
    displaced_l = 1e-6 * sum(_ML_PER_MOL[ion] * mmol for ion, mmol in salts.items())
    water_kg = density_kg_l(20.0) * max(1.0 - displaced_l, 0.1)
    return {ion: water.get(ion, 0.0) + mmol / water_kg for ion, mmol in salts.items()}


def _tanks(
    problem: Problem, plan: Plan, concentration: float, stock_l: float, temp_c: float
) -> tuple[Tank, Tank]:
    """Return the tanks with the least share in B that leaves both clear; without one, share 0."""
    first = None
    for share in _SHARES_IN_B:
        parts = split(problem.shelf, plan.amounts,
                      max(problem.water.alkalinity_meq_l, 0.0) / concentration, share)
        a, b = (_tank(name, problem, amounts, (concentration, stock_l, temp_c))
                for name, amounts in parts.items())
        if a.is_clear and b.is_clear:
            return a, b
        first = first or (a, b)
    assert first is not None
    return first


def _tank(
    name: str, problem: Problem, amounts: Mapping[str, float], size: tuple[float, float, float]
) -> Tank:
    """Return one tank; `size` is concentration, litres and °C."""
    concentration, stock_l, temp_c = size
    grams = {salt.name: salt.g_per_mmol * amounts[salt.name] * concentration * stock_l
             for salt in problem.shelf if salt.name in amounts}
    ions = stock_ions(problem.water.ions, problem.shelf, amounts, concentration)
    try:
        state = describe(ions, temp_c, None, Concentrate(_table))
    except ProblemError:
        state = None
    return Tank(name, grams, temp_c, state)


def _clear_up_to(
    problem: Problem, plan: Plan, concentration: float, temp_c: float, tanks: Sequence[Tank]
) -> float | None:
    if all(tank.is_clear for tank in tanks):
        return concentration
    # Salts need a low concentration, the little acid of tank A a high one: look from above.
    high = concentration
    for tenths in range(9, 0, -1):
        low = 0.1 * tenths * concentration
        if _is_clear(problem, plan, low, temp_c):
            break
        high = low
    else:
        return None
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _is_clear(problem, plan, middle, temp_c) else (low, middle)
    return low


def _is_clear(problem: Problem, plan: Plan, concentration: float, temp_c: float) -> bool:
    return all(tank.is_clear for tank in _tanks(problem, plan, concentration, 1.0, temp_c))
