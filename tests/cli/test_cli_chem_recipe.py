"""`idroserra chem recipe` as growers run it: files in, a plan or one error out."""

import json
import re
import shlex

import pytest
from typer.testing import CliRunner

from idroserra.cli.chem.app import app
from idroserra.core.errors import ConfigError
from support.command_line import idroserra
from support.source_tree import ROOT

WELL = """
name = "our well"
unit = "mg/l"
ph = 7.6
[ions]
Ca = 48
Na = 18
Cl = 30
SO4 = 38
HCO3 = 146
NO3-N = 0.5
[hardness]
value = 9.0
unit = "dH"
"""
SHELF = """
[[salt]]
name = "calcium nitrate"
price_per_kg = 0.6
[[salt]]
name = "potassium nitrate"
price_per_kg = 1.4
[[salt]]
name = "our MKP"
formula = "KH2PO4"
purity_pct = 98
price_per_kg = 2.2
[[salt]]
name = "magnesium sulfate"
price_per_kg = 0.4
[[salt]]
name = "ammonium nitrate"
price_per_kg = 0.7
[[salt]]
name = "nitric acid 38 %"
price_per_kg = 0.5
"""
TARGET = """
name = "leaf"
ph = 5.9
tolerance_pct = 6
[ions]
K = 5.4
Ca = 2.3
Mg = 1.0
NO3 = { mmol_l = 9.8, tolerance_pct = 10 }
P = 1.0
SO4 = { min = 0.8, max = 1.6 }
NH4 = { max = 1.2 }
Na = { max = 2.0 }
"""


def run(*arguments):
    """Return (exit code, stdout, error) of `chem`; a ConfigError is exit code 2."""
    done = CliRunner().invoke(app, list(arguments))
    if isinstance(done.exception, ConfigError):
        return 2, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def files(tmp_path):
    found = {}
    for name, text in (("water", WELL), ("shelf", SHELF), ("target", TARGET)):
        found[name] = tmp_path / f"{name}.toml"
        found[name].write_text(text)
    return found


def plan(files, *options):
    code, out, err = run("recipe", str(files["target"]), "--water", str(files["water"]),
                         "--shelf", str(files["shelf"]), "--json", *options)
    assert code in (0, 1), err
    return code, json.loads(out)


def test_files_become_a_plan(files):
    code, found = plan(files)
    assert (code, found["ok"], found["minimised"]) == (0, True, "cost")
    assert found["ph"] == pytest.approx(5.9, abs=0.005)
    assert found["cost_per_m3"] > 0.5
    assert found["ready_l"] == 1_000
    a, b = found["stocks"]
    assert {row["salt"] for row in b["salts"]} >= {"our MKP", "magnesium sulfate"}
    calcium = next(row for row in a["salts"] if row["salt"] == "calcium nitrate")
    assert calcium["ml"] is None
    # grams in 1,000 l against mmol/l, with the Ca of the label and the g/mol of the CRC Handbook
    brought = 0.186 * calcium["g"] / 40.08
    assert 48 / 40.08 + brought == pytest.approx(found["ions_mmol_l"]["Ca"]["got"], rel=0.005)
    phosphate = next(row for row in b["salts"] if row["salt"] == "our MKP")
    assert 0.98 * phosphate["g"] / 136.086 == pytest.approx(
        found["ions_mmol_l"]["P"]["got"], rel=1e-3)
    acid = next(row for row in b["salts"] if row["formula"] == "HNO3")
    assert acid["ml"] == pytest.approx(acid["g"] / 1.234, rel=1e-3)
    for ion, one in found["ions_mmol_l"].items():
        assert one["low"] is None or one["low"] - 1e-3 <= one["got"], ion
        assert one["high"] is None or one["got"] <= one["high"] + 1e-3, ion


def test_litres_and_concentration_scale_the_grams(files):
    _, small = plan(files, "--stock-l", "1", "--concentration", "50")
    _, large = plan(files, "--stock-l", "100", "--concentration", "50")
    for one, other in zip(small["stocks"], large["stocks"], strict=True):
        for row, bigger in zip(one["salts"], other["salts"], strict=True):
            assert bigger["g"] == pytest.approx(100 * row["g"], abs=0.1)


