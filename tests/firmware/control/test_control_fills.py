"""Tests of what fills do to pH, and of the mean by which control sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.protocol.reason import Reason
from support.dosing_waters import VALUES, reading, verdict, water


def decide(state, memory, now_ms):
    return dosing.decide(
        state, VALUES, memory, now_ms, lambda _: (10_000, Reason("max_dose", volume_ul=10_000)))


def filled(*moves, ph=5.8):
    """Return a state after fills that moved pH, and the time."""
    memory, now_ms = DosingState(), 0
    for moved in moves:
        verdict(memory, water(ph=ph), now_ms)
        for filling in (True, True):
            verdict(memory, water(ph=ph + moved, is_filling=filling), now_ms)
        verdict(memory, water(ph=ph + moved, mixing_left_ms=1), now_ms + 10_000)
        verdict(memory, water(ph=ph + moved), now_ms + 900_000)
        now_ms += 7_200_000
        memory.invalidate()
    return memory, now_ms


def test_where_fills_raise_ph_it_is_kept_lower_by_half_of_that():
    memory, now_ms = filled(*[0.08] * 20)
    assert memory.ph.moved_by_fill == pytest.approx(0.08, abs=0.001)
    assert decide(water(ph=5.97), memory, now_ms)[1].reason.code == "ph_watched"
    assert decide(water(ph=5.955), memory, now_ms)[1].reason.code == "ph_in_band"
    assert decide(water(ph=5.57), memory, now_ms)[1].reason == Reason(
        "ph_in_band", milli_ph=5_570, target_milli_ph=5_800)


@given(st.lists(st.floats(-7.0, 7.0), max_size=30))
def test_fills_never_move_the_aim_by_more_than_half_of_the_dead_band(moves):
    memory, now_ms = filled(*moves)
    assert abs(memory.ph.moved_by_fill) <= 0.3
    for ph in (6.11, 5.49):
        assert decide(water(ph=ph), memory, now_ms)[1].reason.code != "ph_in_band"
    for ph in (5.85, 5.75):
        assert decide(water(ph=ph), memory, now_ms)[1].reason.code == "ph_in_band"


def test_a_calibration_between_a_fill_and_its_reading_teaches_nothing():
    memory = DosingState()
    verdict(memory, water(ph=5.8), 0)
    verdict(memory, water(ph=5.8, is_filling=True), 10_000)
    memory.recalibrated()
    verdict(memory, water(ph=6.0), 900_000)
    assert memory.ph.moved_by_fill == 0.0


@pytest.mark.parametrize("glitch", [13.0, 11.0, 2.0, 1.0])
def test_a_glitch_of_the_probe_leaves_no_mean_that_looks_credible(glitch):
    memory = DosingState()
    for now_ms in range(0, 100_000, 10_000):
        verdict(memory, water(ph=5.8), now_ms)
    for now_ms in range(100_000, 160_000, 10_000):
        verdict(memory, water(ph=glitch), now_ms)
        assert memory.ph.steady(reading(glitch)).value == glitch
    verdict(memory, water(ph=5.8), 160_000)
    assert memory.ph.steady(reading(5.8)).value == 5.8


def test_water_that_someone_corrected_is_seen_at_once():
    memory = DosingState()
    for now_ms in range(0, 100_000, 10_000):
        verdict(memory, water(ph=6.15), now_ms)
    verdict(memory, water(ph=5.65), 100_000)
    assert memory.ph.steady(reading(5.65)).value == 5.65


def test_a_fill_without_a_reading_before_it_teaches_nothing():
    memory = DosingState()
    verdict(memory, water(ph=5.8, is_filling=True), 0)
    verdict(memory, water(ph=6.0), 900_000)
    assert memory.ph.moved_by_fill == 0.0


def test_control_sees_the_mean_of_mixed_water():
    memory = DosingState()
    for index in range(20):
        verdict(memory, water(ph=5.8 + 0.04 * (-1) ** index), index * 10_000)
    assert memory.ph.steady(reading(5.5)).value == pytest.approx(5.8, abs=0.02)
    assert memory.ph.steady(reading("flat")).fault == "flat"
    verdict(memory, water(ph=6.3, mixing_left_ms=1), 210_000)
    assert memory.ph.steady(reading(6.3)).value == 6.3
    verdict(memory, water(ph=6.2), 220_000)
    assert memory.ph.steady(reading(6.2)).value == 6.2
