"""Tests of the chemistry solver: warm starts, invalid input, charges, and salts of handbooks.

test_oracle_water.py compares it with IPHREEQC and published standards, row by row.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CHARGES, CL, IONS, C, K, Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.water import RECIPES, STOCK_WATER_KG_L, STOCKS, WATERS, amounts


def mixed(recipe, water, strength, stock_ml=0.0):
    """Return totals in mol/kg of a recipe in a water with 1 M KHCO3 added."""
    raw = amounts(WATERS, water, 1e-3)
    salts = amounts(RECIPES, recipe, 1e-3 * strength)
    stock = amounts(STOCKS, "khco3_1M", 1e-3 * stock_ml)
    water_kg = 1.0 + STOCK_WATER_KG_L["khco3_1M"] * 1e-3 * stock_ml
    return [sum(parts) / water_kg for parts in zip(raw, salts, stock, strict=True)]


def solved(totals, temp_c, is_open=False):
    solution = Solution()
    solution.gas_atm = AIR_CO2_ATM if is_open else None
    solution.set(totals, temp_c)
    solution.solve()
    return solution


def kappa_us_cm(solution):
    return conductivities(solution)[0]


# Equivalent conductivity at 25 C, S cm2 per equivalent, at 0.001, 0.01 and 0.1 equivalents/L
# (CRC Handbook of Chemistry and Physics, after Robinson and Stokes); None if not listed.
# PHREEQC itself has its largest error for potassium nitrate.
SALTS = (
    ({"K": 1, "Cl": 1}, (146.88, 141.20, 128.90), 0.015),
    ({"Na": 1, "Cl": 1}, (123.68, 118.45, 106.69), 0.015),
    ({"NH4": 1, "Cl": 1}, (None, 141.21, 128.69), 0.015),
    ({"Ca": 1, "Cl": 2}, (130.30, 120.30, 102.41), 0.025),
    ({"Mg": 1, "Cl": 2}, (124.15, 114.49, 97.05), 0.025),
    ({"K": 1, "NO3": 1}, (141.77, 132.75, 120.34), 0.03),
    ({"Na": 2, "SO4": 1}, (124.09, 112.38, 89.94), 0.01),
    ({"K": 1, "C": 1}, (115.28, 110.03, None), 0.02),
    ({"Cl": 1}, (421.15, 411.80, 391.13), 0.03),
    ({"Na": 1}, (244.6, 237.9, None), 0.01),
)
WATER_KG_L = 0.99705


def test_conductivity_of_salts_matches_the_handbook_values():
    for ions, published, allowed in SALTS:
        equivalents = max(ions.values())
        for eq_l, lambda_s_cm2 in zip((0.001, 0.01, 0.1), published, strict=True):
            if lambda_s_cm2 is None:
                continue
            molality = eq_l / equivalents / WATER_KG_L
            totals = [molality * ions.get(ion, 0.0) for ion in IONS]
            found = kappa_us_cm(solved(totals, 25.0))
            assert found == pytest.approx(1000 * eq_l * lambda_s_cm2, rel=allowed), (ions, eq_l)


def test_water_in_air_has_the_ph_of_rain():
    # Pure water in equilibrium with 420 ppm: pH 5.6, 1 uS/cm; boiled: neutral, 0.055 uS/cm.
    rain = solved([0.0] * 10, 25.0, True)
    assert rain.ph == pytest.approx(5.60, abs=0.01)
    assert kappa_us_cm(rain) == pytest.approx(0.99, rel=0.01)
    boiled = solved([0.0] * 10, 25.0)
    assert boiled.ph == pytest.approx(6.998, abs=0.002)
    assert kappa_us_cm(boiled) == pytest.approx(0.0550, rel=0.01)


def test_a_warm_start_needs_two_iterations_and_gives_the_cold_result():
    totals = mixed("lettuce", "soft", 1.0)
    warm = solved(totals, 20.0)
    moved = list(totals)
    moved[IONS.index("P")] *= 1.00001
    cold = solved(moved, 20.0)
    warm.set(moved, 20.0)
    for _ in range(2):
        warm.iterate()
    assert warm.ph == pytest.approx(cold.ph, abs=1e-6)


def test_invalid_input_is_refused():
    totals = mixed("lettuce", "soft", 1.0)
    solution = Solution()
    with pytest.raises(ValueError, match="temp_c"):
        solution.set(totals, 99.0)
    totals[C] = -1e-6
    with pytest.raises(ValueError, match="negative C"):
        solution.set(totals, 20.0)
    with pytest.raises(ValueError, match="vinegar"):
        amounts(STOCKS, "vinegar", 1.0)


MOLALITY = st.floats(0.0, 0.03)


@settings(max_examples=150, deadline=None)
@given(st.lists(MOLALITY, min_size=10, max_size=10), st.floats(2.0, 45.0), st.booleans())
@example([0.0, 0.0156, 0.0, 0.0, 0.0156, 0.0, 0.0, 0.0, 0.0156, 0.0], 2.0, False)
def test_charges_balance_for_any_solution(totals, temp_c, is_open):
    # Limit the imbalance of strong ions to 0.05 eq/kg of acid or base.
    strong = sum(totals[i] * z for i, z in zip(range(8), (1, 1, 1, 2, 2, -1, -1, -2), strict=True))
    totals[CL if strong > 0 else K] += max(abs(strong) - 0.05, 0.0)
    solution = Solution()
    solution.gas_atm = AIR_CO2_ATM if is_open else None
    solution.set(totals, temp_c)
    solution.solve(1e-10)
    molalities = solution.charged()
    residual = sum(m * z for m, z in zip(molalities, CHARGES, strict=True))
    assert abs(residual) < 1e-8  # near pH 12; 1e-9 in any tank, see test_plant.py
    assert min(molalities) >= 0.0
    assert 0.0 < solution.ph < 14.0
