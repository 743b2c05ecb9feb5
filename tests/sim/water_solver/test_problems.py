"""Tests of water problems against IPHREEQC, with other waters, recipes, acids and temperatures.

The literal rows are from IPHREEQC 3.8.6 with database Amm.dat. The oracle tables are tested here
through the format of `idroserra chem`.
"""

import importlib.util
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.water import RECIPES, WATERS
from idrosim.water_solver import nutrient_batch
from idrosim.water_solver.solve import DOSING_STOCKS, ProblemError, answer

ROOT = Path(__file__).resolve().parents[3]

# mmol/L
OTHER_WATERS = {
    "rain": {},
    "brackish": {"Na": 6.0, "Cl": 6.5, "Ca": 1.5, "Mg": 1.0, "SO4": 0.8, "K": 0.2, "C": 3.2},
    "gypsum": {"Ca": 4.0, "Mg": 1.5, "Na": 1.0, "Cl": 1.0, "SO4": 3.5, "C": 4.5, "K": 0.1},
    "softened": {"Na": 6.5, "Ca": 0.05, "Mg": 0.02, "Cl": 1.2, "SO4": 0.6, "C": 4.4},
}
OTHER_RECIPES = {
    None: {},
    "tomato": {"K": 9.5, "Ca": 5.4, "Mg": 2.4, "NH4": 1.2, "NO3": 16.0, "P": 1.5, "SO4": 4.4,
               "Cl": 1.0},
    "strawberry": {"K": 5.0, "Ca": 3.25, "Mg": 1.25, "NH4": 1.0, "NO3": 12.0, "P": 1.25,
                   "SO4": 1.25},
    "steiner": {"K": 7.0, "Ca": 4.5, "Mg": 2.0, "NO3": 12.0, "P": 1.0, "SO4": 3.5},
    "ammonium": {"K": 4.0, "Ca": 2.0, "Mg": 1.0, "NO3": 6.0, "NH4": 4.0, "P": 2.0, "SO4": 3.0},
}
# water, recipe, strength, temp_c, co2, stock, ml/kg, pH, uS/cm at temp_c, uS/cm at 25 C
ROWS = (
    ("rain", "tomato", 1, 25.0, "closed", None, 0, 3.1729, 3013.1, 3013.1),
    ("rain", "strawberry", 0.5, 10.0, "closed", "koh_10pct", 0.3, 6.6693, 652.12, 932.89),
    ("rain", "steiner", 2, 30.0, "air", "k2co3_10pct", 1.0, 7.0423, 4442.1, 4023.9),
    ("brackish", "tomato", 0.25, 18.0, "closed", "hno3_10pct", 1.2, 5.8556, 1672.3, 1952.2),
    ("brackish", "strawberry", 1, 22.0, "air", "h3po4_10pct", 0.8, 7.0234, 2500.4, 2663.4),
    ("brackish", "ammonium", 1, 35.0, "closed", "koh_10pct", 1.5, 8.1643, 3284.2, 2725.2),
    ("gypsum", "steiner", 1, 5.0, "closed", "h3po4_10pct", 2.0, 6.0876, 1812.9, 2980.4),
    ("gypsum", "tomato", 0.5, 40.0, "air", "khco3_1M", 2.0, 8.6834, 3254.7, 2516.5),
    ("gypsum", "strawberry", 0.75, 25.0, "closed", "hno3_10pct", 2.4, 3.4709, 2479.3, 2479.3),
    ("softened", "ammonium", 0.5, 15.0, "closed", "h3po4_10pct", 3.0, 5.7114, 1129.8, 1422.9),
    ("softened", "strawberry", 1, 20.0, "air", "hno3_10pct", 1.5, 7.1483, 2062.5, 2298.5),
    ("softened", "tomato", 2, 28.0, "closed", "k2co3_10pct", 0.4, 6.1270, 6163.9, 5802.6),
    ("rain", "steiner", 0.5, 20.0, "closed", "hno3_10pct", 3.0, 2.3903, 2341.1, 2557.7),
    ("rain", "ammonium", 1, 25.0, "closed", "koh_10pct", 3.5, 9.8719, 1661.7, 1661.7),
    ("softened", None, 0, 25.0, 0.001, "h3po4_10pct", 2.0, 7.4973, 647.53, 647.53),
    ("gypsum", None, 0, 12.0, "air", None, 0, 8.6218, 837.82, 1125.8),
)
# water with lettuce at strength 1, stock, ml/kg, temp_c, co2, pH that gives
TITRATED = (
    ("soft", "h3po4_10pct", 0.35, 20.0, "closed", 5.49298),
    ("medium", "hno3_10pct", 1.05, 25.0, "closed", 5.74229),
    ("hard", "hno3_10pct", 2.6, 18.0, "closed", 5.82136),
    ("medium", "h3po4_10pct", 1.5, 25.0, "closed", 5.75061),
    ("ro", "koh_10pct", 0.1, 25.0, "closed", 6.22323),
    ("soft", "k2co3_10pct", 0.3, 22.0, "air", 7.36480),
    ("ro", "khco3_1M", 0.4, 20.0, "closed", 6.28627),
    ("hard", "h3po4_10pct", 3.0, 25.0, "air", 6.98698),
)


