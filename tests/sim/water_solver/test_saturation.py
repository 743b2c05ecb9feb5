"""Saturation indices against IPHREEQC and measured solubilities.

tests/oracle/nutrient_recipes.csv: 200 random nutrient recipes with their stock solutions, written
by `bench/bench_recipes.py --phreeqc --table`.
"""

import csv
from pathlib import Path

import pytest

from idrosim.greenhouse.chemistry import CA, IONS, MG, NO3, SO4, K, P, Solution
from idrosim.water_solver.salt_recipe import describe
from idrosim.water_solver.saturation import (
    CLEAR_BELOW,
    SLOW,
    SOLIDS,
    Concentrate,
    precipitates,
    saturation_indices,
)

TABLE = Path(__file__).resolve().parents[2] / "oracle" / "nutrient_recipes.csv"
# g/L of Ca(NO3)2, g/L of CaSO4 that dissolves at 25 C (Seidell and Smith 1904)
GYPSUM = ((0.0, 2.084), (25.0, 1.238), (50.0, 1.196), (100.0, 1.134), (200.0, 0.929),
          (300.0, 0.759))


def rows(*solutions):
    with TABLE.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["solution"] in solutions]


def indices_of_phreeqc(row):
    """Return the saturation indices of a row by solid."""
    return {solid.name: float(text) for solid in SOLIDS
            if (text := row.get(f"SI_{solid.name.replace(' ', '_')}"))}


def state_of(row):
    ions = {ion: float(row[ion]) for ion in IONS}
    solution = None if row["solution"] == "ready" else Concentrate()
    return describe(ions, float(row["temp_C"]), None, solution)


def solved(totals, temp_c=25.0, kind=Solution):
    solution = kind()
    solution.set(totals, temp_c)
    solution.solve()
    return solution


def test_ready_solutions_match_phreeqc():
    ready = rows("ready")
    assert len(ready) == 200
    for row in ready:
        state, expected = state_of(row), indices_of_phreeqc(row)
        assert state.ph == pytest.approx(float(row["pH"]), abs=0.05), row
        assert state.ec_us_cm == pytest.approx(float(row["EC25_uS_cm"]), rel=0.03), row
        for name, index in expected.items():
            ions = sum(abs(n) for n in next(s for s in SOLIDS if s.name == name).powers.values())
            assert state.indices[name] == pytest.approx(index, abs=0.01 * ions), (name, row)


def test_no_precipitate_is_promised_away():
    """No solution is called clear in which PHREEQC finds a solid supersaturated."""
    found = 0
    for row in rows("ready", "A", "B"):
        if max(indices_of_phreeqc(row).values()) > 0.0:
            found += 1
            assert precipitates(state_of(row).indices), row
    assert found > 50


def test_most_solutions_that_phreeqc_finds_clear_are_clear_here():
    clear = [row for row in rows("ready", "A", "B")
             if max(indices_of_phreeqc(row).values()) < -0.2]
    assert len(clear) > 400
    alarms = [row for row in clear if any(
        name in {solid.name for solid in SOLIDS} for name in precipitates(state_of(row).indices))]
    assert len(alarms) < 0.05 * len(clear)


def test_gypsum_in_calcium_nitrate_errs_on_the_safe_side():
    for nitrate_g_l, sulfate_g_l in GYPSUM:
        totals = [0.0] * 10
        calcium, totals[SO4] = nitrate_g_l / 164.09, sulfate_g_l / 136.14
        totals[CA], totals[NO3] = calcium + totals[SO4], 2.0 * calcium
        index = saturation_indices(solved(totals, kind=Concentrate))["gypsum"]
        assert CLEAR_BELOW < index < 0.25, nitrate_g_l


@pytest.mark.parametrize(("name", "ions", "g_per_100_g", "molar_mass"), [
    ("KNO3", {K: 1, NO3: 1}, 31.6, 101.10), ("K2SO4", {K: 2, SO4: 1}, 11.1, 174.25),
    ("KH2PO4", {K: 1, P: 1}, 22.6, 136.08), ("MgSO4.7H2O", {MG: 1, SO4: 1}, 33.7, 120.36)])
def test_a_saturated_salt_has_index_0(name, ions, g_per_100_g, molar_mass):
    totals = [0.0] * 10
    for ion, count in ions.items():
        totals[ion] = count * 10.0 * g_per_100_g / molar_mass
    assert saturation_indices(solved(totals, 20.0, Concentrate))[name] == pytest.approx(0.0)
    colder = saturation_indices(solved(totals, 5.0, Concentrate))[name]
    assert colder > 0.1


def test_only_solids_whose_ions_are_there_have_an_index():
    totals = [0.0] * 10
    totals[CA], totals[NO3] = 1e-3, 2e-3
    assert saturation_indices(solved(totals)) == {}


def test_slow_solids_are_told_but_not_counted():
    assert precipitates({"hydroxyapatite": 3.0, "brushite": -0.2, "gypsum": 0.1}) == {
        "gypsum": 0.1}
    assert "brushite" not in SLOW
