"""Tests of the clocks of a node: uptime across tick wrap-around, wall time, time of day."""

import asyncio
from types import SimpleNamespace

import pytest

from idro.app import clock as module
from idro.app.clock import Clock
from idro.app.persistent_state import PersistentState
from support.safety_rig import Nvs, Rtc

PERIOD = 1 << 30
DAY_MS = 86_400_000
NOON_UNIX_MS = 1_760_011_200_000  # 2025-10-09 12:00 UTC


class Ticks:
    """time.ticks_ms and ticks_diff of a board: they wrap at 2^30 ms."""

    def __init__(self, at=0):
        self.at = at

    def ticks_ms(self):
        return self.at % PERIOD

    @staticmethod
    def ticks_diff(later, earlier):
        return (later - earlier + PERIOD // 2) % PERIOD - PERIOD // 2


@pytest.fixture
def ticks(monkeypatch):
    ticks = Ticks()
    monkeypatch.setattr(
        module, "time", SimpleNamespace(ticks_ms=ticks.ticks_ms, ticks_diff=ticks.ticks_diff)
    )
    return ticks


@pytest.mark.parametrize("first", [0, 1, PERIOD - 1, PERIOD - 5_000, 123_456_789])
def test_uptime_starts_at_0_and_never_wraps_or_jumps(ticks, first):
    ticks.at = first
    clock = Clock()
    assert clock.now_ms() == 0
    for hours in range(1, 24 * 40):
        ticks.at = first + hours * 3_600_000
        assert clock.now_ms() == hours * 3_600_000
    assert clock.now_ms() > 3 * PERIOD


def test_uptime_is_correct_after_six_days_without_a_call(ticks):
    clock = Clock()
    for days in range(6, 60, 6):
        ticks.at = days * DAY_MS
        assert clock.now_ms() == days * DAY_MS


def test_repeated_calls_at_the_wrap_count_time_once(ticks):
    ticks.at = PERIOD - 2
    clock = Clock()
    seen = []
    for step in range(5):
        ticks.at = PERIOD - 2 + step
        seen += [clock.now_ms(), clock.now_ms()]
    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_wall_time_is_none_until_it_is_set(ticks):
    clock = Clock()
    assert clock.unix_ms() is None
    assert clock.boot_unix_ms is None
    assert clock.quality == "none"


def test_the_host_sets_wall_time_and_small_steps_are_silent(ticks):
    clock = Clock()
    ticks.at = 60_000
    assert clock.set_from_host(NOON_UNIX_MS) == 0
    assert clock.quality == "host"
    assert clock.boot_unix_ms == NOON_UNIX_MS - 60_000
    ticks.at = 120_000
    for off_ms in (0, 1_999, 2_000, -2_000):
        assert clock.set_from_host(NOON_UNIX_MS + 60_000 + off_ms) is None
        assert clock.unix_ms() == NOON_UNIX_MS + 60_000
    assert clock.set_from_host(NOON_UNIX_MS + 62_001) == 2_001
    assert clock.unix_ms() == NOON_UNIX_MS + 62_001


def test_a_delayed_host_message_does_not_set_the_clock_back(ticks):
    clock = Clock()
    clock.set_from_host(NOON_UNIX_MS)
    ticks.at += 100_000
    for waited_ms in (2_500, 30_000, 59_999):
        assert clock.set_from_host(NOON_UNIX_MS + 100_000 - waited_ms) is None
    assert clock.unix_ms() == NOON_UNIX_MS + 100_000
    assert clock.set_from_host(NOON_UNIX_MS + 30_000) == -70_000


@pytest.mark.parametrize("by_ms", [-315_360_000_000, -3_600_000, 3_600_000, 315_360_000_000])
def test_a_jump_of_host_time_moves_wall_time_but_not_uptime(ticks, by_ms):
    clock = Clock()
    clock.set_from_host(NOON_UNIX_MS)
    ticks.at = 60_000
    assert clock.set_from_host(NOON_UNIX_MS + 60_000 + by_ms) == by_ms
    assert clock.now_ms() == 60_000
    ticks.at = 61_000
    assert clock.now_ms() == 61_000
    assert clock.unix_ms() == NOON_UNIX_MS + 61_000 + by_ms


def test_wall_time_is_monotonic_between_host_messages(ticks):
    clock = Clock()
    clock.set_from_host(NOON_UNIX_MS)
    last = clock.unix_ms()
    for step in range(1, 2_000):
        ticks.at = step * 10_000
        clock.set_from_host(NOON_UNIX_MS + ticks.at + (-1) ** step * (step % 2_000))
        assert clock.unix_ms() > last
        last = clock.unix_ms()


def test_a_restored_time_is_provisional_and_dates_no_record(ticks):
    rtc, nvs = Rtc(), Nvs()
    before = Clock()
    kept = PersistentState(rtc, nvs, before)
    before.set_from_host(NOON_UNIX_MS)
    ticks.at = 30_000
    kept.save(0)

    ticks.at = 7  # a reset restarts the ticks at 0
    after = Clock()
    PersistentState(rtc, nvs, after)
    assert after.quality == "kept"
    assert after.boot_unix_ms is None
    assert after.unix_ms() == NOON_UNIX_MS + 30_000
    ticks.at = 1_007
    assert after.unix_ms() == NOON_UNIX_MS + 31_000
    assert after.set_from_host(NOON_UNIX_MS + 32_500) == 1_500  # reported even if small
    assert after.quality == "host"
    assert after.boot_unix_ms == NOON_UNIX_MS + 31_500


def test_the_second_of_the_day_is_local(ticks):
    clock = Clock()
    clock.set_from_host(NOON_UNIX_MS)
    assert clock.second_of_day(0) == 43_200
    assert clock.second_of_day(120) == 50_400
    assert clock.second_of_day(-720) == 0
    assert clock.second_of_day(840) == 7_200


def test_without_wall_time_the_day_continues_from_the_last_second(ticks):
    ticks.at = 5_000
    clock = Clock()
    clock.start_day_at(86_390)
    assert clock.second_of_day(60) == 86_390
    ticks.at = 14_999
    assert clock.second_of_day(60) == 86_399
    ticks.at = 15_000
    assert clock.second_of_day(60) == 0
    ticks.at = 15_000 + 40 * DAY_MS
    for days in range(41):
        ticks.at = 15_000 + days * DAY_MS
        assert clock.second_of_day(0) == 0


def test_host_time_replaces_the_restored_time_of_day(ticks):
    clock = Clock()
    clock.start_day_at(0)
    clock.set_from_host(NOON_UNIX_MS)
    assert clock.second_of_day(0) == 43_200


def test_other_tasks_run_while_it_sleeps(monkeypatch, ticks):
    slept = []

    async def sleep_ms(duration_ms):
        slept.append(duration_ms)

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep_ms=sleep_ms))
    asyncio.run(Clock().sleep_ms(250))
    assert slept == [250]
