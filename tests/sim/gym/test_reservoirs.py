"""Tests of the water of the environments: against PHREEQC, the plant and itself."""

import numpy as np
import pytest

from idrosim.benchmark.cases import Cell
from idrosim.benchmark.fleet.reservoirs import MANY, ONE, Climate, Reservoirs, Setting
from idrosim.benchmark.run import LIGHT_HOURS, LIGHT_LEVEL
from idrosim.greenhouse.chemistry import CL, NA, NO3, K, Solution
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.water import STOCKS, amounts
from idrosim.gym.cell_table import DOSERS, CellTable
from idrosim.gym.greenhouse import Flows, Greenhouse
from support import oracle_tables

STEP_S = 300.0
TABLES = ("waters.csv", "nutrient_dilution.csv", "titration_khco3_1M.csv")
# The largest difference of pH from PHREEQC.
PHREEQC_PH = 0.02
LITRE_ML = 1e3
AIR_STONE_PER_S, AIR_STEPS = 20.0 / 3_600.0, 600  # until CO2 is that of the air


def still(stocks, kla_per_s, count=None):
    """Return the setting of a litre without crop and solids that mixes in half a minute."""
    def every(value):
        return value if count is None else np.full(count, value)

    return Setting(every(LITRE_ML), every(2e3), [every(0.0)] * 10, every(20.0), every(30.0),
                   every(1.0), every(0.0), kla_per_s, every(0.0), every(0.0), stocks)


def in_steps(rows, raw, added, doses_ml):
    """Return the pH after `raw` water (10, N) mol/L got `added` (10, N) mol/ml in doses."""
    count = len(rows)
    temps_c = np.array([float(row["temp_C"]) for row in rows])
    is_open = np.array([row.get("mode", "closed") == "air" for row in rows])
    stocks = [list(enumerate(added))]
    water = Reservoirs(MANY, still(stocks, AIR_STONE_PER_S * is_open, count), list(raw), temps_c)
    for part in (0.25, 0.35, 0.4, *[0.0] * (AIR_STEPS if is_open.any() else 2)):
        water.step(STEP_S, Climate(temps_c, 0.0, 0.0), [part * doses_ml])
    return water


def totals(name):
    """Return {name: ten totals in mol/L} of compositions or closed waters."""
    key = "solution" if name == "compositions.csv" else "water"
    return {row[key]: oracle_tables.composition(row, 1e-3)
            for row in oracle_tables.rows(name) if row.get("mode", "closed") == "closed"}


@pytest.mark.parametrize("table", TABLES)
def test_transitions_lead_to_the_ph_of_phreeqc(table):
    rows = list(oracle_tables.rows(table))
    waters, recipes = totals("waters.csv"), totals("compositions.csv")
    raw = np.array([waters[row.get("water", "ro")] for row in rows]).T
    salts = np.array([np.multiply(recipes[row["solution"]], float(row["strength"]))
                      if "solution" in row else np.zeros(10) for row in rows]).T
    if "stock" in rows[0]:
        added = np.array([amounts(STOCKS, row["stock"], 1e-3) for row in rows]).T
        doses_ml = np.array([float(row["mL_stock_per_kgw"]) for row in rows])
        water = in_steps(rows, raw + salts, added, doses_ml)
    else:  # the recipe itself is dosed, from a strong stock
        water = in_steps(rows, raw, salts * 1e2, np.full(len(rows), 1e-2))
    wanted = np.array([float(row["pH"]) for row in rows])
    assert len(rows) > 15
    assert np.abs(water.ph - wanted).max() < PHREEQC_PH


def test_one_reservoir_and_many_are_the_same():
    cells = [Cell("ro", "h3po4", 100, "fresh"), Cell("hard", "hno3", 1_000, "aged")]
    for index, cell in enumerate(cells):
        table = CellTable([cell], DOSERS)
        one = Greenhouse(table, np.random.default_rng(index), STEP_S)
        many = Greenhouse(table, np.random.default_rng(index), STEP_S, 1)
        doses = np.random.default_rng(index).uniform(0.0, 4.0, (40, 6))
        for *doses_ml, tap_ml, drain_ml in doses.tolist():
            one.step(Flows(doses_ml, tap_ml, drain_ml))
            many.step(Flows([np.array([ml]) for ml in doses_ml], tap_ml, drain_ml))
        normals = [0.1, -0.2, 0.3, 1.0]
        assert many.water.ph[0] == pytest.approx(one.water.ph, abs=1e-5)
        assert many.ec_us_cm[0] == pytest.approx(one.ec_us_cm, rel=1e-6)
        for of_one, of_many in zip(one.read(normals), many.read(normals), strict=True):
            assert of_many[0] == pytest.approx(of_one, rel=1e-5)


