"""Finds the salts of a nutrient solution: within bands, at its pH, of least cost or sodium.

The acid that neutralises the bicarbonate of the water, or the base that pure water needs, is
chosen from the shelf with the salts. The charge balance at the target pH is not linear in the
ions, so the program is solved again about each choice until the pH is reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from idrosim.greenhouse.chemistry import AIR_CO2_ATM, IONS, Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.water_solver.salt_program import Choice, IonBand, Neutrality, SaltProgram
from idrosim.water_solver.salts import Salt
from idrosim.water_solver.saturation import saturation_indices
from idrosim.water_solver.solve import ProblemError
from idrosim.water_solver.speciation import charge_gap
from idrosim.water_solver.water_analysis import CHARGES, Water

OBJECTIVES = ("cost", "sodium")
MAX_SALTS = 60
_ROUNDS = 12
# So much acid that tank A stays clear if it is made weaker, down to this concentration.
_ACID_CONCENTRATION = 50.0
_MISSED_TURNS = 2  # enough for the size of what is missing
_PH_REACHED = 0.002
_MISSED_MMOL_L = 1e-3
# Of an ion that the target does not list, above the water's: no flood of a weak acid for the pH.
_FREE_MMOL_L, _FREE_WEIGHT = 30.0, 1_000.0
_STEP_MMOL_L = 1e-3  # of a finite difference

_table = EquilibriaTable()


@dataclass(frozen=True)
class Problem:
    """What to make: water, shelf, bands, and the pH at a temperature.

    `gas_atm` is the pressure of CO2 the pH is meant at; None keeps the carbon of water and salts.
    `concentration` is that of the stock solutions, whose own water is neutralised first.
    """

    water: Water
    shelf: Sequence[Salt]
    bands: Sequence[IonBand]
    ph: float
    temp_c: float = 20.0
    gas_atm: float | None = None
    minimise: str = "sodium"
    concentration: float = 100.0


@dataclass(frozen=True)
class Missed:
    """A band that no choice meets: mmol/L got, and the distance to the band."""

    band: IonBand
    got: float
    off: float
    from_water: float


@dataclass(frozen=True)
class State:
    """Computed properties of a solution; `indices` of saturation by solid."""

    ph: float
    ec_us_cm: float
    indices: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """mmol of each salt per litre of ready solution, and what the solution becomes.

    `missing_meq_l` is the base (positive) or acid that the shelf lacks for the pH. `aerated_ph` is
    the pH once CO2 is in equilibrium with air. `cost_per_m3` is None without prices.
    """

    amounts: Mapping[str, float]
    ions: Mapping[str, float]
    missed: tuple[Missed, ...]
    missing_meq_l: float
    state: State
    aerated_ph: float
    cost_per_m3: float | None


def solve(problem: Problem) -> Plan:
    """Return the plan of a problem. Raises ProblemError if it is wrong, never if it is infeasible:
    what cannot be met is in the plan.
    """
    problem = replace(problem, bands=[*problem.bands, *_free_bands(problem)])
    program = SaltProgram(problem.water.ions, problem.shelf, problem.bands,
                          prices(problem.shelf, problem.minimise),
                          max(problem.water.alkalinity_meq_l, 0.0)
                          / min(problem.concentration, _ACID_CONCENTRATION))
    ions = _first_guess(problem)
    choice = Choice({}, 0.0)
    for turn in range(_ROUNDS):
        choice = program.solve(_neutrality(problem, ions))
        ions = dissolved(problem.water.ions, problem.shelf, choice.amounts)
        ph = describe(ions, problem.temp_c, problem.gas_atm).ph
        is_missed = abs(choice.missing_meq_l) > _MISSED_MMOL_L
        if abs(ph - problem.ph) < _PH_REACHED or (is_missed and turn >= _MISSED_TURNS):
            break
    return _plan(problem, choice, ions)


def dissolved(
    water: Mapping[str, float], shelf: Sequence[Salt], amounts: Mapping[str, float]
) -> dict[str, float]:
    """Return mmol/L of every ion of a water with `amounts` (mmol/L) of salts."""
    found = {ion: water.get(ion, 0.0) for ion in IONS}
    for salt in shelf:
        for ion, count in salt.ions.items():
            found[ion] += count * amounts.get(salt.name, 0.0)
    return found


def describe(
    ions: Mapping[str, float], temp_c: float, gas_atm: float | None = None,
    solution: Solution | None = None,
) -> State:
    """Return pH at `temp_c`, EC at 25 °C and indices of mmol per kg of water.

    Raises ProblemError if the solution is too concentrated to be computed.
    """
    solution = solution or Solution(_table)
    solution.gas_atm = gas_atm
    totals = [1e-3 * ions.get(ion, 0.0) for ion in IONS]
    try:
        solution.set(totals, temp_c)
        ph = float(solution.solve())
        indices = saturation_indices(solution)
        if temp_c != 25.0:
            solution.set(totals, 25.0)
            solution.solve()
        return State(ph, float(conductivities(solution)[1]), indices)
    except (ValueError, ArithmeticError):
        raise ProblemError("", "the solution is too concentrated to be computed") from None


def prices(shelf: Sequence[Salt], minimise: str) -> list[float]:
    """Return the cost or the sodium of a mmol of each salt. Raises ProblemError."""
    if minimise == "sodium":
        return [float(salt.ions.get("Na", 0)) for salt in shelf]
    found = []
    for index, salt in enumerate(shelf):
        if salt.price_per_kg is None:
            raise ProblemError(f"{index}.price_per_kg", (
                f"missing: the cost cannot be minimised without the price of {salt.name}"))
        found.append(salt.price_per_kg * salt.g_per_mmol)
    return found


def _free_bands(problem: Problem) -> list[IonBand]:
    """Return wide bands of the ions that the target does not list."""
    listed = {band.ion for band in problem.bands}
    return [IonBand(ion, 0.0, problem.water.ions.get(ion, 0.0) + _FREE_MMOL_L,
                 weight=_FREE_WEIGHT) for ion in IONS if ion not in listed]


def _first_guess(problem: Problem) -> dict[str, float]:
    ions = dict(problem.water.ions)
    for band in problem.bands:
        middle = band.low if band.wanted is None else band.wanted
        ions[band.ion] = max(ions.get(band.ion, 0.0), middle)
    return ions


def _neutrality(problem: Problem, ions: Mapping[str, float]) -> Neutrality:
    """Return the charge balance at the target pH, linear about `ions`. Raises ProblemError."""
    solution = Solution(_table)
    solution.gas_atm = problem.gas_atm
    totals = [1e-3 * ions.get(ion, 0.0) for ion in IONS]
    slopes = {ion: float(charge) for ion, charge in CHARGES.items()}
    try:
        gap = charge_gap(solution, totals, problem.temp_c, problem.ph)
        for ion in ("P", "C"):  # the weak acids; ammonium is no acid at these pH
            place = IONS.index(ion)
            more = list(totals)
            more[place] += 1e-3 * _STEP_MMOL_L
            slopes[ion] = -(charge_gap(solution, more, problem.temp_c, problem.ph) - gap) / (
                1e-3 * _STEP_MMOL_L)
    except (ValueError, ArithmeticError):
        raise ProblemError("", "the solution is too concentrated to be computed") from None
    here = sum(slope * ions.get(ion, 0.0) for ion, slope in slopes.items())
    return Neutrality(slopes, here + 1e3 * gap)


def _plan(problem: Problem, choice: Choice, ions: Mapping[str, float]) -> Plan:
    missed = []
    for band in problem.bands:
        got = ions[band.ion]
        off = max(band.low - got, got - band.high)
        if off > _MISSED_MMOL_L:
            missed.append(Missed(band, got, off, problem.water.ions.get(band.ion, 0.0)))
    grams = {salt.name: salt.g_per_mmol * choice.amounts.get(salt.name, 0.0)
             for salt in problem.shelf}
    used = [(salt.price_per_kg, grams[salt.name]) for salt in problem.shelf
            if grams[salt.name] > 0.0]
    cost = None if any(price is None for price, _ in used) else sum(
        (price or 0.0) * mass for price, mass in used)  # per kg and g/L: per m3
    missing = choice.missing_meq_l if abs(choice.missing_meq_l) > _MISSED_MMOL_L else 0.0
    return Plan(choice.amounts, ions, tuple(missed), missing,
                describe(ions, problem.temp_c, problem.gas_atm),
                describe(ions, problem.temp_c, AIR_CO2_ATM).ph, cost)
