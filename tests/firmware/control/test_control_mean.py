"""Tests of the mean by which control sees pH."""

import random

import pytest

from idro.control.dosing_state import DosingState
from support.dosing_waters import reading, verdict, water


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


@pytest.mark.parametrize("drift_per_h", [-0.3, 0.3])
def test_a_drift_as_fast_as_that_of_hard_water_is_no_pour(drift_per_h):
    memory, noise = DosingState(), random.Random(1)
    for now_ms in range(0, 10_800_000, 10_000):
        ph = 6.0 + drift_per_h * now_ms / 3_600_000 + noise.gauss(0.0, 0.01)
        verdict(memory, water(ph=ph), now_ms)
        assert memory.ph.pour_left_ms(now_ms, 900_000) == 0
