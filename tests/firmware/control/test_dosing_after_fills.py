"""Tests of dosing around fills: the dead band that they narrow, and which loop comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.protocol.reason import Reason
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, verdict, watched_verdict, water

FULL = (10_000, Reason("max_dose", volume_ul=10_000))
LATER_MS = 10_000_000


def decide(state, memory):
    return dosing.decide(state, VALUES, memory, LATER_MS, lambda _actuator: FULL)


def watched(ph):
    """Return a state that knows that pH does not drift."""
    memory = DosingState()
    for now_ms in range(0, 1_230_000, 30_000):
        verdict(memory, water(ph=ph), now_ms)
    return memory


def fill(memory, before, after, *, between=lambda _memory: None):
    """Fill the tank with water that moves pH."""
    for _ in range(10):
        verdict(memory, water(ph=before), 1_200_000)
    verdict(memory, water(ph=before, is_filling=True), 1_230_000)
    between(memory)
    verdict(memory, water(ph=after, mixing_left_ms=30_000), 1_260_000)
    verdict(memory, water(ph=after), 1_290_000)


def dead_band(memory, towards):
    """Return how far pH may be off, in hundredths; `towards` is 1 for a high pH, -1 for a low."""
    memory.correcting = "ph_down" if towards > 0 else "ph_up"
    for hundredths in range(1, 30):
        state = water(ph=5.8 + towards * hundredths / 100)
        if decide(state, memory)[1].reason.code != "ph_in_band":
            return hundredths - 1
    raise AssertionError("pH is never dosed")


def test_fills_that_raise_ph_narrow_the_dead_band_above_the_target():
    memory = watched(5.8)
    usual = dead_band(memory, 1)
    for _ in range(10):
        fill(memory, 5.8, 5.9)
    assert memory.fill_rise == pytest.approx(0.1, abs=0.01)
    assert dead_band(memory, 1) == usual - 7
    assert dead_band(memory, -1) == usual


def test_fills_that_lower_ph_narrow_it_below_the_target():
    memory = watched(5.8)
    usual = dead_band(memory, -1)
    for _ in range(10):
        fill(memory, 5.8, 5.7)
    assert dead_band(memory, -1) == usual - 7
    assert dead_band(memory, 1) == usual


@given(st.lists(st.floats(-7.0, 7.0), max_size=20))
def test_no_fill_widens_the_dead_band_or_closes_it(moves):
    memory = watched(5.8)
    usual = dead_band(memory, 1)
    for moved in moves:
        fill(memory, 5.8, 5.8 + moved)
    for towards in (1, -1):
        assert 0.3 * usual - 1 <= dead_band(memory, towards) <= usual
    assert abs(memory.fill_rise) <= 0.3


def test_one_fill_after_which_someone_poured_acid_counts_a_third():
    memory = watched(5.8)
    fill(memory, 5.8, 4.5)
    assert memory.fill_rise == pytest.approx(-0.09)


def test_a_fill_with_a_dose_by_hand_is_not_measured():
    memory = watched(5.8)
    by_hand = Actuation("ph_down", 4_000, 4_000, 0, None)
    fill(memory, 5.8, 5.5, between=lambda state: state.record_manual_dose(by_hand, VALUES))
    assert memory.fill_rise == 0.0


def test_a_fill_into_unmixed_water_is_not_measured():
    memory = DosingState()
    verdict(memory, water(ph=5.8, mixing_left_ms=60_000), 0)
    verdict(memory, water(ph=5.8, is_filling=True), 30_000)
    verdict(memory, water(ph=6.1), 1_290_000)
    assert memory.fill_rise == 0.0


def test_fills_narrow_no_dead_band_but_in_the_direction_of_the_last_dose():
    # Where base holds pH against the crop, acid after each fill would only be undone.
    memory = watched(5.8)
    for _ in range(10):
        fill(memory, 5.8, 5.95)
    memory.correcting = "ph_up"
    assert decide(water(ph=5.98), memory)[1].reason.code == "ph_in_band"


@pytest.mark.parametrize(("shortest_ul", "is_given"), [(1_760, True), (1_840, False)])
def test_within_the_usual_dead_band_the_shortest_dose_does_not_reach_the_target(
        shortest_ul, is_given):
    memory = watched(5.9)
    memory.correcting, memory.fill_rise = "ph_down", 0.2
    ul_per_ph = VALUES["ph.down_ul_per_ph"] / memory.ph.response.upper_bound("ph_down")
    assert 0.1 * ul_per_ph == pytest.approx(2_000)
    values = {**VALUES, "doser.ul_per_s": 5 * shortest_ul}
    _, ph = dosing.decide(water(ph=5.9), values, memory, 1_200_000, lambda _actuator: FULL)
    assert (ph.actuator == "ph_down") == is_given
    assert is_given or ph.reason.values["why"].code == "small_dose"


@pytest.mark.parametrize("what", ["calibration", "dose"])
def test_a_fill_before_a_calibration_or_a_dose_is_not_measured(what):
    def between(memory):
        if what == "calibration":
            memory.recalibrated()
        else:  # B that was owed does not wait for the fill to mix
            dose = Actuation("nutrient_b", 4_000, 4_000, 0, None)
            memory.record_dose(dose, water(), VALUES, 1_240_000)
    memory = watched(5.8)
    fill(memory, 5.8, 5.5, between=between)
    assert memory.fill_rise == 0.0


@pytest.mark.parametrize(("ph", "ec_us_cm", "first"), [
    (6.6, 1_200, "ph_down"),  # 4.0 and 5.0 dead bands
    (6.6, 900, "nutrient_a"),  # 4.0 and 8.75
    (5.0, 1_500, "nutrient_a"),  # which would undo base
])
def test_where_fills_raise_ph_a_high_ph_begins_unless_ec_is_twice_as_far_off(ph, ec_us_cm, first):
    memory, state = watched(5.8), water(ph=ph, ec=ec_us_cm)
    assert decide(state, memory)[0].actuator == "nutrient_a"
    fill(memory, 5.8, 5.9)
    ec, held = decide(state, memory)
    assert (ec.actuator or held.actuator) == first


def test_a_fill_after_every_dose_starves_no_loop():
    memory, state, given = watched(5.8), water(ph=7.5, ec=1_500), []
    for _ in range(6):
        fill(memory, 5.8, 5.9)
        ec, ph = decide(state, memory)
        name = ec.actuator or ph.actuator
        for one in ("nutrient_a", "nutrient_b") if name == "nutrient_a" else (name,):
            memory.record_dose(Actuation(one, 3_000, 3_000, 0, None), state, VALUES, LATER_MS)
        given.append(name)
    assert given == ["ph_down", "nutrient_a"] * 3


def test_the_turn_is_forgotten_once_ec_is_in_band():
    memory, state = watched(5.8), water(ph=7.5, ec=1_500)
    fill(memory, 5.8, 5.9)
    memory.record_dose(Actuation("ph_down", 3_000, 3_000, 0, None), state, VALUES, LATER_MS)
    assert decide(state, memory)[0].actuator == "nutrient_a"
    decide(water(ph=7.5), memory)
    assert decide(state, memory)[1].actuator == "ph_down"


def dosed_between_fills(move, fill_move, doses=40):
    """Dose acid where pH is off, with a fill after each dose that has mixed; return the verdict,
    pH and the number of doses."""
    memory, ph, now_ms = DosingState(), 6.6, 0
    for count in range(doses):
        dose = Actuation("ph_down", 3_000, 3_000, 0, None)
        memory.record_dose(dose, water(ph=ph), VALUES, now_ms)
        ph += move
        for _ in range(2):
            now_ms += 900_000
            found = watched_verdict(memory, water(ph=ph), now_ms)
            if found:
                return found, ph, count + 1
        verdict(memory, water(ph=ph, is_filling=True), now_ms)
        ph += fill_move
        now_ms += 900_000
        verdict(memory, water(ph=ph), now_ms)
    return None, ph, doses


@pytest.mark.parametrize(("rise", "code"), [
    (0.0, "ph_high_returns"), (0.02, "ph_high_returns"), (0.1, "ph_high_dose")])
def test_where_fills_raise_ph_no_drift_is_waited_for(rise, code):
    memory = DosingState()
    for now_ms in range(0, 7_200_000, 30_000):
        verdict(memory, water(ph=6.2 - 0.12 * now_ms / 7_200_000), now_ms)
    memory.fill_rise = rise
    _, ph = dosing.decide(water(ph=6.08), VALUES, memory, 7_200_000, lambda _actuator: FULL)
    assert ph.reason.code == code


def test_base_in_the_bottle_of_acid_latches_where_each_dose_is_followed_by_a_fill():
    found, ph, count = dosed_between_fills(0.1, -0.02)
    assert (found, count) == ("wrong_way", 2)
    assert ph < 7.0


@pytest.mark.parametrize("move", [0.0, -0.014])
def test_a_dead_pump_latches_where_each_dose_is_followed_by_a_fill(move):
    found, _, count = dosed_between_fills(move, 0.1)
    assert found == "no_effect"
    assert count <= 6


def test_acid_that_works_against_the_fills_of_hard_water_does_not_latch():
    for move in (-0.07, -0.03):
        assert dosed_between_fills(move, -move) == (None, pytest.approx(6.6), 40)


def dosed_once(memory, ph, moved, now_ms):
    """Give acid that moves pH; return the verdict once it has mixed, and the time."""
    dose = Actuation("ph_down", 4_800, 4_800, 0, None)  # 0.12 pH by the titration
    memory.record_dose(dose, water(ph=ph), VALUES, now_ms)
    verdict(memory, water(ph=ph + moved, mixing_left_ms=1), now_ms + 899_999)
    return watched_verdict(memory, water(ph=ph + moved), now_ms + 900_000), now_ms + 900_000


def test_doses_that_clearly_worked_forgive_those_before_them():
    # Someone poured base twice, hours apart: the bottle of acid is not a swapped one.
    memory, ph, now_ms = DosingState(), 6.6, 0
    for moved in (0.15, -0.12, 0.15):
        found, now_ms = dosed_once(memory, ph, moved, now_ms)
        assert found is None
        ph += moved
        verdict(memory, water(ph=ph, is_filling=True), now_ms)
        now_ms += 900_000
        verdict(memory, water(ph=ph), now_ms)


def test_doses_that_a_watch_has_not_excused_are_not_forgiven_by_one_before_a_fill():
    memory = DosingState()
    memory.ph.verification.restore_watch(2, 0)  # after a reset
    memory.record_dose(Actuation("ph_down", 4_800, 4_800, 0, None), water(ph=6.6), VALUES, 0)
    memory.ph.verification.drop_worked(6.48, 900_000)
    assert memory.ph.verification.watch_state == 2
