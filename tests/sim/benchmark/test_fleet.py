"""Tests of the chemistry of many greenhouses: it equals that of one."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idrosim.benchmark.fleet.reservoirs import MANY
from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CHARGES, IONS, Solution
from idrosim.greenhouse.conductivity import conductivities

COUNT = 60


def random_totals(seed):
    """Return (10, COUNT) mol/kg whose strong ions leave at most 0.01 eq/kg of acid or base."""
    rng = np.random.default_rng(seed)
    totals = 10.0 ** rng.uniform(-6.0, -2.0, (10, COUNT))
    totals[rng.random((10, COUNT)) < 0.2] = 0.0
    strong = sum(z * totals[i] for i, z in enumerate((1, 1, 1, 2, 2, -1, -1, -2)))
    totals[IONS.index("Cl")] += np.maximum(strong - 0.01, 0.0)
    totals[IONS.index("Na")] += np.maximum(-strong - 0.01, 0.0)
    return totals, rng.uniform(1.0, 44.0, COUNT)


def solved(totals, temps_c, gas_atm=None, solution=None):
    """Return the solution of many, solved to full precision."""
    solution = solution or MANY.solution(temps_c)
    solution.gas_atm = gas_atm
    solution.put(list(totals), temps_c)
    solution.start()
    solution.ph = np.full(COUNT, 7.0)
    for _ in range(500):
        step, drift = solution.iterate()
        if MANY.largest(step) < 1e-11 and MANY.largest(drift) < 1e-9:
            return solution
    raise AssertionError("no charge balance")


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
@example(9577, False)
def test_many_have_the_chemistry_of_one(seed, is_open):
    totals, temps_c = random_totals(seed)
    fleet = solved(totals, temps_c, np.full(COUNT, AIR_CO2_ATM) if is_open else None)
    kappas, ecs = MANY.conductivities(fleet)
    residual = sum(z * m for z, m in zip(CHARGES, fleet.charged(), strict=True))
    assert np.abs(residual).max() < 1e-9
    for one in range(COUNT):
        solution = Solution()
        solution.gas_atm = AIR_CO2_ATM if is_open else None
        solution.set(totals[:, one].tolist(), float(temps_c[one]))
        assert solution.solve(1e-11) == pytest.approx(fleet.ph[one], abs=1e-9)
        kappa, ec = conductivities(solution)
        assert kappa == pytest.approx(kappas[one], rel=1e-9)
        assert ec == pytest.approx(ecs[one], rel=1e-9)
        assert solution.co2 == pytest.approx(fleet.co2[one], rel=1e-7, abs=1e-15)
        # A pH error of 1e-10 gives up to 1.3e-8 here when phosphate is scarce.
        assert solution.brushite_product() == pytest.approx(
            fleet.brushite_product()[one], rel=3e-7, abs=1e-60)


def test_temperatures_may_move_between_solves():
    totals, temps_c = random_totals(5)
    moved = solved(totals, temps_c)
    warmer = temps_c[::-1].copy()
    fresh = solved(totals, warmer)
    assert np.abs(solved(totals, warmer, solution=moved).ph - fresh.ph).max() < 1e-9


def test_a_temperature_out_of_range_is_refused():
    totals, temps_c = random_totals(1)
    with pytest.raises(ValueError, match="temp_c: outside 0..45"):
        solved(totals, temps_c + 60.0)
