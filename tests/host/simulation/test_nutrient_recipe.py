"""Nutrient recipes: any request that has a valid form has a plan or one error with its field."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.core.validation import validate
from idroserra.simulation.nutrient_plan import problems_of
from idroserra.simulation.nutrient_recipe import RecipeRequest, recipe_json
from idroserra.simulation.stock_calculator import StockProblem
from idrosim.greenhouse.water import RECIPES, WATERS
from idrosim.water_solver.salts import BY_NAME

MMOL = st.floats(0.0, 200.0) | st.floats(0.0, 10.0)
ION = MMOL | st.fixed_dictionaries({}, optional={
    "mmol_l": MMOL, "tolerance_pct": st.floats(0.0, 100.0), "weight": st.floats(0.01, 100.0),
    "min": MMOL, "max": MMOL})
IONS = st.sampled_from(["K", "Na", "NH4", "Ca", "Mg", "NO3", "Cl", "SO4", "P"])
TARGET = st.sampled_from([name for name, ions in RECIPES.items() if ions]) | st.fixed_dictionaries(
    {"ions": st.dictionaries(IONS, ION, max_size=9)},
    optional={"ph": st.floats(4.0, 8.5), "tolerance_pct": st.floats(0.0, 100.0)})
WATER = st.sampled_from(list(WATERS)) | st.fixed_dictionaries(
    {"ions": st.dictionaries(IONS | st.sampled_from(["HCO3", "CaCO3"]), st.floats(0.0, 50.0))},
    optional={"ph": st.floats(4.0, 10.5), "unit": st.sampled_from(["mg/l", "mmol/l"]),
              "balance_with": st.sampled_from(["Na", "Cl", "HCO3"])})
SALT = st.fixed_dictionaries(
    {"name": st.sampled_from(list(BY_NAME))},
    optional={"formula": st.sampled_from(["KNO3", "Ca(H2PO4)2.H2O", "NaCl", "K2HPO4", "FeSO4"]),
              "purity_pct": st.floats(1.0, 100.0), "price_per_kg": st.floats(0.0, 1e6)})
REQUEST = st.fixed_dictionaries({"target": TARGET, "water": WATER}, optional={
    "shelf": st.lists(SALT, min_size=1, max_size=12), "strength": st.floats(0.05, 4.0),
    "ph": st.floats(4.0, 8.5), "temp_c": st.floats(0.0, 50.0),
    "co2": st.sampled_from(["closed", "air"]), "concentration": st.floats(2.0, 400.0),
    "stock_l": st.floats(0.1, 1e5), "stock_temp_c": st.floats(0.0, 50.0),
    "minimise": st.sampled_from(["cost", "sodium"])})


@settings(max_examples=60, deadline=None)
@given(REQUEST)
def test_every_request_has_a_plan_or_an_error(asked):
    try:
        plan = recipe_json(validate(asked, RecipeRequest))
    except StockProblem:
        return
    text = json.dumps(plan, allow_nan=False)
    assert len(text) < 20_000
    assert 0.0 < plan["ph"] < 14.8
    assert plan["ec_us_cm"] > 0.0
    assert all(row["g"] >= 0.0 for tank in plan["stocks"] for row in tank["salts"])
    assert plan["ok"] is not any(problems_of(plan))
    for ion, one in plan["ions_mmol_l"].items():
        is_missed = any(missed["ion"] == ion for missed in plan["missed"])
        low = -math.inf if one["low"] is None else one["low"]
        high = math.inf if one["high"] is None else one["high"]
        assert is_missed or low - 0.002 <= one["got"] <= high + 0.002, ion
