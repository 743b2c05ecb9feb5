"""Tests of parts of the greenhouse: pumps and lines, the inlet pocket, oxygen, light."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idrosim.greenhouse import parameters
from idrosim.greenhouse.air import vapour_kg_m3
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.oxygen import saturation_mg_l

EXACT = {"ph_down.error_pct": 0.0, "ph_down.wear_pct_per_l": 0.0}


def pumped_ml(plant, seconds, name="ph_down"):
    """Run a pump for a time; return the delivered volume."""
    before_ml = plant.truth()[f"dosed.{name}_ml"]
    plant.set_output(name, 1.0)
    for _ in range(round(seconds * 10)):
        plant.step(0.1)
    plant.set_output(name, 0.0)
    return plant.truth()[f"dosed.{name}_ml"] - before_ml


def rest(plant, hours):
    for _ in range(round(60 * hours)):
        plant.step(60.0)


# ------------------------------------------------------------------ pumps, lines, bottles

def test_an_empty_line_must_be_filled_first():
    plant = Plant({**EXACT, "ph_down.line_ml": 3.0, "ph_down.air_ml": 3.0}, 1)
    assert pumped_ml(plant, 2.9) == 0.0
    assert pumped_ml(plant, 1.1) == pytest.approx(1.0)
    assert pumped_ml(plant, 1.0) == pytest.approx(1.0)


def test_after_an_empty_bottle_the_line_empties():
    plant = Plant({**EXACT, "ph_down.bottle_ml": 5.0, "ph_down.line_ml": 2.0}, 1)
    assert pumped_ml(plant, 6.0) == pytest.approx(6.0)
    assert pumped_ml(plant, 6.0) == pytest.approx(1.0)
    plant.set_param("ph_down.bottle_ml", 100.0)
    assert pumped_ml(plant, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert pumped_ml(plant, 2.0) == pytest.approx(2.0)


def test_a_bottle_changed_in_time_leaves_a_slug_of_air_in_the_line():
    plant = Plant({**EXACT, "ph_down.bottle_ml": 1.0, "ph_down.line_ml": 4.0}, 1)
    assert pumped_ml(plant, 2.0) == pytest.approx(2.0)  # one ml of air has followed
    plant.set_param("ph_down.bottle_ml", 100.0)
    assert pumped_ml(plant, 3.0) == pytest.approx(3.0)
    assert pumped_ml(plant, 1.0) == pytest.approx(0.0, abs=1e-9)
    assert pumped_ml(plant, 3.0) == pytest.approx(3.0)


def test_a_line_that_drains_back_when_idle_needs_priming_again():
    plant = Plant({**EXACT, "ph_down.drain_ml_per_h": 0.5, "ph_down.line_ml": 2.0,
                   "ph_down.bottle_ml": 100.0}, 1)
    assert pumped_ml(plant, 1.0) == pytest.approx(1.0)
    rest(plant, 3.0)
    assert pumped_ml(plant, 2.0) == pytest.approx(0.5, abs=1e-6)
    rest(plant, 24.0)
    assert pumped_ml(plant, 3.0) == pytest.approx(1.0, abs=1e-6)


def test_a_pump_drips_after_each_stop():
    plant = Plant({**EXACT, "ph_down.drip_ml": 0.05}, 1)
    assert pumped_ml(plant, 2.0) == pytest.approx(2.0)
    assert plant.is_dosing()
    for _ in range(6):
        plant.step(1.0)
    assert plant.truth()["dosed.ph_down_ml"] == pytest.approx(2.05)
    assert not plant.is_dosing()
    rest(plant, 1.0)
    assert plant.truth()["dosed.ph_down_ml"] == pytest.approx(2.05)


def test_a_tube_wears_with_the_pumped_volume():
    plant = Plant({"ph_down.error_pct": 0.0, "ph_down.wear_pct_per_l": 10.0}, 1)
    assert pumped_ml(plant, 1.0) == pytest.approx(1.0, rel=1e-3)
    pumped_ml(plant, 450.0)
    assert pumped_ml(plant, 1.0) == pytest.approx(1.0 - 0.1 * 0.44, rel=5e-3)
    assert pumped_ml(Plant({**EXACT, "ph_down.wear_pct_per_l": 0.014, "ph_down.worn_l": 1_000.0},
                           1), 1.0) == pytest.approx(0.86, rel=1e-3)


@pytest.mark.parametrize(("ratio", "ml"), [(0.0, 0.0), (0.5, 5.0)])
def test_a_line_is_blocked_and_a_pump_is_weak(ratio, ml):
    plant = Plant({**EXACT, "ph_down.effect_ratio": ratio}, 1)
    assert pumped_ml(plant, 10.0) == pytest.approx(ml)
    plant.set_param("ph_down.effect_ratio", 1.0)
    assert pumped_ml(plant, 1.0) == pytest.approx(1.0)


def test_a_tube_in_the_wrong_bottle_draws_from_it():
    plant = Plant({**EXACT, "ph_down.tube": "ph_up", "ph_down.line_ml": 0.0,
                   "ph_up.stock": "koh_10pct", "ph_up.bottle_ml": 10.0}, 1)
    start = plant.truth()["reservoir.ph"]
    assert pumped_ml(plant, 20.0) == pytest.approx(10.0)
    plant.set_output("circulation", 1.0)
    rest(plant, 1.0)
    assert plant.truth()["reservoir.ph"] > start + 0.1
    plant.set_param("ph_down.tube", "")
    assert pumped_ml(plant, 20.0) == pytest.approx(20.0)
    assert pumped_ml(plant, 5.0, "ph_up") == pytest.approx(2.0, abs=1e-9)  # its own line


EVENT = st.one_of(
    st.tuples(st.just("pump"), st.floats(0.05, 8.0)),
    st.tuples(st.just("refill"), st.floats(0.0, 9.0)),
    st.tuples(st.just("air"), st.floats(0.0, 4.0)),
    st.tuples(st.just("line"), st.floats(0.0, 4.0)),
    st.tuples(st.just("rest"), st.floats(0.0, 3.0)))


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, max_size=15))
def test_a_line_delivers_between_zero_and_the_pumped_volume(events):
    plant = Plant({**EXACT, "ph_down.bottle_ml": 6.0, "ph_down.line_ml": 2.0,
                   "ph_down.drain_ml_per_h": 0.2}, 1)
    doser = plant._dosers[0]
    filled_ml, dosed_ml = 6.0 + 2.0, 0.0
    for kind, size in events:
        if kind == "pump":
            got_ml = pumped_ml(plant, size)
            assert -1e-9 <= got_ml <= size + 0.1
            dosed_ml += got_ml
        elif kind == "refill":
            filled_ml += max(size - doser.bottle_ml, 0.0)
            plant.set_param("ph_down.bottle_ml", size)
        elif kind == "rest":
            rest(plant, size)
        else:
            filled_ml += 4.0 if kind == "line" else 0.0  # a longer line is full
            plant.set_param(f"ph_down.{kind}_ml", size)
    assert dosed_ml <= filled_ml + 1e-6
    assert doser.bottle_ml >= 0.0


# ------------------------------------------------------------------ the inlet pocket

def test_a_dose_shows_in_the_inlet_long_before_the_bulk():
    plant = Plant({"crop.area_m2": 0.0}, 1)
    plant.set_output("circulation", 1.0)
    rest(plant, 0.1)
    before = plant.truth()
    assert before["inlet.ph"] == before["reservoir.ph"]
    pumped_ml(plant, 5.0)
    dosed = plant.truth()
    assert dosed["inlet.ph"] < before["inlet.ph"] - 1.0
    assert dosed["reservoir.ph"] > before["reservoir.ph"] - 0.02
    rest(plant, 1.0)
    mixed = plant.truth()
    assert mixed["inlet.ph"] == mixed["reservoir.ph"] < before["reservoir.ph"] - 0.05


def test_without_circulation_the_dose_stays_in_the_inlet():
    plant = Plant({"crop.area_m2": 0.0}, 1)
    pumped_ml(plant, 5.0)
    rest(plant, 0.5)
    still = plant.truth()
    assert still["inlet.ph"] < still["reservoir.ph"] - 1.0
    plant.set_output("circulation", 1.0)
    rest(plant, 0.5)
    moved = plant.truth()
    assert moved["inlet.ph"] == pytest.approx(moved["reservoir.ph"], abs=0.02)


def test_measuring_the_inlet_changes_nothing():
    asked, alone = Plant({}, 4), Plant({}, 4)
    for plant in (asked, alone):
        plant.set_output("circulation", 1.0)
        pumped_ml(plant, 5.0)
    for _ in range(30):
        asked.step(10.0)
        asked.around()["inlet"]()
        alone.step(10.0)
    assert asked.state() == alone.state()
    assert asked.truth() == alone.truth()


@pytest.mark.parametrize(("stock", "low", "high"), [
    ("koh_10pct", 12.0, 13.9), ("hno3_10pct", 0.3, 1.5), ("h3po4_10pct", 0.8, 2.5)])
def test_a_whole_bottle_in_still_water_has_a_ph(stock, low, high):
    plant = Plant({"ph_down.stock": stock, "reservoir.volume_ml": 5_000.0,
                   "reservoir.pocket_ratio": 0.001, "circulation.stuck": "off"}, 1)
    for circulation in (0.0, 1.0):
        plant.set_param("circulation.stuck", "on" if circulation else "off")
        pumped_ml(plant, 240.0)
        assert low < plant.truth()["inlet.ph"] < high
        rest(plant, 3.0)
    assert 0.0 < plant.truth()["reservoir.ph"] < 14.0


def test_a_weak_circulation_mixes_slower():
    ratios = []
    for ratio in (1.0, 0.2):
        plant = Plant({"circulation.effect_ratio": ratio, "crop.area_m2": 0.0}, 1)
        plant.set_output("circulation", 1.0)
        pumped_ml(plant, 5.0)
        rest(plant, 0.1)
        truth = plant.truth()
        ratios.append(truth["reservoir.ph"] - truth["inlet.ph"])
    assert ratios[1] > 2.0 * ratios[0]


# ------------------------------------------------------------------ oxygen

def test_saturation_matches_benson_and_krause():
    # do_saturation.csv, mg/L at sea level; Standard Methods 4500-O for the rest.
    for temp_c, mg_l in ((0, 14.621), (10, 11.288), (20, 9.092), (25, 8.263), (30, 7.559),
                         (40, 6.413)):
        assert saturation_mg_l(temp_c) == pytest.approx(mg_l, abs=2e-3)
    sea_us_cm = 35.0 / 5.5e-4
    assert saturation_mg_l(20.0, sea_us_cm) == pytest.approx(7.38, rel=0.01)
    assert saturation_mg_l(25.0, 0.0, 845.0) == pytest.approx(6.85, abs=0.05)
    assert 0.985 < saturation_mg_l(20.0, 1_600.0) / saturation_mg_l(20.0) < 1.0


def oxygen_after(hours, circulation, **params):
    plant = Plant({"outside.swing_c": 0.0, "outside.noise_c": 0.0,
                   **{key.replace("__", "."): value for key, value in params.items()}}, 1)
    plant.set_output("circulation", circulation)
    rest(plant, hours)
    return plant.truth()


def test_a_circulated_tank_is_nearly_in_equilibrium_with_air():
    truth = oxygen_after(24.0, 1.0)
    ratio = truth["reservoir.do_mg_l"] / saturation_mg_l(truth["reservoir.temp_c"])
    assert 0.95 < ratio < 1.0


def test_roots_use_up_oxygen_in_still_water():
    large = {"crop__structural_g_m2": 150.0, "crop__area_m2": 1.2,
             "reservoir__volume_ml": 40_000.0}
    assert oxygen_after(4.0, 1.0, **large)["reservoir.do_mg_l"] > 6.0
    still = [oxygen_after(hours, 0.0, **large)["reservoir.do_mg_l"] for hours in (1, 3, 48)]
    assert still[0] > still[1] > still[2] > 0.0
    assert still[1] < 5.7
    stone = oxygen_after(48.0, 0.0, reservoir__air_stone_per_h=3.0, **large)
    assert stone["reservoir.do_mg_l"] > 7.0 > 2.0 > still[2]


def test_oxygen_hardly_depends_on_the_length_of_a_step():
    ends = []
    for step_s in (1.0, 60.0):
        plant = Plant({"crop.area_m2": 1.2, "crop.structural_g_m2": 150.0}, 1)
        for _ in range(round(7_200 / step_s)):
            plant.step(step_s)
        ends.append(plant.truth()["reservoir.do_mg_l"])
    assert ends[0] == pytest.approx(ends[1], abs=1e-3)


# ------------------------------------------------------------------ light, heat, water

def test_the_daily_light_integral_restarts_at_midnight():
    plant = Plant({"start.hour": 6.0}, 1)
    plant.set_output("light", 0.8)
    rest(plant, 16.0)
    assert plant.truth()["light.dli_mol_m2"] == pytest.approx(200.0 * 16 * 3_600 * 1e-6, rel=1e-3)
    plant.set_output("light", 0.0)
    rest(plant, 3.0)
    assert plant.truth()["light.dli_mol_m2"] == 0.0


def test_the_sun_adds_to_it():
    plant = Plant({"outside.ppfd_umol_m2_s": 500.0}, 1)
    rest(plant, 23.9)
    expected = 500.0 * 12 * 3_600 * 2.0 / math.pi * 1e-6
    assert plant.truth()["light.dli_mol_m2"] == pytest.approx(expected, rel=1e-3)


def test_evaporation_without_a_lid_cools_the_water():
    temps = []
    for ratio in (0.0, 1.0):
        plant = Plant({"reservoir.open_ratio": ratio, "outside.rh_pct": 20.0,
                       "crop.area_m2": 0.0}, 1)
        rest(plant, 24.0)
        temps.append(plant.truth()["reservoir.temp_c"])
    assert temps[1] < temps[0] - 0.3


def test_overflow_and_leaks_are_counted_separately():
    plant = Plant({"top_off.stuck": "on", "reservoir.leak_ml_per_h": 600.0,
                   "crop.area_m2": 0.0}, 1)
    rest(plant, 2.0)
    truth = plant.truth()
    assert truth["spilled_ml"] - truth["overflowed_ml"] == pytest.approx(1_200.0, rel=1e-3)
    assert truth["overflowed_ml"] > 30_000.0


@pytest.mark.parametrize("name", parameters.OUTPUTS)
def test_every_actuator_can_stick_and_be_weak(name):
    for key, values in ((".stuck", ("on", "off", "")), (".effect_ratio", (0.5, 0.0, 1.0))):
        plant = Plant({}, 1)
        for value in values:
            plant.set_param(name + key, value)
            plant.step(1.0)


def test_a_weak_lamp_and_valve():
    plant = Plant({"light.effect_ratio": 0.5, "top_off.effect_ratio": 0.1}, 1)
    plant.set_output("light", 1.0)
    plant.set_output("top_off", 1.0)
    plant.step(10.0)
    truth = plant.truth()
    assert truth["light.ppfd_umol_m2_s"] == pytest.approx(125.0)
    assert truth["topoff_ml"] == pytest.approx(10.0)


def air_after(hours=8.0, outputs=(), **params):
    """Return the truth of an empty, dark room after some hours at 10 C outside."""
    still = {"crop.area_m2": 0.0, "outside.temp_c": 10.0, "outside.swing_c": 0.0,
             "outside.noise_c": 0.0, "air.exchanges_per_h": 1.0, "reservoir.open_ratio": 0.0}
    plant = Plant(still | {key.replace("__", "."): value for key, value in params.items()}, 1)
    for name in outputs:
        plant.set_output(name, 1.0)
    for _ in range(round(hours * 360)):
        plant.step(10.0)
    return plant.truth()


def loss_w_k(exchanges_per_h):
    return 12.0 + exchanges_per_h / 3600.0 * 4.0 * 1.2 * 1005.0


def test_a_heater_warms_the_air_by_its_power_over_the_losses():
    assert air_after()["air.temp_c"] == pytest.approx(10.0, abs=0.01)
    for power_w in (100.0, 300.0):
        warm = air_after(outputs=("heater",), heater__power_w=power_w)
        assert warm["air.temp_c"] == pytest.approx(10.0 + power_w / loss_w_k(1.0), abs=0.05)
        assert warm["air.rh_pct"] < air_after()["air.rh_pct"]


def test_a_fan_changes_the_air():
    both = air_after(outputs=("heater", "fan"))
    assert both["air.temp_c"] == pytest.approx(10.0 + 300.0 / loss_w_k(61.0), abs=0.05)
    weak = air_after(outputs=("heater", "fan"), fan__effect_ratio=0.5)
    assert weak["air.temp_c"] == pytest.approx(10.0 + 300.0 / loss_w_k(31.0), abs=0.05)


def test_mist_is_in_the_air_and_cools_it():
    dry = {"outside.temp_c": 25.0, "outside.rh_pct": 30.0, "humidifier.g_per_h": 20.0}
    still, moist = air_after(**dry), air_after(outputs=("humidifier",), **dry)
    gained = vapour_kg_m3(moist["air.temp_c"], moist["air.rh_pct"]) - vapour_kg_m3(
        still["air.temp_c"], still["air.rh_pct"])
    assert gained == pytest.approx(0.020 / (1.0 * 4.0), rel=0.01)  # g/h into m3/h
    latent_w = 0.020 / 3600.0 * 2.45e6
    fall_c = still["air.temp_c"] - moist["air.temp_c"]
    assert fall_c == pytest.approx(latent_w / loss_w_k(1.0), rel=0.02)


def test_a_stuck_heater_and_a_dead_one():
    assert air_after(heater__stuck="on")["air.temp_c"] > 25.0
    for broken in ({"heater.stuck": "off"}, {"heater.effect_ratio": 0.0}):
        cold = air_after(outputs=("heater",), **broken)
        assert cold["air.temp_c"] == pytest.approx(10.0, abs=0.01)
