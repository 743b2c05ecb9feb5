"""Tests of the simulated bed: conservation, floods, draining, overflow, drying and state."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.grow_bed import Bed
from idrosim.greenhouse.rng import Rng
from idrosim.probes import field_probes

EBB = {
    "bed.holds_ml": 18_000.0, "bed.drain_s": 300.0, "bed.wet_ml": 1_000.0, "bed.moist_min": 60.0,
    "irrigation.flow_ml_per_s": 100.0, "crop.area_m2": 0.0, "reservoir.open_ratio": 0.0,
}


def run(plant, seconds, step_s=10.0, **levels):
    for name, level in levels.items():
        plant.set_output(name, level)
    for _ in range(round(seconds / step_s)):
        plant.step(step_s)
    return plant.truth()


def test_a_plant_without_a_bed_has_none():
    plant = Plant({}, 1)
    truth = run(plant, 3_600, irrigation=1.0)
    assert truth["reservoir.volume_ml"] == pytest.approx(60_000.0, rel=0.01)
    assert not [key for key in truth if key.startswith(("bed.", "roots."))]
    assert "irrigated_ml" not in truth


def test_a_flood_fills_to_the_rim_and_drains_by_its_time():
    plant = Plant(EBB, 1)
    truth = run(plant, 900, irrigation=1.0)
    assert truth["bed.volume_ml"] == 18_000.0
    assert truth["reservoir.volume_ml"] == pytest.approx(42_000.0, abs=5.0)
    assert truth["irrigated_ml"] == pytest.approx(90_000.0)
    truth = run(plant, 300, irrigation=0.0)
    assert truth["bed.volume_ml"] == pytest.approx(18_000.0 * math.exp(-1.0), rel=1e-6)
    truth = run(plant, 3_600)
    assert truth["bed.volume_ml"] == 0.0
    assert truth["reservoir.volume_ml"] == pytest.approx(60_000.0, abs=20.0)


ACTS = st.lists(st.tuples(
    st.sampled_from(["irrigation", "circulation", "top_off", "ph_down"]),
    st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.01, 900.0)), max_size=20)


@settings(max_examples=40, deadline=None)
@given(ACTS, st.integers(0, 1_000), st.floats(0.0, 1.0))
def test_tank_and_bed_conserve_mass(acts, seed, lost_ratio):
    plant = Plant({**EBB, "top_off.flow_ml_per_s": 0.0, "ph_down.stock": "water",
                   "bed.lost_ratio": lost_ratio, "reservoir.heater_w": 20.0}, seed)
    tank, bed = plant.reservoir, plant._bed
    before = [a + b for a, b in zip(tank.moles, tank.taken, strict=True)]
    for name, level, dt_s in acts:
        plant.set_output(name, level)
        plant.step(dt_s)
    truth = plant.truth()
    for ion in range(10):
        there = tank.moles[ion] + tank.pocket[ion] + tank.taken[ion] + bed.moles[ion]
        assert there == pytest.approx(before[ion], rel=1e-9, abs=1e-12)
    volume_ml = tank.volume_ml + bed.volume_ml + tank.spilled_ml + tank.evaporated_ml
    assert volume_ml == pytest.approx(60_000.0 + truth["dosed.ph_down_ml"], rel=1e-9)
    assert min(tank.moles) >= 0.0
    assert min(bed.moles) >= 0.0
    assert 0.0 <= bed.volume_ml <= 18_000.0


def test_a_pump_above_the_water_lifts_air():
    plant = Plant({**EBB, "reservoir.volume_ml": 5_000.0}, 1)
    truth = run(plant, 60, irrigation=1.0)
    assert truth["irrigated_ml"] == 0.0
    assert plant.around()["irrigated_ml"] == 0.0


def test_a_flood_ends_at_the_intake():
    plant = Plant({**EBB, "reservoir.volume_ml": 8_000.0}, 1)
    truth = run(plant, 900, irrigation=1.0)
    assert 5_990.0 < truth["reservoir.volume_ml"] < 6_500.0


@pytest.mark.parametrize(("stuck", "level", "lifted"), [
    ("on", 0.0, True), ("off", 1.0, False), ("", 1.0, True), ("", 0.0, False),
])
def test_a_stuck_pump_ignores_its_level(stuck, level, lifted):
    plant = Plant({**EBB, "irrigation.stuck": stuck}, 1)
    assert (run(plant, 60, irrigation=level)["irrigated_ml"] > 0.0) is lifted


def test_roots_dry_by_the_minute_and_wilt():
    plant = Plant({**EBB, "crop.area_m2": 0.4, "start.hour": 12.0}, 1)
    truth = run(plant, 900, irrigation=1.0, light=1.0, circulation=1.0)
    assert truth["roots.dry_min"] == 0.0
    assert truth["roots.moisture_pct"] == 100.0
    wet_s = 300.0 * math.log(18.0)
    truth = run(plant, 1_800, irrigation=0.0)
    assert truth["roots.dry_min"] == pytest.approx((1_800.0 - wet_s) / 60.0, abs=0.01)
    assert 60.0 < truth["roots.moisture_pct"] < 80.0
    drunk_ml = truth["transpired_ml"]
    truth = run(plant, 7_200)
    assert truth["roots.moisture_pct"] == 0.0
    wilted_ml = truth["transpired_ml"]
    assert wilted_ml > drunk_ml
    assert run(plant, 3_600)["transpired_ml"] == pytest.approx(wilted_ml, abs=0.1)
    assert run(plant, 600, irrigation=1.0)["roots.moisture_pct"] == 100.0
    assert run(plant, 600)["transpired_ml"] > wilted_ml + 1.0


def test_an_overflowing_channel_wets_the_floor():
    plant = Plant({**EBB, "bed.lost_ratio": 0.1}, 1)
    truth = run(plant, 900, irrigation=1.0)
    assert 5_000.0 < truth["spilled_ml"] < 9_000.0


def test_a_bed_is_restored_to_the_last_bit():
    plant = Plant(EBB, 3)
    run(plant, 130, irrigation=1.0)
    state = json.loads(json.dumps(plant.state()))
    other = Plant(EBB, 3)
    other.restore(state)
    assert run(plant, 777, 7.0, irrigation=0.0) == run(other, 777, 7.0, irrigation=0.0)


def test_the_lifted_volume_is_known_between_water_steps():
    plant = Plant({**EBB, "bed.holds_ml": 500.0, "bed.drain_s": 5.0}, 1)
    run(plant, 600, irrigation=1.0, circulation=1.0)
    seen_ml = []
    for _ in range(30):
        plant.step(1.0)
        seen_ml.append(plant.around()["irrigated_ml"])
    steps = [b - a for a, b in zip(seen_ml, seen_ml[1:], strict=False)]
    assert steps == [pytest.approx(100.0, rel=1e-6)] * 29


def test_a_bed_at_rest_costs_no_steps():
    bed = Bed(Plant(EBB, 1)._params)
    assert bed.pace_s() > 1e6


# ------------------------------------------------------------------ readings

def test_a_meter_counts_the_flow_in_its_line():
    probe = field_probes.FlowProbe({"probe.flow.noise_ratio": 0.0}, Rng(1))
    probe.line = "irrigated_ml"
    turned = []
    probe.turn = turned.append
    for irrigated_ml in (0.0, 100.0, 100.0, 250.0):
        probe.step(1.0, {"irrigated_ml": irrigated_ml, "topoff_ml": 9_999.0})
    assert turned == [pytest.approx(100.0), pytest.approx(150.0)]


def test_a_float_on_the_floor_is_lifted_by_a_puddle():
    probe = field_probes.FloatProbe({}, Rng(1))
    probe.is_on_floor = True
    for spilled_ml, is_up in ((0.0, False), (2_000.0, False), (2_001.0, True)):
        probe.step(1.0, {"reservoir.level_mm": 300.0, "spilled_ml": spilled_ml})
        assert probe.is_up is is_up