def dissolved(water, recipe, strength=1.0):
    return {ion: water.get(ion, 0.0) + strength * recipe.get(ion, 0.0) for ion in IONS}


def test_ph_and_conductivities_match_phreeqc():
    ph_errors, ec_errors = [], []
    for water, recipe, strength, temp_c, co2, stock, ml, ph, kappa, ec in ROWS:
        problem = {"water": dissolved(OTHER_WATERS[water], OTHER_RECIPES[recipe], strength),
                   "temp_c": temp_c, "co2": co2}
        if stock is not None:
            problem["add"] = [{"stock": stock, "ml_per_l": ml}]
        found = answer(problem)
        ph_errors.append(found["ph"] - ph)
        ec_errors += [found["ec_us_cm_at_t"] / kappa - 1.0, found["ec_us_cm"] / ec - 1.0]
    assert max(map(abs, ph_errors)) < 0.015
    assert max(map(abs, ec_errors)) < 0.015
    assert math.sqrt(sum(e * e for e in ec_errors) / len(ec_errors)) < 0.008


def test_dose_to_a_target_matches_phreeqc():
    for water, stock, ml, temp_c, co2, ph in TITRATED:
        problem = {"water": dissolved(WATERS[water], RECIPES["lettuce"]), "temp_c": temp_c,
                   "co2": co2, "target_ph": ph, "with": stock}
        found = answer(problem)
        assert found["ph"] == pytest.approx(ph, abs=1e-4)
        assert found["ml_per_l"] == pytest.approx(ml, rel=0.02)


