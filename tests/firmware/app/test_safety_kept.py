"""Tests of state that survives a reset: clocks, reset counter, rejection of damaged data
(hazards H7 and H19)."""

import random

import pytest

from idro.app.persistent_state import PLANNED, PersistentState, save_error
from support.safety_rig import Nvs, Rtc

HOUR_MS = 3_600_000


class Clock:
    """Uptime of one boot, and the restored wall time."""

    def __init__(self):
        self.at_ms = 0
        self.epoch_ms = None
        self.day_at = None

    def now_ms(self):
        return self.at_ms

    def unix_ms(self):
        return None if self.epoch_ms is None else self.epoch_ms + self.at_ms

    def restore(self, unix_ms):
        self.epoch_ms = unix_ms - self.at_ms

    def start_day_at(self, second_of_day):
        self.day_at = second_of_day


class Board:
    def __init__(self):
        self.rtc, self.nvs = Rtc(), Nvs()
        self.reset()

    def reset(self, power_cut=False):
        if power_cut:
            self.rtc = Rtc()
        self.clock = Clock()
        self.kept = PersistentState(self.rtc, self.nvs, self.clock)

    def run(self, duration_ms, second_of_day=0):
        end_ms = self.clock.at_ms + duration_ms
        while self.clock.at_ms < end_ms:
            self.clock.at_ms += 10_000
            self.kept.save(second_of_day)


@pytest.fixture
def board():
    return Board()


def test_chained_uptime_continues_across_a_reset(board):
    board.run(HOUR_MS)
    board.reset()
    assert board.kept.chain_ms() == HOUR_MS
    assert board.kept.had_rtc


def test_after_a_power_cut_chained_uptime_lags_at_most_ten_minutes(board):
    board.run(HOUR_MS + 590_000)
    board.reset(power_cut=True)
    assert HOUR_MS <= board.kept.chain_ms() <= HOUR_MS + 590_000
    assert not board.kept.had_rtc


def test_chained_uptime_never_leads_after_many_power_cuts(board):
    randomness = random.Random(3)
    lived_ms = 0
    for _ in range(200):
        stay_ms = randomness.randrange(1, 200) * 10_000
        board.run(stay_ms)
        lived_ms += stay_ms
        board.reset(power_cut=randomness.random() < 0.5)
        assert board.kept.chain_ms() <= lived_ms


def test_chained_uptime_is_raised_to_the_last_timestamp(board):
    board.kept.raise_to(5_000_000)
    assert board.kept.chain_ms() == 5_000_000
    board.kept.raise_to(4_000_000)
    assert board.kept.chain_ms() == 5_000_000


def test_wall_time_survives_a_reset_and_a_power_cut(board):
    board.clock.epoch_ms = 1_760_000_000_000
    board.run(HOUR_MS)
    board.reset()
    assert board.clock.unix_ms() == 1_760_000_000_000 + HOUR_MS
    board.run(HOUR_MS)
    board.reset(power_cut=True)
    assert board.clock.unix_ms() == 1_760_000_000_000 + 2 * HOUR_MS


def test_without_wall_time_the_time_of_day_continues(board):
    assert not board.kept.has_day
    board.run(HOUR_MS, second_of_day=43_200)
    board.reset(power_cut=True)
    assert board.clock.unix_ms() is None
    assert board.clock.day_at == 43_200
    assert board.kept.has_day


def test_three_abnormal_resets_in_a_day_are_reported(board):
    assert [board.kept.count_crash(True) for _ in range(3)] == [False, False, True]
    assert board.kept.count_crash(False) is False
    board.kept.clear_crashes()
    assert board.kept.count_crash(True) is False


@pytest.mark.parametrize("cause", ["power_on", "soft", "deep_sleep", "unknown"])
def test_what_is_switched_on_or_reset_over_usb_has_not_crashed(board, cause):
    board.run(10_000)
    board.reset()
    assert not board.kept.judge_reset(cause, "esp32s3")


@pytest.mark.parametrize("chip", ["esp32", "esp32s2"])
def test_an_unknown_reset_of_a_chip_without_a_usb_port_is_a_crash(board, chip):
    board.run(10_000)
    board.reset()
    assert board.kept.judge_reset("unknown", chip)


def test_a_hard_reset_of_a_running_node_is_a_crash(board):
    assert not board.kept.judge_reset("hard", "esp32")  # of a board that was just flashed
    board.run(10_000)
    board.reset()
    assert board.kept.judge_reset("hard", "esp32")
    save_error(board.rtc, "ValueError: x")
    board.reset()
    assert board.kept.judge_reset("hard", "esp32")
    save_error(board.rtc, PLANNED)
    board.reset()
    assert not board.kept.judge_reset("hard", "esp32")
    assert board.kept.judge_reset("watchdog", "esp32")  # before the update saved anything


@pytest.mark.parametrize("cause", ["watchdog", "hard", "brown_out"])
def test_a_stop_at_the_console_excuses_one_reset(board, cause):
    board.run(10_000)
    board.nvs.put(console=1)
    board.reset()
    assert not board.kept.judge_reset(cause, "esp32")
    board.reset()
    assert board.kept.judge_reset(cause, "esp32")


def test_abnormal_resets_far_apart_are_not_reported(board):
    for _ in range(10):
        assert board.kept.count_crash(True) is False
        board.run(13 * HOUR_MS)
        board.reset()


def test_the_error_of_the_last_boot_is_reported_once(board):
    board.run(10_000)
    save_error(board.rtc, "ValueError: " + "x" * 500)
    board.reset()
    assert board.kept.last_error.startswith("ValueError: x")
    assert len(board.kept.last_error) <= 120
    assert board.kept.chain_ms() == 10_000
    board.run(10_000)
    board.reset()
    assert board.kept.last_error == ""


def test_damaged_rtc_memory_is_rejected(board):
    board.run(HOUR_MS)
    good = board.rtc.memory()
    for place in range(len(good)):
        board.rtc.memory(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        board.reset()
        assert not board.kept.had_rtc
        board.rtc.memory(good[:place])
        board.reset()
        assert not board.kept.had_rtc


@pytest.mark.parametrize("is_given", [True, False])
def test_a_pending_b_dose_survives_a_power_cut(board, is_given):
    assert board.kept.pending_nutrient_b() is None
    board.run(HOUR_MS)
    board.kept.save_pending_nutrient_b(7_300, is_given)
    board.run(50_000)
    board.reset()
    board.clock.at_ms = 20_000
    assert board.kept.pending_nutrient_b() == (7_300, 70_000, is_given)
    board.reset(power_cut=True)
    volume_ul, since_ms, _ = board.kept.pending_nutrient_b()
    assert volume_ul == 7_300
    assert since_ms >= 0
    board.kept.save_pending_nutrient_b(0, True)
    board.reset()
    assert board.kept.pending_nutrient_b() is None


def test_a_damaged_pending_dose_is_read_as_none(board):
    for damaged in (b"", b"x", bytes(30)):
        board.nvs.put(owed=damaged)
        assert board.kept.pending_nutrient_b() is None


def test_a_memory_error_prevents_neither_boot_nor_resume(board):
    def refuse(**_):
        raise OSError(28)

    board.run(10_000)
    board.nvs.put(console=1)
    board.reset()
    board.nvs.put = refuse
    assert board.kept.judge_reset("watchdog", "esp32") is False
    assert [board.kept.count_crash(True) for _ in range(2)] == [False, False]
    board.kept.clear_crashes()