@pytest.mark.parametrize("water", ["ro", "hard"])
def test_steps_of_five_minutes_follow_the_plant_of_the_scenarios(water):
    cell = Cell(water, "hno3", 100, "fresh")
    house = still_pumps(cell, STEP_S)
    plant = Plant(cell.plant() | {"outside.noise_c": 0.0, "reservoir.open_ratio": 0.0}
                  | {f"{name}.error_pct": 0.0 for name in DOSERS}, 1)
    plant.set_output("circulation", 1.0)
    for step in range(2 * 288):
        hour = step % 288 / 12
        is_lit = LIGHT_HOURS[0] <= hour < LIGHT_HOURS[1]
        plant.set_output("light", LIGHT_LEVEL if is_lit else 0.0)
        doses_ml, tap_ml = doses_at(step, house)
        for name, ml in zip(DOSERS, doses_ml, strict=True):
            plant.set_output(name, ml / (cell.pump_ml_s * STEP_S))
        plant.set_output("top_off", 1.0 if tap_ml else 0.0)
        plant.step(STEP_S)
        house.step(Flows(doses_ml, tap_ml, 0.0))
        truth = plant.truth()
        assert house.water.ph == pytest.approx(truth["reservoir.ph"], abs=0.01)
        assert house.ec_us_cm == pytest.approx(truth["reservoir.ec_us_cm"], rel=0.002)
        assert house.water.volume_ml == pytest.approx(truth["reservoir.volume_ml"], rel=1e-3)
        assert house.water.temp_c == pytest.approx(truth["reservoir.temp_c"], abs=0.05)


def still_pumps(cell, step_s):
    """Return the greenhouse of a cell from midnight on, with exact pumps."""
    house = Greenhouse(CellTable([cell], DOSERS), np.random.default_rng(1), step_s)
    house.clock_s, house.pump_ratios = 0.0, [1.0] * 4
    return house


def doses_at(step, house):
    """Return (ml of each doser, ml of the tap): acid to the target and nutrient each hour."""
    if step % 12:
        return [0.0] * 4, 0.0
    cell = house.cell
    full_ml = 10.0 * cell["pump_ml_s"]
    acid_ml = (house.water.ph - cell["target_ph"]) * cell["acid_ml_per_ph"]
    tap_ml = cell["tap_ml_s"] * STEP_S if step % 288 == 204 else 0.0
    return [min(max(acid_ml, 0.0), full_ml), 0.0, 0.3 * full_ml, 0.3 * full_ml], tap_ml


@pytest.mark.parametrize("water", ["ro", "hard"])
def test_a_step_of_five_minutes_is_ten_of_thirty_seconds(water):
    cell = Cell(water, "h3po4", 100, "fresh")
    coarse, fine = still_pumps(cell, STEP_S), still_pumps(cell, 30.0)
    errors = []
    for step in range(3 * 288):
        doses_ml, tap_ml = doses_at(step, coarse)
        coarse.step(Flows(doses_ml, tap_ml, 0.0))
        for _ in range(10):
            fine.step(Flows([ml / 10 for ml in doses_ml], tap_ml / 10, 0.0))
        errors.append(coarse.water.ph - fine.water.ph)
        assert coarse.ec_us_cm == pytest.approx(fine.ec_us_cm, rel=5e-4)
    assert np.abs(errors).max() < 0.01


def test_the_ph_of_a_step_is_that_of_its_totals_whatever_is_dosed():
    table = CellTable([Cell("soft", "hno3", 20, "aged"), Cell("ro", "h3po4", 20, "fresh")], DOSERS)
    rng = np.random.default_rng(7)
    house = Greenhouse(table, rng, STEP_S, 8)
    for _ in range(60):
        doses = [rng.uniform(0.0, 10.0, 8) * rng.integers(2, size=8) for _ in DOSERS]
        house.step(Flows(doses, rng.uniform(0.0, 300.0, 8), 100.0))
        for one in range(8):
            exact = Solution()
            exact.set([float(amount[one]) for amount in house.water.molar],
                      float(house.water.temp_c[one]))
            assert house.water.ph[one] == pytest.approx(exact.solve(1e-10), abs=2e-4)


def test_water_runs_over_the_rim_and_never_below_empty():
    setting = still([], 0.0)
    water = Reservoirs(ONE, setting, amounts({"x": {"K": 1.0, "Cl": 1.0}}, "x", 1e-2), 20.0)
    air = Climate(20.0, 0.0, 0.0)
    water.step(STEP_S, air, [], 5e3)
    assert water.volume_ml == pytest.approx(2e3)
    assert water.moles[0] == pytest.approx(1e-2 * 2 / 6)
    water.step(STEP_S, air, [], 0.0, 1e6)
    assert water.volume_ml == pytest.approx(50.0)


def test_what_the_crop_does_not_take_stays_in_the_water():
    house = still_pumps(Cell("soft", "h3po4", 100, "fresh"), STEP_S)
    water = house.water
    sodium_mol, chloride_mol = (water.moles[ion] for ion in (NA, CL))
    nitrate_mol, potassium_mol = (water.moles[ion] for ion in (NO3, K))
    for step in range(288):
        doses_ml, _ = doses_at(step, house)
        house.step(Flows(doses_ml, 0.0, 0.0))
        for name, ml in zip(DOSERS, doses_ml, strict=True):
            brought = amounts(STOCKS, house_stock(name), 1e-3 * ml)
            nitrate_mol += brought[NO3]
            potassium_mol += brought[K]
    assert water.moles[NA] == pytest.approx(sodium_mol, rel=1e-12)
    assert water.moles[CL] == pytest.approx(chloride_mol, rel=1e-12)
    taken = nitrate_mol - water.moles[NO3] - water.pocket[NO3]
    assert 0.0 < taken < 0.05 * nitrate_mol
    assert 0.0 < potassium_mol - water.moles[K] - water.pocket[K] < taken


def house_stock(name):
    return {"ph_down": "h3po4_10pct", "ph_up": "khco3_1M"}.get(name, name)
