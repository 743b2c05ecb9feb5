"""Tests of a correction and its neighbours: the tap, control and a further correction."""

import pytest

from idro.protocol.reason import Reason
from idro.safety.correction import MIN_STEP_UL, Correction
from support.fresh_fill import begin, fresh_fill


@pytest.fixture
def node(tmp_path):
    with fresh_fill(tmp_path) as rig:
        yield rig


def test_the_tap_stays_shut_during_a_correction(node):
    begin(node)
    node.read(level_mm=190)
    node.cycles(60)
    assert not node.outputs["top_off"].driver.is_on
    node.correction.end(Reason("ended_by", by="ann"))
    node.cycles(10)
    assert node.outputs["top_off"].driver.is_on


def two_steps(node):
    """Release two steps, of which the first acts twice as strongly as by the titration."""
    begin(node)
    node.read(ph=6.9)
    node.cycles(60)
    for ph in (6.9 - 2 * 30_000 / 330_000, 6.02):
        node.cycles(1, held_ms=1_000)
        node.read(ph=ph)
        node.cycles(60)
    node.correction.end(Reason("ended_by", by="ann"))


def test_a_further_correction_of_the_same_water_starts_with_a_fourth_of_its_need(node):
    two_steps(node)
    assert node.dosing._state.learned()[0] == pytest.approx(2_000, abs=50)
    node.read(ph=6.2)
    node.cycles(20)
    begin(node)
    node.cycles(60)
    ready = node.events_of("correction", state="ready")[-1]
    assert ready["next_ul"] == pytest.approx(0.5 * 0.2 * 330_000 / 4.0, rel=0.03)
    node.correction.end(Reason("ended_by", by="ann"))
    node.cycles(9 * 360)  # another fill
    begin(node)
    node.cycles(60)
    ready = node.events_of("correction", state="ready")[-1]
    assert ready["next_ul"] == pytest.approx(0.25 * 0.2 * 330_000, rel=0.01)


@pytest.mark.parametrize(("strength", "grows"), [(0.0, True), (0.9, True), (1.2, False)])
def test_a_further_correction_grows_after_one_step_no_stronger_than_the_titration(
        strength, grows):
    again = Correction("ph_down", 6_000, 100_000, 330_000, 0, known_pct=400)
    first_ul = again.step_ul(6_300, 100_000)
    again.record_step(6_300, first_ul, 0)
    second_ul = again.step_ul(6_300 - round(strength * 1_000 * first_ul / 330_000), 100_000)
    assert second_ul == (2 if grows else 1) * first_ul


def test_noise_of_one_reading_does_not_keep_the_steps_of_a_further_correction_small():
    again = Correction("ph_down", 6_000, 100_000, 330_000, 0, known_pct=400)
    steps_ul = []
    for value in (6_200, 6_240, 6_190, 6_240, 6_190):  # as much CO2 leaves as they neutralise
        steps_ul.append(again.step_ul(value, 100_000))
        again.record_step(value, steps_ul[-1], 0)
    assert steps_ul[-1] >= 1.5 * steps_ul[0]


@pytest.mark.parametrize(("known_pct", "from_milli_ph"), [(100, 6_300), (400, 6_400)])
def test_a_small_tank_gets_the_smallest_step_for_its_first(known_pct, from_milli_ph):
    tank = Correction("ph_down", 6_000, 1_000, 2_000, 0, known_pct=known_pct)
    assert tank.step_ul(from_milli_ph, 1_000) == MIN_STEP_UL
    assert tank.step_ul(from_milli_ph, MIN_STEP_UL - 1) == 0
    assert tank.step_ul(from_milli_ph - 10, 1_000) == 0  # it would be too much


@pytest.mark.parametrize(("doser", "sign"), [("ph_down", 1), ("ph_up", -1)])
def test_a_further_correction_grows_again_after_steps_that_were_strong(doser, sign):
    again = Correction(doser, 6_000, 100_000, 330_000, 0, known_pct=400)
    for distance in (500, 200, 200, 200):  # the first was stronger than the titration by far
        again.record_step(6_000 + sign * distance, 10_000, 0)
    assert again.step_ul(6_000 + sign * 200, 100_000) == 20_000


def test_one_step_of_a_further_correction_tells_near_the_target_only():
    for distance, growth in ((500, 2), (510, 1)):
        again = Correction("ph_down", 6_000, 1_000_000, 330_000, 0, known_pct=400)
        again.record_step(6_000 + distance, 5_000, 0)
        assert again.step_ul(6_000 + distance, 100_000) == growth * 5_000


def test_a_further_correction_far_off_grows_after_two_steps_only():
    again = Correction("ph_down", 6_000, 1_000_000, 330_000, 0, known_pct=400)
    first_ul = again.step_ul(7_500, 30_000)
    again.record_step(7_500, first_ul, 0)
    assert again.step_ul(7_500, 1_000_000) == first_ul
    again.record_step(7_500, first_ul, 60_000)
    assert again.step_ul(7_500, 1_000_000) == 2 * first_ul


def test_a_further_correction_of_ec_is_no_trial(node):
    node.read(ec_us_cm=1_200)
    begin(node, doser="nutrient_a", target=1_400)
    node.cycles(60)
    for ec_us_cm in (1_300, 1_385):
        node.cycles(1, held_ms=1_000)
        node.cycles(20)
        node.read(ec_us_cm=ec_us_cm)
        node.cycles(60)
    begin(node, doser="nutrient_a", target=1_600)
    node.cycles(60)
    ready = node.events_of("correction", state="ready")[-1]
    per_100 = node.settings.values["ec.ul_per_100_us_cm"]
    assert ready["next_ul"] == pytest.approx(min(30_000, 0.5 * 2.15 * per_100), rel=0.02)


def test_a_correction_lets_the_tap_replace_a_tenth_of_the_water(node):
    begin(node)
    node.read(level_mm=175)
    node.cycles(50)
    assert node.outputs["top_off"].driver.is_on
    node.read(level_mm=200)
    node.cycles(10)
    assert not node.outputs["top_off"].driver.is_on


def test_no_step_is_offered_that_is_too_short_for_the_pump(tmp_path):
    with fresh_fill(tmp_path, {"doser.ul_per_s": 5_000, "ph.down_ul_per_ph": 6_600}) as node:
        node.read(ph=6.2)  # a fourth of the need, 0.33 ml, takes 66 ms
        node.cycles(60)
        begin(node)
        node.cycles(60)
        assert node.events_of("correction", state="ready") == []
        assert node.events_of("correction")[-1]["reason"]["code"] == "too_small"