def test_the_program_prints_the_error_on_one_line(files):
    files["shelf"].write_text(SHELF.replace("KH2PO4", "FeSO4"))
    done = idroserra("chem", "recipe", "lettuce", "--shelf", files["shelf"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"idroserra: {files['shelf']}: salt.2.formula: FeSO4 is not understood at FeSO4\n")


def test_a_table_for_a_grower():
    code, out, _ = run("recipe", "lettuce", "--water", "medium")
    assert code == 0
    for word in ("calcium nitrate", "tank", "ml", "mS/cm", "pH 5.80", "saturation", "1000 l"):
        assert word in out.replace("\n", " "), word


def test_what_cannot_be_met_is_named_with_its_size():
    code, out, _ = run("recipe", "lettuce", "--water", "hard")
    assert code == 1
    text = " ".join(out.split())
    assert "Ca: 2.75 mmol/l, at most 2.36 is allowed: 0.39 too much; the water alone has" in text


def test_a_tank_that_would_precipitate_is_named():
    code, out, _ = run("recipe", "sonneveld_lettuce", "--concentration", "300",
                       "--stock-temp-c", "2", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["missed"]) == (1, False, [])
    assert any(tank["precipitates"] for tank in found["stocks"])
    assert 10 < found["clear_up_to"] < 300
    _, table, _ = run("recipe", "sonneveld_lettuce", "--concentration", "300",
                      "--stock-temp-c", "2")
    assert "may precipitate" in table
    assert f"clear up to {found['clear_up_to']:g} times" in table


@pytest.mark.parametrize(("file", "old", "new", "key"), [
    ("water", "Cl = 30", "Cl = 300", "ions: "),
    ("water", "Ca = 48", "Ca = 480", "hardness: "),
    ("water", "Ca = 48", "Fe = 48", "ions.Fe: "),
    ("water", "Ca = 48", "Ca = -1", "ions.Ca: "),
    ("water", "Ca = 48", 'Ca = "many"', "ions.Ca: "),
    ("water", "Ca = 48", "Ca = nan", "ions.Ca: "),
    ("water", 'unit = "mg/l"', 'unit = "ppm"', "unit: "),
    ("water", "ph = 7.6", "ph = true", "ph: "),
    ("water", "ph = 7.6", "", "ph: "),
    ("water", "ph = 7.6", "pH = 7.6", "pH: "),
    ("water", "value = 9.0", "value = 1.0", "hardness: "),
    ("water", 'unit = "dH"', 'unit = "grains"', "hardness.unit: "),
    ("shelf", 'name = "our MKP"', 'name = "potassium nitrate"', "salt.2.name: "),
    ("shelf", 'formula = "KH2PO4"', "", "salt.2.formula: "),
    ("shelf", "KH2PO4", "KHPO4", "salt.2.formula: "),
    ("shelf", "KH2PO4", "H2O", "salt.2.formula: "),
    ("shelf", "purity_pct = 98", "purity_pct = 0", "salt.2.purity_pct: "),
    ("shelf", "price_per_kg = 2.2", "price = 2.2", "salt.2.price: "),
    ("shelf", "[[salt]]", "[[salts]]", "salts: "),
    ("target", "K = 5.4", "Potassium = 5.4", "ions.Potassium: "),
    ("target", "K = 5.4", "K = true", "ions.K: "),
    ("target", "{ max = 1.2 }", "{}", "ions.NH4: "),
    ("target", "{ max = 1.2 }", "{ max = 1.2, min = 2.0 }", "ions.NH4.min: "),
    ("target", "{ max = 1.2 }", "{ max = 1.2, mmol_l = 1.0 }", "ions.NH4: "),
    ("target", "{ max = 1.2 }", "{ max = 1.2, tolerance_pct = 1 }", "ions.NH4.tolerance_pct: "),
    ("target", "ph = 5.9", "ph = 12", "ph: "),
    ("target", "[ions]", "[ions", "not TOML"),
])
def test_a_mistake_is_one_error_with_file_and_key(files, file, old, new, key):
    text = files[file].read_text()
    assert old in text
    files[file].write_text(text.replace(old, new))
    code, out, err = run("recipe", str(files["target"]), "--water", str(files["water"]),
                         "--shelf", str(files["shelf"]))
    assert (code, out) == (2, "")
    assert err.startswith(f"{files[file]}: {key}"), err
    assert "\n" not in err


def test_a_price_that_is_needed_is_named(files):
    files["shelf"].write_text(SHELF.replace("price_per_kg = 2.2", ""))
    asked = ["recipe", "lettuce", "--shelf", str(files["shelf"])]
    code, _, err = run(*asked, "--minimise", "cost")
    assert code == 2
    assert err.startswith(f"{files['shelf']}: salt.2.price_per_kg: missing")
    assert "our MKP" in err


@pytest.mark.parametrize("options", [
    ["soup"], ["lettuce", "--water", "swamp"], ["lettuce", "--water", "/absent/water.toml"],
    ["lettuce", "--shelf", "/absent/shelf.toml"], ["lettuce", "--minimise", "work"],
    ["lettuce", "--concentration", "1000"], [],
])
def test_a_wrong_call_is_exit_2(options):
    code, out, err = run("recipe", *options)
    assert (code, out) == (2, "")
    assert err


def test_the_built_in_salts_are_listed():
    code, out, _ = run("salts", "--json")
    found = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert found["magnesium sulfate"]["molar_mass_g_mol"] == pytest.approx(246.47, abs=0.01)
    assert all(row["source"] for row in found.values())
    assert "potassium nitrate" in run("salts")[1]


def test_the_page_for_growers_is_true(tmp_path, monkeypatch):
    """Its files and commands, run by its reader; the plan in full is what the command prints."""
    page = (ROOT / "docs" / "nutrient-recipes.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    blocks = re.findall(r"^```(console|toml file=\S+|)\n(.*?)^```$", page, re.M | re.S)
    plan_text = next(text for head, text in blocks if not head)
    outputs = []
    for head, text in blocks:
        if head.startswith("toml"):
            (tmp_path / head.split("file=")[1]).write_text(text)
        for part in re.split(r"^\$ idroserra chem ", text, flags=re.M)[1:]:
            line, *wanted = part.splitlines()
            outputs.append(" ".join(run(*shlex.split(line))[1].split()))
            for words in wanted:
                assert " ".join(words.split()) in outputs[-1], (line, words)
    assert len(outputs) == 4
    assert " ".join(plan_text.split()) == outputs[1]
