"""Tests of the simulated greenhouse: conservation, growth, outputs, state, reproducibility."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idrosim.greenhouse import crop, parameters
from idrosim.greenhouse.air import saturation_pa
from idrosim.greenhouse.chemistry import CHARGES, IONS, NH4, NO3, C, P, Solution
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.rng import Rng
from idrosim.greenhouse.water import STOCKS, WATERS, amounts

HOUR_S = 3_600.0


def run(plant, hours, step_s=60.0, **levels):
    """Advance by `hours` with outputs at `levels`; return the truth at the end."""
    for name, level in levels.items():
        plant.set_output(name, level)
    for _ in range(round(hours * HOUR_S / step_s)):
        plant.step(step_s)
    return plant.truth()


def days(plant, count):
    """Advance by whole days: light from 06:00 to 22:00 and a tank kept full."""
    for _ in range(count):
        for hour in range(24):
            plant.set_output("light", 0.8 if 6 <= hour < 22 else 0.0)
            truth = run(plant, 1.0, circulation=1.0)
            missing_ml = 60_000.0 - truth["reservoir.volume_ml"]
            if missing_ml > 0.0:
                plant.set_output("top_off", 1.0)
                plant.step(missing_ml / 10.0)
                plant.set_output("top_off", 0.0)
    return plant.truth()


# ------------------------------------------------------------------ conservation

OUTPUT = st.tuples(st.sampled_from(parameters.OUTPUTS), st.sampled_from([0.0, 0.5, 1.0]),
                   st.floats(0.01, 400.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(OUTPUT, max_size=25), st.sampled_from(sorted(WATERS)), st.integers(0, 1_000_000))
def test_ions_and_water_are_conserved(events, water, seed):
    plant = Plant({"reservoir.water": water, "reservoir.leak_ml_per_h": 40.0,
                   "reservoir.height_mm": 201.0}, seed)
    tank = plant.reservoir
    at_start, volume_ml = list(tank.moles), tank.volume_ml
    for name, level, dt_s in events:
        plant.set_output(name, level)
        plant.step(dt_s)
    truth = plant.truth()
    expected = list(at_start)
    dosed_ml = 0.0
    for name in parameters.DOSERS:
        poured_ml = truth["dosed." + name + "_ml"]
        dosed_ml += poured_ml
        stock = amounts(STOCKS, parameters.default(name + ".stock"), 1e-3 * poured_ml)
        expected = [a + b for a, b in zip(expected, stock, strict=True)]
    topped = amounts(WATERS, "soft", 1e-6 * truth["topoff_ml"])
    for ion in range(10):
        there = tank.moles[ion] + tank.pocket[ion] + tank.taken[ion]
        assert there == pytest.approx(expected[ion] + topped[ion], rel=1e-9, abs=1e-12), IONS[ion]
    volume_ml += dosed_ml + truth["topoff_ml"] - tank.spilled_ml - tank.evaporated_ml
    assert truth["reservoir.volume_ml"] == pytest.approx(volume_ml, rel=1e-9)
    assert min(tank.moles) >= 0.0
    solution = Solution()
    solution.set(tank.molar(), tank.temp_c)
    solution.solve(1e-10)
    charge = sum(m * z for m, z in zip(solution.charged(), CHARGES, strict=True))
    assert abs(charge) < 1e-9


# ------------------------------------------------------------------ growth

def test_a_day_of_transpiration_and_uptake():
    plant = Plant({}, 1)
    start = plant.truth()
    assert 1_500.0 < start["reservoir.ec_us_cm"] < 1_700.0
    assert start["reservoir.level_mm"] == pytest.approx(200.0)
    end = days(plant, 2)
    assert 1_000.0 < end["transpired_ml"] / 2 < 2_500.0
    assert 0.93 < end["reservoir.ec_us_cm"] / start["reservoir.ec_us_cm"] < 0.99
    assert abs(end["reservoir.ph"] - start["reservoir.ph"]) > 0.05
    assert end["crop.dry_g_m2"] > start["crop.dry_g_m2"] + 5.0
    assert plant.reservoir.taken[NH4] > 0.0
    assert 15.0 < end["air.temp_c"] < 26.0
    assert 35.0 < end["air.rh_pct"] < 90.0


def test_a_month_stays_plausible_and_is_harvested():
    end = days(Plant({}, 3), 30)
    assert 4.0 < end["reservoir.ph"] < 8.6
    assert 100.0 < end["reservoir.ec_us_cm"] < 1_700.0
    assert 20.0 < end["crop.dry_g_m2"] < 180.0


def test_the_ammonium_share_reverses_the_ph_drift():
    drift = {}
    for recipe in ("lettuce", "hoagland1"):
        plant = Plant({"reservoir.water": "ro", "reservoir.recipe": recipe,
                       "reservoir.kla_per_h": 0.0, "reservoir.kla_still_per_h": 0.0}, 1)
        start = plant.truth()["reservoir.ph"]
        drift[recipe] = run(plant, 10.0, circulation=1.0, light=1.0)["reservoir.ph"] - start
    assert drift["lettuce"] < -0.005
    assert drift["hoagland1"] > 0.005


def test_ph_of_acidified_tap_water_rebounds_as_co2_escapes():
    plant = Plant({"reservoir.water": "hard", "crop.area_m2": 0.0,
                   "ph_down.stock": "hno3_10pct", "reservoir.brushite_tau_h": 1e6}, 1)
    plant.set_output("circulation", 1.0)
    run(plant, 1 / 60, step_s=1.0, ph_down=1.0)
    run(plant, 2 / 60, step_s=1.0, ph_down=1.0)
    after_dose = run(plant, 0.2, step_s=10.0, ph_down=0.0)["reservoir.ph"]
    assert run(plant, 48.0)["reservoir.ph"] > after_dose + 0.5


def test_soft_water_needs_less_acid_than_hard():
    fall = {}
    for water in ("ro", "hard"):
        plant = Plant({"reservoir.water": water, "crop.area_m2": 0.0}, 1)
        start = run(plant, 0.1, step_s=10.0, circulation=1.0)["reservoir.ph"]
        run(plant, 10 / HOUR_S, step_s=1.0, ph_up=1.0)
        fall[water] = run(plant, 1.0, ph_up=0.0)["reservoir.ph"] - start
    assert fall["ro"] > 4.0 * fall["hard"] > 0.0


def test_night_is_cooler_and_light_warms():
    plant = Plant({"outside.noise_c": 0.0}, 1)
    dark = run(plant, 4.0)
    lit = run(plant, 4.0, light=1.0)
    assert lit["air.temp_c"] > dark["air.temp_c"] + 0.5
    assert lit["light.ppfd_umol_m2_s"] == pytest.approx(250.0)
    assert dark["light.ppfd_umol_m2_s"] == 0.0


# ------------------------------------------------------------------ outputs and equipment

def test_a_dose_mixes_in_minutes_with_the_pump_and_in_hours_without():
    shares = {}
    for circulation in (0.0, 1.0):
        plant = Plant({"crop.area_m2": 0.0}, 1)
        run(plant, 10 / HOUR_S, step_s=1.0, nutrient_b=1.0, circulation=circulation)
        run(plant, 10 / 60, step_s=10.0, nutrient_b=0.0)
        tank = plant.reservoir
        dosed = tank.pocket[P] / (plant.truth()["dosed.nutrient_b_ml"] * 0.09997e-3)
        shares[circulation] = 1.0 - dosed
    assert shares[1.0] > 0.94
    assert shares[0.0] < 0.2


def test_the_true_flow_is_off_by_the_calibration_error_and_ends_with_the_bottle():
    plant = Plant({"ph_down.error_pct": 10.0, "ph_down.bottle_ml": 20.0,
                   "ph_down.wear_pct_per_l": 0.0, "ph_down.line_ml": 3.0}, 1)
    assert run(plant, 10 / HOUR_S, step_s=1.0, ph_down=1.0)["dosed.ph_down_ml"] == pytest.approx(
        11.0)
    assert run(plant, 0.1, step_s=1.0)["dosed.ph_down_ml"] == pytest.approx(23.0)
    plant.set_param("ph_down.bottle_ml", 20.0)
    assert run(plant, 0.1, step_s=1.0)["dosed.ph_down_ml"] == pytest.approx(43.0)
    drawn = {Plant({}, seed)._dosers[0]._drawn_error_pct for seed in range(20)}
    assert len(drawn) == 20
    assert max(map(abs, drawn)) <= 4.0


@pytest.mark.parametrize("name", parameters.DOSERS)
def test_a_stuck_pump_runs_at_any_level(name):
    plant = Plant({name + ".stuck": "on"}, 1)
    assert plant.is_dosing()
    assert run(plant, 0.01, step_s=1.0, **{name: 0.0})[f"dosed.{name}_ml"] > 30.0
    plant.set_param(name + ".stuck", "off")
    before = plant.truth()[f"dosed.{name}_ml"]
    assert run(plant, 0.01, step_s=1.0, **{name: 1.0})[f"dosed.{name}_ml"] == before
    assert not plant.is_dosing()


def test_a_bottle_siphons_through_an_idle_pump_until_empty():
    plant = Plant({"ph_down.bottle_ml": 100.0, "ph_down.siphon_ml_per_h": 60.0}, 1)
    before = plant.truth()["reservoir.ph"]
    run(plant, 1.0)
    assert plant.truth()["dosed.ph_down_ml"] == pytest.approx(60.0, rel=0.01)
    assert plant.truth()["reservoir.ph"] < before - 0.5
    assert not plant.is_dosing()
    run(plant, 2.0)
    assert plant.truth()["dosed.ph_down_ml"] == pytest.approx(102.0)  # the line holds 2 ml


def test_top_off_adds_its_water_and_a_stuck_valve_overflows():
    plant = Plant({"top_off.water": "hard", "crop.area_m2": 0.0}, 1)
    truth = run(plant, 0.5, top_off=1.0)
    assert truth["topoff_ml"] == pytest.approx(18_000.0)
    assert truth["reservoir.volume_ml"] == pytest.approx(78_000.0, rel=1e-3)
    assert truth["reservoir.temp_c"] < 19.6
    plant.set_param("top_off.stuck", "on")
    truth = run(plant, 2.0, top_off=0.0)
    assert truth["reservoir.level_mm"] == pytest.approx(300.0, abs=1.0)
    assert truth["spilled_ml"] > 50_000.0


def test_a_leaking_tank_runs_dry_with_plausible_values():
    plant = Plant({"reservoir.leak_ml_per_h": 30_000.0}, 1)
    truth = run(plant, 30.0, circulation=1.0, light=1.0)
    assert 0.0 < truth["reservoir.volume_ml"] < 200.0
    assert 0.0 < truth["reservoir.ph"] < 14.0


def test_starved_roots_take_only_available_ions():
    plant = Plant({"reservoir.water": "ro", "reservoir.strength": 0.01}, 1)
    run(plant, 72.0, circulation=1.0, light=1.0)
    assert plant.reservoir.moles[NO3] < 1e-3
    assert min(plant.reservoir.moles) >= 0.0


def test_co2_settles_at_its_balance_with_the_air():
    plant = Plant({"crop.area_m2": 0.0, "reservoir.kla_per_h": 20.0, "outside.swing_c": 0.0,
                   "outside.noise_c": 0.0}, 1)
    run(plant, 96.0, circulation=1.0)
    tank = plant.reservoir
    solution = Solution()
    solution.gas_atm = 420e-6
    solution.set(tank.molar(), tank.temp_c)
    solution.solve()
    assert tank.moles[C] / tank.volume_ml * 1e3 == pytest.approx(solution.carbon, rel=0.02)


# ------------------------------------------------------------------ time, state, errors

def test_the_length_of_a_step_hardly_matters():
    ends = []
    for step_s in (1.0, 10.0, 60.0):
        plant = Plant({}, 9)
        run(plant, 2.0, step_s=step_s, circulation=1.0, light=1.0)
        run(plant, 1 / 60, step_s=min(step_s, 10.0), ph_down=1.0)
        ends.append(run(plant, 2.0, step_s=step_s, ph_down=0.0))
    for end in ends[1:]:
        assert end["reservoir.ph"] == pytest.approx(ends[0]["reservoir.ph"], abs=2e-3)
        assert end["reservoir.ec_us_cm"] == pytest.approx(ends[0]["reservoir.ec_us_cm"], rel=1e-4)
        assert end["reservoir.temp_c"] == pytest.approx(ends[0]["reservoir.temp_c"], abs=0.01)


def test_surroundings_equal_the_truth():
    plant = Plant({}, 5)
    plant.set_output("circulation", 1.0)
    for minute in range(300):
        plant.set_output("ph_down", 1.0 if minute == 60 else 0.0)
        plant.step(10.0)
        plant.set_output("ph_down", 0.0)
        plant.step(47.0)
        truth, around = plant.truth(), plant.around()
        for key in set(truth) & set(around):
            assert around[key] == truth[key], key
        assert around["inlet"]()[0] == truth["inlet.ph"]


def test_water_at_rest_lags_by_less_than_a_probe_resolves():
    seldom, often = (Plant({"reservoir.kla_per_h": 6.0}, 5) for _ in range(2))
    for plant in (seldom, often):
        run(plant, 1.0, circulation=1.0, light=1.0)
    seldom.step(59.0)
    for _ in range(59):
        often.step(1.0)
        often._move()
    lagging, exact = seldom.truth(), often.truth()
    assert lagging["reservoir.ph"] == pytest.approx(exact["reservoir.ph"], abs=2e-3)
    assert lagging["reservoir.ec_us_cm"] == pytest.approx(exact["reservoir.ec_us_cm"], rel=1e-4)
    assert lagging["reservoir.temp_c"] == pytest.approx(exact["reservoir.temp_c"], abs=5e-3)
    assert lagging["reservoir.level_mm"] == pytest.approx(exact["reservoir.level_mm"], abs=0.01)


def test_measuring_changes_nothing():
    watched, alone = Plant({}, 4), Plant({}, 4)
    for _ in range(60):
        watched.step(10.0)
        watched.truth()
        alone.step(10.0)
    assert watched.state() == alone.state()


def test_state_goes_through_json_and_restores_to_the_last_bit():
    params = {"reservoir.water": "hard", "ph_up.stock": "koh_10pct"}
    plant = Plant(params, 5)
    run(plant, 1.0, step_s=7.0, circulation=1.0, light=0.4, ph_up=0.1)
    plant.set_param("air.co2_ppm", 900.0)
    state = json.loads(json.dumps(plant.state()))
    other = Plant(params, 5)
    other.restore(state)
    assert other.truth() == plant.truth()
    for one in (plant, other):
        run(one, 1.0, step_s=7.0, ph_up=0.0, top_off=1.0)
    assert other.truth() == plant.truth()
    assert other.state() == plant.state()


def test_the_seed_determines_the_weather():
    ends = [run(Plant({}, seed), 5.0)["air.temp_c"] for seed in (1, 1, 2)]
    assert ends[0] == ends[1] != ends[2]


@pytest.mark.parametrize(("key", "value"), [
    ("reservoir.colour", 1), ("reservoir.volume_ml", -1), ("reservoir.volume_ml", "much"),
    ("reservoir.volume_ml", True), ("reservoir.water", "sea"), ("ph_down.stock", 3),
    ("light.stuck", "half")])
def test_a_bad_parameter_is_refused_by_its_key(key, value):
    with pytest.raises(ValueError, match=key):
        Plant({key: value}, 1)
    with pytest.raises(ValueError, match=key):
        Plant({}, 1).set_param(key, value)


def test_bad_outputs_and_steps_are_refused():
    plant = Plant({}, 1)
    with pytest.raises(ValueError, match="disco"):
        plant.set_output("disco", 1.0)
    with pytest.raises(ValueError, match="light"):
        plant.set_output("light", 1.5)
    with pytest.raises(ValueError, match="forward"):
        plant.step(-1.0)


def test_every_parameter_accepts_its_own_default():
    for key in parameters.known():
        assert parameters.check(key, parameters.default(key)) == parameters.default(key)


# ------------------------------------------------------------------ crop and air

def test_growth_matches_van_henten():
    # vanhenten1994_two_state.csv: thesis 1994, 50 W/m2 PAR, 400 ppm, 20 C, LSODA.
    table = {5: (10.47, 4.0257), 10: (41.279, 18.815), 20: (61.718, 163.5),
             40: (28.407, 454.93)}
    nonstructural, structural = 0.5, 1.0
    for day in range(1, 41):
        for _ in range(1_440):
            made, grown = crop.growth(nonstructural, structural, 50.0, 400.0, 20.0)
            nonstructural += made * 60.0
            structural += grown * 60.0
        if day in table:
            expected = sum(table[day])
            assert nonstructural + structural == pytest.approx(expected, rel=0.005), day


def test_transpiration_rises_with_light_and_dry_air():
    dark = crop.transpiration_kg_m2_s(3.0, 0.0, 20.0, 1_500.0)
    lit = crop.transpiration_kg_m2_s(3.0, 250.0, 20.0, 1_500.0)
    dry = crop.transpiration_kg_m2_s(3.0, 250.0, 20.0, 1_000.0)
    assert 0.0 < dark < lit < dry
    assert crop.transpiration_kg_m2_s(0.0, 250.0, 20.0, 1_000.0) == 0.0


@pytest.mark.parametrize(("temp_c", "pressure"), [
    (5.0, 872.57), (15.0, 1_705.74), (25.0, 3_169.75)])
def test_saturation_pressure_is_that_of_iapws(temp_c, pressure):
    assert saturation_pa(temp_c) == pytest.approx(pressure, rel=0.005)


# ------------------------------------------------------------------ random numbers

def test_random_numbers_are_uniform_and_normal():
    rng = Rng(2)
    drawn = [rng.uniform(0.0, 1.0) for _ in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.01)
    normal = [rng.gauss(1.0) for _ in range(20_000)]
    assert sum(normal) / len(normal) == pytest.approx(0.0, abs=0.03)
    assert sum(x * x for x in normal) / len(normal) == pytest.approx(1.0, abs=0.05)
