"""Tests of custom cells: accepted and refused files, and derived values."""

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from idroserra.cli import main
from idrosim.benchmark import case_file, cases
from idrosim.benchmark import run as benchmark_run
from idrosim.benchmark.cases import Cell
from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS
from idrosim.scenarios.toml_table import ScenarioError

PLAIN = 'water = "soft"\nacid = "hno3"\nvolume_l = 100\n'
OWN = """
name = "own"
water = { Na = 1.5, Ca = 2.0, Mg = 0.6, Cl = 1.2, SO4 = 1.0, NO3 = 0.3, C = 3.3 }
recipe = { K = 6.0, Ca = 3.0, Mg = 1.0, NO3 = 11.0, P = 1.0, SO4 = 1.0 }
acid = "h3po4"
volume_l = 300
"""


@pytest.fixture
def load(tmp_path):
    def loaded(*cells):
        file = tmp_path / "cells.toml"
        file.write_text("".join(f"[[cell]]\n{textwrap.dedent(cell)}\n" for cell in cells))
        return case_file.load(file)
    return loaded


def test_a_cell_of_the_matrix_is_the_same_from_a_file(load):
    [cell] = load('name = "soft-hno3-100-fresh"\n' + PLAIN)
    built_in = Cell("soft", "hno3", 100, "fresh")
    assert cell.plant() == built_in.plant()
    assert cell.titration == built_in.titration
    assert cell.seed == built_in.seed
    assert benchmark_run.run(cell, "hydruino", 1 / 24) == benchmark_run.run(
        built_in, "hydruino", 1 / 24
    )


def test_ions_under_a_name_and_by_themselves_are_the_same_water(load):
    ions = ", ".join(f"{ion} = {amount}" for ion, amount in WATERS["medium"].items())
    own, named = load(PLAIN.replace('"soft"', f"{{ {ions} }}"),
                      PLAIN.replace("soft", "medium"))
    assert own.titration == named.titration
    assert own.target_us_cm == named.target_us_cm
    assert own.stocks == named.stocks


def test_own_ions_are_in_tank_tap_and_bottles(load):
    [cell] = load(OWN)
    params = cell.plant()
    assert params["top_off.water"] == params["reservoir.water"] == cell.water
    assert cell.water["Ca"] == 2.0
    assert cell.stocks["ph_down"] == "h3po4_2.9M"
    found = benchmark_run.run(cell, "idroserra", 6 / 24)
    assert found.to_band_h is not None
    assert found.doses > 0


@given(st.floats(0, 8), st.floats(0, 6), st.floats(0, 4), st.floats(0, 4), st.floats(0, 4),
       st.floats(0, 3), st.floats(0, 4))
def test_a_and_b_bring_the_whole_recipe_and_are_neutral_apart(k, ca, mg, nh4, so4, p, cl):
    cations = k + 2 * ca + 2 * mg + nh4
    no3 = cations - 2 * so4 - p - cl
    if no3 + cl < 2 * ca or no3 < 0:
        return
    whole = {"K": k, "Ca": ca, "Mg": mg, "NH4": nh4, "SO4": so4, "P": p, "Cl": cl, "NO3": no3}
    a, b = cases.nutrients(whole, 100.0)
    for ion in whole:
        assert a.get(ion, 0) + b.get(ion, 0) == pytest.approx(0.1 * whole[ion], abs=1e-9)
    assert "SO4" not in a
    assert "P" not in a
    assert b.get("Ca", 0.0) == 0.0
    for stock in (a, b):
        assert cases.alkalinity_meq_l(stock) == pytest.approx(0.0, abs=1e-9)


def test_the_lettuce_recipe_splits_into_its_stocks():
    for split, name in zip(cases.nutrients("lettuce", 100.0), ("nutrient_a", "nutrient_b"),
                           strict=True):
        assert split == pytest.approx(STOCKS[name], rel=2e-4)


def test_stocks_follow_the_volume(load):
    small, large, small_hard = load(
        PLAIN.replace("100", "10"), PLAIN.replace("100", "2000"),
        PLAIN.replace("100", "10").replace("soft", "hard"))
    assert (small.stocks["ph_down"], small.stocks["ph_up"]) == ("hno3_0.4M", "khco3_0.25M")
    assert small_hard.stocks["ph_down"] == "hno3_2.9M"
    assert large.pump_ml_s == 20.0
    assert large.stocks["nutrient_a"]["Ca"] == pytest.approx(2 * STOCKS["nutrient_a"]["Ca"], 1e-3)


