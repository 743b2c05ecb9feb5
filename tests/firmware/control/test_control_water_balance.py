"""Tests of detection of unexplained rises and falls of the level, and of false alarms."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.control.water_balance import FALLS, RISES, WaterBalance
from idro.protocol import settings
from support.dosing_waters import reading

VALUES = settings.check({"level.target_mm": 200, "level.full_mm": 240})
EVERY_MS = 10_000
MINUTE = 6  # cycles
RUNS = (False, True)
FILLS = (True, True)


class Tank:
    """A Balance and its level input, in cycles of 10 s."""

    def __init__(self, level_mm=200.0):
        self.balance = WaterBalance()
        self.level_mm = level_mm
        self.now_ms = 0
        self.changes = []

    def advance(self, minutes, mm_per_h=0.0, outputs_on=RUNS, noise=(0.0,)):
        for count in range(int(minutes * MINUTE)):
            self.level_mm += mm_per_h / 60 / MINUTE
            self.now_ms += EVERY_MS
            level = reading(self.level_mm + noise[count % len(noise)])
            if self.balance.update(level, outputs_on, VALUES, self.now_ms):
                self.changes.append(self.balance.state)
        return self

    def fill(self, minutes=2, mm_per_h=120):
        return self.advance(minutes, mm_per_h, FILLS)


def test_a_valve_stuck_open_is_detected():
    tank = Tank().advance(30).advance(6, 120)
    assert tank.changes == [RISES]
    assert 8 <= tank.balance.moved_mm <= 12
    assert tank.balance.dosing_hold().reason.code == "water_rises"


def test_a_bucket_holds_dosing_until_it_has_mixed():
    tank = Tank().advance(30)
    tank.level_mm += 20
    tank.advance(10)
    assert tank.changes == [RISES]
    tank.advance(10)
    assert tank.changes == [RISES, None]
    assert tank.balance.dosing_hold() is None
    tank.advance(600, -2)
    assert tank.changes == [RISES, None]


def test_above_the_full_mark_a_steady_level_does_not_end_it():
    tank = Tank().advance(30).advance(50, 120).advance(600)
    assert tank.changes == [RISES]
    tank.level_mm = 235
    tank.advance(1)
    assert tank.changes == [RISES, None]


def test_a_rise_interrupted_by_a_fill_is_one_rise():
    tank = Tank().advance(30)
    for _ in range(6):
        tank.advance(8, 30).fill(1)
    assert tank.changes == [RISES]


@pytest.mark.parametrize("mm_per_h", [0, -1, -7, -15])
def test_normal_uptake_and_refill_are_not_reported(mm_per_h):
    tank = Tank()
    for _ in range(40):
        tank.advance(12, mm_per_h).fill(1, -12 * mm_per_h)
    assert tank.changes == []


@pytest.mark.parametrize("off_minutes", [1, 5, 60])
def test_water_in_the_circulation_pipes_is_not_reported(off_minutes):
    tank = Tank()
    for _ in range(20):
        tank.level_mm -= 15
        tank.advance(15, outputs_on=(False, True))
        tank.level_mm += 15
        tank.advance(off_minutes, outputs_on=(False, False))
    assert tank.changes == []


def test_a_leak_is_reported_despite_repeated_refills():
    tank = Tank()
    for _ in range(20):
        tank.advance(6, -25).fill(1.5, 100)
    assert tank.changes == [FALLS]
    assert tank.balance.moved_mm == pytest.approx(25, abs=5)
    assert tank.balance.dosing_hold().reason.code == "water_falls"


def test_a_leak_is_refilled_for_at_most_ten_minutes():
    tank = Tank().advance(60, -25)
    assert tank.changes == [FALLS]
    assert tank.balance.filling_hold() is None
    tank.fill(11)
    assert tank.balance.filling_hold().reason.code == "tank_leaks"
    tank.advance(180)
    assert tank.changes == [FALLS, None]
    assert tank.balance.filling_hold() is None


def test_a_tank_drained_and_refilled_manually_is_steady_again():
    tank = Tank().advance(60).advance(5, -1_800).advance(30).advance(5, 1_800)
    tank.advance(60)
    assert tank.changes[-1] is None
    assert tank.balance.dosing_hold() is None


def test_levels_before_a_hold_are_discarded():
    tank = Tank().advance(30)
    tank.balance.clear()
    tank.level_mm += 30
    tank.advance(60)
    assert tank.changes == []


def test_an_unknown_level_is_ignored():
    tank = Tank().advance(30)
    tank.balance.update(reading("no_ack"), RUNS, VALUES, tank.now_ms)
    tank.level_mm += 30
    tank.advance(60)
    assert tank.changes == []


@given(st.lists(st.integers(-15, 15), min_size=8, max_size=8), st.integers(-8, 0))
def test_noise_of_the_probe_is_not_reported(noise, mm_per_h):
    tank = Tank().advance(180, mm_per_h, noise=[tenth / 10 for tenth in noise])
    assert tank.changes == []


@pytest.mark.parametrize("mm_per_h", [-3, -6, -10])
def test_high_uptake_in_whole_millimetres_is_not_a_leak(mm_per_h):
    for seed in range(8):
        rng = random.Random(seed)
        tank, is_filling = Tank(), False
        for _ in range(24 * 60 * MINUTE):
            tank.level_mm += (mm_per_h + 120 * is_filling) / 60 / MINUTE
            tank.now_ms += EVERY_MS
            seen_mm = round(tank.level_mm + rng.gauss(0, 0.3))
            is_filling = seen_mm < 200 if is_filling else seen_mm <= 198
            outputs_on = (is_filling, True)
            tank.balance.update(reading(seen_mm), outputs_on, VALUES, tank.now_ms)
            assert tank.balance.state is None
