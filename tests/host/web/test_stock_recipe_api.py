"""Nutrient recipes over the API: the plan of the command line, and errors by field."""

import json
import subprocess
import sys
import time

import pytest

from idroserra.core.validation import validate
from idroserra.simulation.nutrient_process import RecipeBusy, RecipeSolver
from idroserra.simulation.nutrient_recipe import RecipeRequest, recipe_json
from support.command_line import idroserra

PATH = "/api/stock/recipe"
WELL = {"ph": 7.6, "ions": {"Ca": 48.1, "Mg": 9.72, "Na": 18.4, "Cl": 30.1, "SO4": 38.4,
                            "HCO3": 146}}
SHELF = [{"name": name, "price_per_kg": price} for name, price in (
    ("calcium nitrate", 0.6), ("potassium nitrate", 1.4), ("ammonium nitrate", 0.7),
    ("magnesium sulfate", 0.4), ("monopotassium phosphate", 2.2), ("nitric acid 38 %", 0.5))]
WRONG = (
    ({}, "target"),
    ({"target": "bananas"}, "target"),
    ({"target": {"ions": {"Fe": 1}}}, "target.ions.Fe"),
    ({"target": {"ions": {}}}, "target.ions"),
    ({"target": "lettuce", "water": "swamp"}, "water"),
    ({"target": "lettuce", "water": {**WELL, "ions": {"Ca": -1}}}, "water.ions.Ca"),
    ({"target": "lettuce", "water": {"ions": {"HCO3": 61.0, "Na": 23.0}}}, "water.ph"),
    ({"target": "lettuce", "shelf": []}, "shelf"),
    ({"target": "lettuce", "shelf": [{"name": "salt"}]}, "shelf.0.formula"),
    ({"target": "lettuce", "minimise": "cost"}, "shelf.0.price_per_kg"),
    ({"target": "lettuce", "concentration": 1e9}, "concentration"),
    ({"target": "lettuce", "extra": 1}, "extra"),
)


def test_a_plan_has_the_figures_of_the_command_line(host):
    asked = {"target": "lettuce", "water": "medium", "stock_l": 5.0, "concentration": 150.0}
    answer = host.client.post(PATH, json=asked)
    assert answer.status_code == 200
    done = idroserra("chem", "recipe", "lettuce", "--water", "medium", "--stock-l", "5",
                     "--concentration", "150", "--json")
    assert {"target": "lettuce", "water": "medium", **answer.json()} == json.loads(done.stdout)


def test_an_analysis_a_shelf_and_a_target_are_planned(host):
    answer = host.client.post(PATH, json={
        "target": {"ions": {"K": 5.4, "Ca": 2.2, "Mg": {"mmol_l": 1.0, "tolerance_pct": 10},
                            "NO3": 9.8, "P": 1.0, "SO4": {"max": 1.5}}, "tolerance_pct": 8},
        "water": WELL, "shelf": SHELF, "ph": 6.0})
    found = answer.json()
    assert (answer.status_code, found["ok"], found["minimised"]) == (200, True, "cost")
    assert found["ph"] == pytest.approx(6.0, abs=0.005)
    assert {row["salt"] for tank in found["stocks"] for row in tank["salts"]} <= {
        salt["name"] for salt in SHELF}


def test_what_is_missed_is_in_the_answer(host):
    found = host.client.post(PATH, json={"target": "lettuce", "water": "hard"}).json()
    assert not found["ok"]
    assert found["missed"] == [{"ion": "Ca", "low": 2.1365, "high": 2.3613, "got": 2.75,
                                "off": 0.3887, "from_water": 2.75}]


def test_an_error_names_its_field(host):
    for asked, field in WRONG:
        answer = host.client.post(PATH, json=asked)
        assert answer.status_code == 422, asked
        assert answer.json()["error"].startswith(f"{field}: "), answer.json()


def test_the_largest_shelf_is_planned_in_bounded_time():
    """Sixty products of all kinds, the most that a request may have."""
    formulas = ("KNO3", "NH4NO3", "MgSO4.7H2O", "K2SO4", "KH2PO4", "NH4H2PO4",
                "Ca(NO3)2.4H2O", "HNO3", "H3PO4", "KOH")
    shelf = [{"name": f"{formula} {pct}", "formula": formula, "purity_pct": pct,
              "price_per_kg": 0.5 + 0.01 * index}
             for index, (formula, pct) in enumerate(
                 (formula, pct) for formula in formulas for pct in range(90, 96))]
    request = validate({"target": "sonneveld_lettuce", "water": "medium", "shelf": shelf},
                       RecipeRequest)
    assert len(shelf) == 60
    assert recipe_json(request)["missed"] == []


def test_a_recipe_that_takes_too_long_ends():
    request = validate({"target": "lettuce"}, RecipeRequest)
    with pytest.raises(RecipeBusy, match="not computed within"):
        RecipeSolver(timeout_s=1e-3).solve(request)
    assert RecipeSolver().solve(request) == recipe_json(request)


def test_a_second_recipe_is_refused_at_once_and_leaves_its_thread():
    request = validate({"target": "lettuce"}, RecipeRequest)
    solver = RecipeSolver()
    with solver._lock:
        began_s = time.monotonic()
        with pytest.raises(RecipeBusy, match="another nutrient recipe is being computed"):
            solver.solve(request)
        assert time.monotonic() - began_s < 1


def test_the_host_does_not_import_the_solver(host):
    assert host.client.post(PATH, json={"target": "lettuce"}).status_code == 200
    code = ("import sys; from idroserra.web.app import create_app; "
            "print([name for name in ('scipy', 'numpy') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          timeout=300)
    assert done.stdout == "[]\n"