def test_probe_parameters_are_linear_in_age(load):
    new, half, year = load(*(PLAIN + f"probe_age = {days}" for days in (0, 182.5, 365)))
    aged = cases.PROBES["aged"]
    assert year.probe_params == pytest.approx(aged)
    assert new.probe_params["probe.ph.tau_s"] == 8.0
    assert half.probe_params["probe.ph.tau_s"] == pytest.approx((8.0 + 45.0) / 2)


def test_a_target_ec_sets_the_strength(load):
    [weak] = load(PLAIN + "target_us_cm = 800")
    assert weak.target_us_cm == 800
    assert 0.3 < weak.strength < 0.6
    assert weak.ec_at(weak.strength) == pytest.approx(800, abs=0.1)


def test_a_cold_cell_is_cold_all_around(load):
    params = load(PLAIN + "temp_c = 10")[0].plant()
    assert params["reservoir.temp_c"] == 10
    assert params["outside.temp_c"] == 9
    assert params["top_off.temp_c"] == 6


@pytest.mark.parametrize(("cell", "key", "why"), [
    ("", "cell-1.water", "is missing"),
    (PLAIN.replace("soft", "brine"), "cell-1.water", "'brine' is not one of ro, soft"),
    (PLAIN.replace("hno3", "vinegar"), "cell-1.acid", "'vinegar' is not one of h3po4, hno3"),
    (PLAIN.replace("hno3", "khco3_1M"), "cell-1.acid", "not one of"),
    (PLAIN.replace("100", "4"), "cell-1.volume_l", "5 to 2000"),
    (PLAIN.replace("100", "nan"), "cell-1.volume_l", "5 to 2000"),
    (PLAIN.replace("100", "true"), "cell-1.volume_l", "expected a number"),
    (PLAIN + "probe_age = 'old'", "cell-1.probe_age", "or days"),
    (PLAIN + "probe_age = 731", "cell-1.probe_age", "0 to 730"),
    (PLAIN + "recipe = 'none'", "cell-1.recipe", "'none' is not one of"),
    (PLAIN + "recipe = { K = 1.0 }", "cell-1.recipe", "charges do not balance"),
    (PLAIN + "recipe = { K = 1, C = 1 }", "cell-1.recipe.C", "is not one of"),
    (PLAIN + "recipe = { Ca = 3, SO4 = 3 }", "cell-1.recipe", "needs 6 of NO3"),
    (PLAIN + "recipe = { K = 0.1, NO3 = 0.1 }", "cell-1.recipe", "at least 1 mmol/L"),
    (PLAIN + "ph = 5", "cell-1.ph", "unknown key"),
    (PLAIN.replace("soft", "hard") + "target_us_cm = 300", "cell-1.target_us_cm", "at strength 0"),
    (PLAIN + "seed = 0", "cell-1.seed", "1 to"),
    (PLAIN.replace('"soft"', "{ Ca = 8.0, C = 16.0 }").replace("hno3", "h3po4_0.25M"),
     "cell-1.acid", "50 ml/l of h3po4_0.25M do not reach pH 5.80"),
    (OWN.replace("Cl = 1.2", "Cl = 4.2"), "cell-1.water", "cations less anions are 0.20 meq/l"),
    (OWN.replace("C = 3.3", "Fe = 3.3"), "cell-1.water.Fe", "is not one of K, Na"),
    (OWN.replace("C = 3.3", "C = -1.0"), "cell-1.water.C", "0 to 100 mmol/L"),
    (OWN.replace("C = 3.3", "C = 1.0, alkalinity_meq_l = 3.4"), "cell-1.water",
     "its pH would be"),
])
def test_errors_name_file_and_key(load, cell, key, why):
    with pytest.raises(ScenarioError, match="cells.toml") as caught:
        load(cell)
    assert caught.value.key == key
    assert why in caught.value.why