def test_tables_through_the_format():
    spec = importlib.util.spec_from_file_location("bench_oracle", ROOT / "bench/bench_oracle.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    tables = bench.Tables(bench.TABLES)
    for rows in (tables.dilution(), tables.titration(), tables.waters()):
        ph, ec = [], []
        for problem, row, strength in rows:
            found = answer(problem)
            ph.append(found["ph"] - float(row["pH"]))
            if 0.25 <= strength <= 2.0:
                ec.append(found["ec_us_cm_at_t"] / float(row["SC_uS_cm"]) - 1.0)
        assert bench.rms(ph) < 0.005
        assert bench.largest(ph) < 0.015
        assert bench.rms(ec) < 0.01
        assert bench.largest(ec) < 0.02
    assert bench.largest(list(tables.ratios())) < 0.005


MEDIUM = dissolved(WATERS["medium"], RECIPES["lettuce"])


def test_the_dose_given_is_the_dose_taken():
    asked = {"water": MEDIUM, "target_ph": 5.8, "with": "hno3_10pct", "temp_c": 18.0}
    wanted = answer(asked)
    given_it = answer({"water": MEDIUM, "temp_c": 18.0,
                       "add": [{"stock": "hno3_10pct", "ml_per_l": wanted["ml_per_l"]}]})
    assert given_it["ph"] == pytest.approx(5.8, abs=1e-3)
    assert given_it["ec_us_cm"] == pytest.approx(wanted["ec_us_cm"], rel=1e-4)
    assert "ml_per_l" not in given_it


def test_nothing_is_dosed_at_the_target():
    ph = answer({"water": MEDIUM})["ph"]
    found = answer({"water": MEDIUM, "target_ph": ph, "with": "koh_10pct"})
    assert found["ml_per_l"] == 0.0


@pytest.mark.parametrize(
    ("target_ph", "stock"), [(8.5, "h3po4_10pct"), (4.0, "koh_10pct"), (13.9, "khco3_1M")])
def test_an_unreachable_target_is_an_error(target_ph, stock):
    with pytest.raises(ProblemError, match="target_ph: .* cannot be reached with " + stock):
        answer({"water": MEDIUM, "target_ph": target_ph, "with": stock})


@pytest.mark.parametrize(("target_ph", "stock"), [(1.2, "hno3_10pct"), (12.5, "koh_10pct")])
def test_far_targets_are_reached(target_ph, stock):
    for water in ({}, MEDIUM):
        found = answer({"water": water, "target_ph": target_ph, "with": stock})
        assert found["ph"] == pytest.approx(target_ph, abs=1e-3)


def test_ph_rises_as_co2_escapes():
    acid = {"water": WATERS["hard"], "add": [{"stock": "hno3_10pct", "ml_per_l": 2.5}]}
    assert answer({**acid, "co2": "air"})["ph"] > answer(acid)["ph"] + 0.5
    enriched = answer({**acid, "co2": 1e-3})["ph"]
    assert answer(acid)["ph"] < enriched < answer({**acid, "co2": "air"})["ph"]
    assert answer({**acid, "co2": 4.2e-4}) == answer({**acid, "co2": "air"})


def test_carbon_of_the_report_does_not_matter_in_equilibrium_with_air():
    with_it, without = dict(WATERS["hard"]), dict(WATERS["hard"], C=0.0)
    assert answer({"water": with_it, "co2": "air"}) == answer({"water": without, "co2": "air"})


def test_pure_water():
    found = answer({"water": {}})
    assert found == {"ph": pytest.approx(6.9974, abs=1e-3),
                     "ec_us_cm_at_t": pytest.approx(0.05478, rel=0.02),
                     "ec_us_cm": pytest.approx(0.05478, rel=0.02), "si_brushite": None}


@pytest.mark.parametrize(
    ("problem", "field"),
    [
        ([], ""), (None, ""), ("x", ""), (3, ""),
        ({}, "water"), ({"water": []}, "water"), ({"water": None}, "water"),
        ({"water": {"Fe": 1}}, "water.Fe"), ({"water": {"K": "1"}}, "water.K"),
        ({"water": {"K": -1e-9}}, "water.K"), ({"water": {"K": True}}, "water.K"),
        ({"water": {"K": math.nan}}, "water.K"), ({"water": {"K": math.inf}}, "water.K"),
        ({"water": {"K": 10**400}}, "water.K"), ({"water": {"K": None}}, "water.K"),
        ({"water": {}, "temp_c": 99}, "temp_c"), ({"water": {}, "temp_c": "20"}, "temp_c"),
        ({"water": {}, "co2": "open"}, "co2"), ({"water": {}, "co2": -1}, "co2"),
        ({"water": {}, "co2": []}, "co2"), ({"water": {}, "add": {}}, "add"),
        ({"water": {}, "add": [1]}, "add[0]"),
        ({"water": {}, "add": [{"stock": "vinegar", "ml_per_l": 1}]}, "add[0].stock"),
        ({"water": {}, "add": [{"stock": [], "ml_per_l": 1}]}, "add[0].stock"),
        ({"water": {}, "add": [{"stock": "khco3_1M"}]}, "add[0].ml_per_l"),
        ({"water": {}, "add": [{"stock": "khco3_1M", "ml_per_l": -1}]}, "add[0].ml_per_l"),
        ({"water": {}, "add": [{"stock": "khco3_1M", "ml": 1}]}, "add[0].ml"),
        ({"water": {}, "target_ph": 5.8}, "with"),
        ({"water": {}, "target_ph": 5.8, "with": "nutrient_a"}, "with"),
        ({"water": {}, "target_ph": "low", "with": "khco3_1M"}, "target_ph"),
        ({"water": {}, "target_ph": 15, "with": "khco3_1M"}, "target_ph"),
        ({"water": {}, "tempc": 20}, "tempc"),
    ],
)
def test_a_wrong_problem_names_its_field(problem, field):
    with pytest.raises(ProblemError) as caught:
        answer(problem)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
    assert len(str(caught.value)) < 200


AMOUNT = st.one_of(st.just(0.0), st.floats(0.0, 100.0), st.floats(0.0, 1e-3))


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(IONS), AMOUNT), st.floats(5.0, 40.0),
    st.sampled_from(["closed", "air", 0.0, 1e-3, 1.0]),
    st.lists(st.fixed_dictionaries({"stock": st.sampled_from(DOSING_STOCKS),
                                    "ml_per_l": st.floats(0.0, 50.0)}), max_size=2),
)
def test_every_solution_has_an_answer(water, temp_c, co2, added):
    found = answer({"water": water, "temp_c": temp_c, "co2": co2, "add": added})
    assert 0.0 < found["ph"] < 14.75  # the water of 5 C is neutral at 7.37
    assert found["ec_us_cm_at_t"] > 0.0
    assert found["ec_us_cm"] > 0.0
    assert all(value is None or math.isfinite(value) for value in found.values())


