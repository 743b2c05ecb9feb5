"""Tests of the dose ledger under torn writes, flipped bytes and missing copies."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.errors import LedgerError
from idro.safety.ledger import DAMAGED, MAX_LIVE, MAX_RECORDS, RECORD_BYTES, STOPPED, Ledger
from idro.safety.limits import DAY_MS, DAY_ON_MS, HOUR_MS


class Node:
    """A ledger in a folder, and its chained uptime."""

    def __init__(self, folder: Path):
        self.paths = (folder / "ledger.a", folder / "ledger.b")
        self.now_ms = 1_000
        self.existed = False
        self.open()

    def open(self) -> Ledger:
        paths = tuple(str(path) for path in self.paths)
        self.ledger = Ledger(paths, lambda: self.now_ms, self.existed)
        self.existed = True
        return self.ledger

    def give(self, channel: str = "ph_down", on_ms: int = 1_000) -> None:
        entry_id = self.ledger.reserve(channel, on_ms, on_ms)
        self.now_ms += on_ms
        self.ledger.settle(entry_id, on_ms, on_ms)

    def flash(self) -> list[bytes]:
        return [path.read_bytes() for path in self.paths]

    def put(self, copies: list[bytes]) -> None:
        for path, data in zip(self.paths, copies, strict=True):
            path.write_bytes(data)


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def spent_on_ms(node, channel="ph_down", window_ms=DAY_MS):
    return node.ledger.spent(channel, window_ms)[0]


def test_a_settle_replaces_its_reserve(node):
    entry_id = node.ledger.reserve("ph_down", 3_000, 3_000)
    assert node.ledger.spent("ph_down", HOUR_MS) == (3_000, 3_000)
    node.ledger.settle(entry_id, 1_200, 1_100)
    assert node.ledger.spent("ph_down", HOUR_MS) == (1_200, 1_100)
    assert node.ledger.spent("ph_up", HOUR_MS) == (0, 0)


def test_it_is_unchanged_after_a_reset(node):
    node.give("ph_down", 2_000)
    node.give("nutrient_a", 5_000)
    node.open()
    assert spent_on_ms(node) == 2_000
    assert spent_on_ms(node, "nutrient_a") == 5_000
    assert not node.ledger.had_open_reserve
    assert not node.ledger.was_damaged


def test_windows_are_rolling(node):
    node.give(on_ms=2_000)
    node.now_ms += HOUR_MS
    assert spent_on_ms(node, window_ms=HOUR_MS) == 2_000
    node.now_ms += 1
    assert spent_on_ms(node, window_ms=HOUR_MS) == 0
    assert spent_on_ms(node) == 2_000
    assert node.ledger.since_ms("ph_down") == HOUR_MS
    assert node.ledger.since_ms("ph_up") is None


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_elapsed_time_is_never_overestimated(ended_us, passed_us):
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder))
        entry_id = node.ledger.reserve("nutrient_a", 1_000, 1_000)
        node.now_ms = ended_us // 1_000
        node.ledger.settle(entry_id, 1_000, 1_000)
        node.now_ms = (ended_us + passed_us) // 1_000
        said_ms = {node.ledger.since_ms("nutrient_a"), node.ledger.since_any_ms()}
        assert max(said_ms) * 1_000 <= passed_us
        for window_ms in range(1, 6):
            is_forgotten = spent_on_ms(node, "nutrient_a", window_ms) == 0
            assert not is_forgotten or passed_us >= window_ms * 1_000


def test_an_open_reserve_is_charged_in_full_after_a_reset(node):
    node.ledger.reserve("ph_up", 4_000, 4_000)
    node.open()
    assert spent_on_ms(node, "ph_up") == 4_000
    assert node.ledger.had_open_reserve


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("kept_bytes", range(RECORD_BYTES))
def test_a_torn_reserve_charges_nothing(node, copy, kept_bytes):
    node.give(on_ms=1_000)
    before = node.flash()
    node.ledger.reserve("ph_down", 3_000, 3_000)
    after = node.flash()
    torn = [after[0], before[1]] if copy else list(before)
    torn[copy] = after[copy][: len(before[copy]) + kept_bytes]
    node.put(torn)
    node.open()
    assert spent_on_ms(node) in (1_000, 4_000)
    assert not node.ledger.was_damaged
    node.give(on_ms=500)
    node.open()
    assert spent_on_ms(node) in (1_500, 4_500)


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("kept_bytes", range(RECORD_BYTES))
def test_a_torn_settle_charges_at_least_the_delivered_dose(node, copy, kept_bytes):
    entry_id = node.ledger.reserve("ph_down", 3_000, 3_000)
    before = node.flash()
    node.ledger.settle(entry_id, 2_000, 2_000)
    after = node.flash()
    torn = [after[0], before[1]] if copy else list(before)
    torn[copy] = after[copy][: len(before[copy]) + kept_bytes]
    node.put(torn)
    node.open()
    assert spent_on_ms(node) >= 2_000
    assert not node.ledger.was_damaged


def test_a_power_cut_between_the_copies_of_a_compaction(node):
    for _ in range(5):
        node.give()
    old = node.flash()
    node.put([old[0][:-3], old[1]])  # the next start compacts
    node.open()
    new = node.flash()
    for copies in ([new[0], old[1]], [old[0][:-3], old[1]], new):
        node.put(copies)
        node.open()
        assert spent_on_ms(node) == 5_000


def history(node):
    """Give doses over more than a day; return the charges of the last day by channel."""
    for index in range(9):
        node.give(("ph_down", "nutrient_a", "nutrient_b")[index % 3], 500 + 100 * index)
        node.now_ms += 2 * HOUR_MS
    node.ledger.reserve("ph_up", 900, 900)
    return {
        channel: spent_on_ms(node, channel)
        for channel in ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
    }


def test_ten_thousand_byte_flips_never_return_budget(node):
    truth = history(node)
    good = node.flash()
    randomness = random.Random(20_260_801)
    for _ in range(2_500):
        copies = [bytearray(data) for data in good]
        for _ in range(randomness.choice((1, 1, 5, 9))):
            copy = randomness.choice(copies)
            copy[randomness.randrange(len(copy))] ^= 1 << randomness.randrange(8)
        node.put([bytes(data) for data in copies])
        node.open()
        for channel, on_ms in truth.items():
            assert spent_on_ms(node, channel) >= on_ms


def test_truncation_of_one_copy_never_returns_budget(node):
    truth = history(node)
    good = node.flash()
    for copy in (0, 1):
        for size in range(0, len(good[copy]), 13):
            copies = list(good)
            copies[copy] = good[copy][:size]
            node.put(copies)
            node.open()
            for channel, on_ms in truth.items():
                assert spent_on_ms(node, channel) >= on_ms


def test_damage_charges_a_full_day_and_latches(node):
    node.give()
    node.put([b"\xff" * len(data) for data in node.flash()])
    node.open()
    assert node.ledger.was_damaged
    assert node.ledger.latch_code == DAMAGED
    assert spent_on_ms(node, "nutrient_b") >= DAY_ON_MS
    node.open()
    assert not node.ledger.was_damaged
    assert node.ledger.latch_code == DAMAGED
    node.ledger.set_latch(0)
    node.now_ms += DAY_MS + 1
    assert spent_on_ms(node, "nutrient_b") == 0


def test_two_missing_files_are_damage_unless_the_board_is_new(tmp_path):
    node = Node(tmp_path)
    assert not node.ledger.was_damaged
    for path in node.paths:
        path.unlink()
    node.open()
    assert node.ledger.was_damaged


def test_one_missing_copy_is_restored(node):
    node.give()
    node.paths[0].unlink()
    node.open()
    assert spent_on_ms(node) == 1_000
    assert node.paths[0].exists()


def test_a_latch_and_its_release_survive_resets_and_compaction(node):
    node.ledger.set_latch(STOPPED)
    assert node.open().latch_code == STOPPED
    for _ in range(MAX_RECORDS):
        node.give(on_ms=100)
        node.now_ms += DAY_MS // 100
    assert node.open().latch_code == STOPPED
    node.ledger.set_latch(0)
    assert node.open().latch_code == 0


def test_its_size_is_bounded_over_years_of_doses(node):
    for _ in range(3_000):
        node.give(on_ms=500)
        node.now_ms += 600_000
    assert max(len(data) for data in node.flash()) <= (MAX_RECORDS + 2) * RECORD_BYTES
    assert spent_on_ms(node) == 144 * 500 - 500 or spent_on_ms(node) == 144 * 500


def test_a_full_ledger_refuses(node):
    for _ in range(MAX_LIVE):
        node.give(on_ms=100)
    with pytest.raises(LedgerError):
        node.ledger.reserve("ph_down", 100, 100)
    node.now_ms += DAY_MS
    node.give(on_ms=100)


def test_a_flash_write_error_prevents_every_run(tmp_path):
    node = Node(tmp_path / "here")
    with pytest.raises(LedgerError):
        node.ledger.reserve("ph_down", 100, 100)
    (tmp_path / "here").mkdir()
    node.give(on_ms=100)
    node.open()
    assert spent_on_ms(node) == 100


def test_a_failed_flash_write_is_retried_once_a_minute(tmp_path):
    at_ms = [0]
    paths = (str(tmp_path / "ledger.a"), str(tmp_path / "ledger.b"))
    (tmp_path / "ledger.b").mkdir()
    ledger = Ledger(paths, lambda: at_ms[0], existed=False)
    assert ledger.error
    assert ledger.latch_code == 0
    with pytest.raises(LedgerError):
        ledger.reserve("ph_down", 1_000, 1_000)
    ledger.retry_write()
    (tmp_path / "ledger.b").rmdir()
    at_ms[0] = 59_999
    ledger.retry_write()
    assert ledger.error
    at_ms[0] = 60_000
    ledger.retry_write()
    assert ledger.error == ""
    ledger.settle(ledger.reserve("ph_down", 1_000, 1_000), 900, 900)
    assert Ledger(paths, lambda: at_ms[0], existed=True).spent("ph_down", 60_000) == (900, 900)