def test_names_are_unique(load):
    assert [cell.name for cell in load(PLAIN, PLAIN)] == ["cell-1", "cell-2"]
    with pytest.raises(ScenarioError, match=r"cell-2\.name: 'a' is used twice"):
        load("name = 'a'\n" + PLAIN, "name = 'a'\n" + PLAIN)


@given(st.dictionaries(st.sampled_from([*IONS, "alkalinity_meq_l"]),
                       st.floats(0, 30).map(lambda x: round(x, 3))))
def test_any_ions_are_a_water_or_an_error(ions):
    table = case_file.Table(Path("cells.toml"), "cell-1", {"water": ions})
    try:
        found = case_file._water(table, 20.0)
    except ScenarioError as error:
        found, key = None, error.key
    assert key == "cell-1.water" if found is None else 4.0 <= cases.raw_ph(found) <= 9.5


def run(tmp_path, monkeypatch, text, *options):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "own.toml"
    file.write_text(text)
    return CliRunner().invoke(main.app, ["sim", "score", "--cells", str(file), *options])


def test_json_has_the_measures_of_each_policy(tmp_path, monkeypatch):
    result = run(tmp_path, monkeypatch, "[[cell]]\ndays = 0.5\n" + PLAIN,
                 "--policies", "idroserra,hydruino", "--json")
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    assert board["are_aims_met"] is True
    [cell] = board["cells"]
    assert cell["cell"] == "cell-1"
    assert list(cell["policies"]) == ["idroserra", "hydruino"]
    week = cell["policies"]["idroserra"]
    assert week["to_band_h"] > 0
    assert week["misses"] == []
    assert [aim["aim"] for aim in week["aims"]] == [
        "in_band_ratio", "over_ph", "over_ms_cm", "reagent_ratio", "not_locked"]
    assert all(aim["is_met"] for aim in week["aims"])


def test_a_missed_aim_of_the_firmware_is_exit_code_3(tmp_path, monkeypatch):
    # Acid too weak for this water: its ceilings never get it in band.
    weak = PLAIN.replace("soft", "hard").replace("hno3", "h3po4_0.25M")
    result = run(tmp_path, monkeypatch, "[[cell]]\n" + weak, "--policies", "idroserra",
                 "--days", "0.1", "--json")
    assert result.exit_code == 3
    board = json.loads(result.stdout)
    week = board["cells"][0]["policies"]["idroserra"]
    assert board["are_aims_met"] is False
    assert week["misses"] == ["never in band"]
    assert week["aims"][0]["is_met"] is False


def test_a_missed_aim_of_a_peer_is_no_error(tmp_path, monkeypatch):
    result = run(tmp_path, monkeypatch, "[[cell]]\n" + PLAIN, "--policies", "mycodo-fixed",
                 "--days", "0.1", "--json")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("text", "key", "why"), [
    ("[[cell]]\n" + PLAIN.replace("soft", "brine"), "cell-1.water", "'brine'"),
    ("[[cell]]\nbase = 'khco3_1M'\n" + PLAIN.replace("soft", "ro").replace("100", "5"),
     "cell-1.base", "too strong"),
    ("[[cell]]\n" + PLAIN + "recipe = { K = 40, Ca = 20, NO3 = 75, P = 5 }\n",
     "cell-1.recipe", "0..5000 uS/cm"),
    ("x = 1", "x", "unknown key"),
    ("[[cell]", "", "Expected"),
    ("", "cell", "at least one table"),
])
def test_an_invalid_file_is_a_config_error(tmp_path, monkeypatch, text, key, why):
    result = run(tmp_path, monkeypatch, text)
    error = result.exception
    assert isinstance(error, main.ConfigError)
    assert (error.file, error.key) == (str(tmp_path / "own.toml"), key)
    assert why in error.why


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        case_file.load(tmp_path / "none.toml")


def test_the_example_of_the_page_is_valid(tmp_path):
    page = Path(__file__).parents[3] / "bench" / "score.md"
    example = page.read_text().split("```toml\n")[1].split("```")[0]
    file = tmp_path / "example.toml"
    file.write_text(example)
    assert [cell.name for cell in case_file.load(file)] == ["well", "own-ions"]
    assert all(recipe in RECIPES for recipe in ("lettuce", "hoagland2"))