OPTIONS = {"strength": 1.0, "acid": "hno3_10pct", "base": "khco3_1M", "temp_c": 20.0}


def test_a_recipe_in_pure_water_is_weighed_out():
    found = nutrient_batch.weigh("lettuce", {}, 100.0, 5.8, OPTIONS)
    assert found.grams["Ca(NO3)2.4H2O"] == pytest.approx(2.2489 * 23.615, rel=1e-4)
    assert found.grams["KH2PO4"] == pytest.approx(0.9997 * 13.609, rel=1e-4)
    assert found.grams["MgSO4.7H2O"] == pytest.approx(0.9979 * 24.647, rel=1e-4)
    assert found.dose is not None
    assert found.dose[0] == "khco3_1M"
    for ion, (wanted, got) in found.ions.items():
        assert got == pytest.approx(wanted, abs=0.11), ion  # the base brings K, spares nitrate
    assert found.ph == pytest.approx(5.8, abs=1e-3)


def test_water_and_acid_are_counted():
    found = nutrient_batch.weigh("lettuce", WATERS["medium"], 50.0, 5.8, OPTIONS)
    for ion in ("Ca", "Mg", "K", "P", "NH4"):
        wanted, got = found.ions[ion]
        assert got == pytest.approx(wanted, rel=1e-3)
    assert found.alkalinity_meq_l == pytest.approx(2.4)
    assert found.dose is not None
    # nearly all alkalinity is gone at pH 5.8: about 2.4 meq/L less what carbonic acid keeps
    assert 50.0 * 0.7 * 2.4 / 1.6732 < found.dose[1] < 50.0 * 2.4 / 1.6732
    assert not found.notes


def test_too_much_phosphate_is_reported():
    found = nutrient_batch.weigh(
        "lettuce", WATERS["hard"], 50.0, 5.8, {**OPTIONS, "acid": "h3po4_10pct"}
    )
    assert any("nitric" in note for note in found.notes)


def test_a_water_report_is_read():
    ions, remark = nutrient_batch.read_water(
        "Ca=48.1, Mg=9.72 Na=18.4 Cl=30.1 SO4=38.4 HCO3=146 pH=7.6"
    )
    assert ions["Ca"] == pytest.approx(1.2, rel=1e-3)
    assert ions["C"] == pytest.approx(2.51, rel=0.02)
    assert remark is None
    alkaline, remark = nutrient_batch.read_water("Ca=48.1 CaCO3=150 pH=7.6")
    assert "meq/L" in remark
    assert answer({"water": alkaline})["ph"] == pytest.approx(7.6, abs=0.05)


@pytest.mark.parametrize("report", ["tap", "Ca=x", "Fe=1", "Ca=-3", "pH=19", "Ca=nan"])
def test_a_wrong_report_is_refused(report):
    with pytest.raises(ProblemError, match="water"):
        nutrient_batch.read_water(report)
