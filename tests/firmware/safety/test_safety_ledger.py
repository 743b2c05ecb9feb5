"""Tests of the ledger format: records on flash and handling of bad records."""

import pytest

from idro.errors import LedgerError
from idro.safety import ledger as ledger_module
from idro.safety.ledger import DAMAGED, MAX_LIVE, MAX_RECORDS, NO_EFFECT, RECORD_BYTES, STOPPED
from idro.safety.limits import CHANNELS, DAY_MS
from support.ledger_rig import GOOD, HEAD, LATCH, RESERVE, SETTLE, Node, head, record
from support.safety_rig import Rig

SLACK_MS = 30_000
CHANNEL_NUMBERS = {
    "ph_down": 0, "ph_up": 1, "nutrient_a": 2, "nutrient_b": 3, "top_off": 4, "ph_down_fill": 5,
    "ph_up_fill": 6, "nutrient_a_fill": 7, "nutrient_b_fill": 8,
}


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


# The format is frozen: the judge of the campaign and older images read it.


def test_a_new_ledger_is_a_header_without_a_latch(node):
    node.open(existed=False)
    assert node.flash() == [
        record(HEAD, 0, 1, 1_000, 1, 0), record(LATCH, 0, 0, 1_000, 0, 0),
    ]


def test_every_record_has_the_documented_format(node):
    node.open(existed=False)
    entry_id = node.ledger.reserve("nutrient_b", 3_000, 2_900)
    node.now_ms = 4_500
    node.ledger.settle(entry_id, 1_200, 1_100)
    node.ledger.set_latch(NO_EFFECT)
    node.ledger.reserve("ph_up", 200, 100)
    assert node.flash()[2:] == [
        record(RESERVE, 3, 1, 1_000, 3_000, 2_900), record(SETTLE, 3, 1, 4_500, 1_200, 1_100),
        record(LATCH, NO_EFFECT, 2, 4_500, 0, 0), record(RESERVE, 1, 3, 4_500, 200, 100),
    ]


def test_numbers_of_channels_and_latches_are_frozen():
    assert {channel: index for index, channel in enumerate(CHANNELS)} == CHANNEL_NUMBERS
    assert ledger_module.LATCHES.index("stopped") == STOPPED == 1
    assert ledger_module.LATCHES.index("latch_resets") == 2
    assert ledger_module.LATCHES.index("latch_ledger") == DAMAGED == 3
    assert ledger_module.LATCHES.index("latch_no_effect") == NO_EFFECT == 4
    assert ledger_module.LATCHES.index("latch_wrong_way") == 5
    assert (RECORD_BYTES, MAX_RECORDS, MAX_LIVE) == (28, 512, 256)
    assert ledger_module.CRASHES == 2
    assert ledger_module.WRONG_WAY == 5


def test_a_compacted_ledger_is_equivalent(node):
    node.open(existed=False)
    node.give("ph_up", 700, 650)
    node.now_ms = 2_000
    open_id = node.ledger.reserve("top_off", 5_000, 0)
    node.ledger.set_latch(STOPPED)
    node.paths[1].unlink()
    node.now_ms = 9_000
    node.open()
    assert node.flash() == [
        record(HEAD, 0, 3, 9_000, 4, 0), record(LATCH, STOPPED, 3, 9_000, 0, 0),
        record(SETTLE, 1, 1, 1_000, 700, 650), record(RESERVE, 4, open_id, 2_000, 5_000, 0),
    ]
    assert node.ledger.had_open_reserve


# Reading.


def test_records_on_flash_are_charged(node):
    node.now_ms = 50_000
    node.put(
        head(1, 5), record(LATCH, NO_EFFECT, 2, 9_000, 0, 0),
        record(RESERVE, 0, 5, 10_000, 3_000, 2_000), record(SETTLE, 0, 5, 12_000, 1_900, 1_800),
        record(RESERVE, 2, 6, 20_000, 4_000, 3_000),
    )
    found = node.open()
    assert found.spent("ph_down", 40_000) == (1_900, 1_800)
    assert found.spent("nutrient_a", 1) == (4_000, 3_000)  # it may have ended just now
    assert found.latch_code == NO_EFFECT
    assert found.last_chain_ms == 20_000
    assert found.since_ms("ph_down") == 37_999
    assert found.since_ms("nutrient_a") == 0
    assert not found.was_damaged
    assert found.had_open_reserve
    assert found.reserve("ph_up", 1, 1) == 7


def test_a_reserve_read_after_its_settle_changes_nothing(node):
    settled = record(SETTLE, 0, 5, 12_000, 1_900, 1_800)
    node.put(head(1, 5), settled, record(RESERVE, 0, 5, 10_000, 3_000, 2_000))
    assert node.open().spent("ph_down", DAY_MS) == (1_900, 1_800)


def test_the_newest_latch_is_active_in_any_order_of_records(node):
    node.put(
        head(1, 9), record(LATCH, STOPPED, 4, 0, 0, 0), record(LATCH, NO_EFFECT, 3, 0, 0, 0)
    )
    assert node.open().latch_code == STOPPED
    node.put(
        head(1, 9), record(LATCH, STOPPED, 4, 0, 0, 0), record(LATCH, NO_EFFECT, 4, 0, 0, 0)
    )
    assert node.open().latch_code == NO_EFFECT


def test_a_latch_in_one_copy_is_active(node):
    node.open(existed=False)
    node.ledger.set_latch(0)
    before = node.flash()
    node.ledger.set_latch(STOPPED)
    node.put(*node.flash(), other=before)
    assert node.open().latch_code == STOPPED


def test_an_unknown_latch_code_is_damage(node):
    node.put(head(1, 9), record(LATCH, 6, 4, 0, 0, 0))
    assert node.open().latch_code == DAMAGED
    node.put(head(1, 9), record(LATCH, 5, 4, 0, 0, 0))
    assert node.open().latch_code == 5


@pytest.mark.parametrize("bad", [
    record(0, 0, 1, 0, 0, 0), record(5, 0, 1, 0, 0, 0), record(RESERVE, 9, 1, 0, 1, 1),
    record(SETTLE, 9, 1, 0, 1, 1), b"\0" * RECORD_BYTES,
])
def test_a_meaningless_record_is_a_bad_record(node, bad):
    node.put(head(1, 9), record(LATCH, 0, 0, 0, 0, 0), bad, record(SETTLE, 6, 3, 0, 5, 5))
    assert node.open().was_damaged


def test_the_highest_channel_number_is_valid(node):
    node.put(head(2, 9), record(LATCH, 0, 0, 0, 0, 0), record(SETTLE, 8, 3, 0, 5, 5))
    assert node.open().spent("nutrient_b_fill", DAY_MS) == (5, 5)
    assert not node.ledger.was_damaged


@pytest.mark.parametrize("copy", [
    [], [b"\0" * 28], list(GOOD[:2]), [b"\0" * 28, *GOOD], list(GOOD[1:]),
    [*GOOD, b"\0" * 28, b"\0" * 28], [*GOOD, b"\0" * 28, record(SETTLE, 0, 4, 900, 1, 1)],
    [*GOOD[:2], b"\0" * 28, GOOD[2], b"\0" * 5],
])
def test_two_copies_with_bad_checksums_are_damage(node, copy):
    node.put(*copy)
    node.open()
    assert node.ledger.was_damaged
    assert node.ledger.latch_code == DAMAGED


def test_a_torn_second_copy_is_repaired_from_the_first(node):
    node.put(*GOOD, other=[*GOOD[:2], GOOD[2][:20]])
    node.open()
    assert not node.ledger.was_damaged
    assert node.flash()[2] == GOOD[2]


def test_two_torn_copies_are_damage(node):
    for tail in (GOOD[2][:27], b"\0" * 28):
        node.put(*GOOD, tail)
        assert node.open().was_damaged


def test_copies_of_different_length_are_synchronized(node):
    more = record(SETTLE, 1, 4, 950, 7, 7)
    node.put(*GOOD, other=[*GOOD, more])
    node.open()
    assert node.ledger.spent("ph_up", DAY_MS) == (7, 7)
    assert node.flash()[2:] == [GOOD[2], more]


def test_differing_copies_of_one_length_are_synchronized(node):
    other = record(SETTLE, 1, 4, 950, 7, 7)
    node.put(*GOOD, other=[*GOOD[:2], other])
    node.open()
    assert node.ledger.spent("ph_down", DAY_MS) == (5, 5)
    assert node.ledger.spent("ph_up", DAY_MS) == (7, 7)
    assert sorted(node.flash()[2:]) == sorted([GOOD[2], other])


def test_two_valid_copies_are_unchanged(node):
    node.put(*GOOD)
    node.open()
    assert node.flash() == list(GOOD)
    node.give()
    assert node.flash()[:3] == list(GOOD)
    assert len(node.flash()) == 5


def test_a_new_board_starts_with_an_empty_ledger(node):
    node.open(existed=False)
    assert not node.ledger.was_damaged
    assert node.ledger.latch_code == 0
    assert node.ledger.last_chain_ms == 0
    assert not node.ledger.had_open_reserve
    assert node.ledger.error == ""


def test_one_bad_copy_on_a_new_board_is_damage(node):
    node.paths[0].write_bytes(b"\0" * 28)
    assert node.open(existed=False).was_damaged


# Damage.


def test_damage_charges_a_day_to_every_channel_and_reuses_no_id(node):
    node.now_ms = 5_000
    node.put(b"\0" * 28)
    found = node.open()
    for channel in CHANNELS:
        on_ms, volume_ul = found.spent(channel, DAY_MS)
        assert on_ms == 1_800_000
        assert volume_ul == 2_000_000_000
    assert found.reserve("ph_up", 1, 1) == 11
    node.now_ms = 5_000 + DAY_MS
    assert found.spent("ph_down", DAY_MS)[0] == 1_800_000
    node.now_ms += 1
    assert found.spent("ph_down", DAY_MS)[0] == 0


def test_damage_is_charged_from_the_last_recorded_time(node):
    node.now_ms = 5_000
    node.put(head(9, 9), record(SETTLE, 0, 3, 70_000, 5, 5))
    found = node.open()
    assert found.was_damaged
    assert found.last_chain_ms == 70_000
    node.now_ms = 70_000 + DAY_MS
    assert found.spent("nutrient_a", DAY_MS)[0] == 1_800_000
    node.now_ms += 1
    assert found.spent("nutrient_a", DAY_MS)[0] == 0


def test_the_damage_latch_replaces_an_earlier_latch(node):
    node.put(record(LATCH, STOPPED, 7, 0, 0, 0))
    node.open()
    assert node.open().latch_code == DAMAGED
    node.ledger.set_latch(0)
    assert node.open().latch_code == 0


def test_the_damage_latch_survives_a_cut_before_its_second_copy(node):
    old = record(LATCH, STOPPED, 7, 0, 0, 0)
    node.put(old)
    node.open()
    node.put(*node.flash(), other=[old])
    assert node.open().latch_code == DAMAGED


# Windows.


def test_a_window_ends_with_its_last_millisecond(node):
    node.open(existed=False)
    node.give(on_ms=500, volume_ul=400)
    node.now_ms = 11_000
    assert node.ledger.spent("ph_down", 10_000) == (500, 400)
    assert node.ledger.spent("ph_down", 9_999) == (0, 0)


def test_an_open_reserve_expires_30_s_after_its_latest_end(node):
    node.open(existed=False)
    node.ledger.reserve("ph_down", 2_000, 2_000)
    node.now_ms = 1_000 + 2_000 + SLACK_MS
    assert node.ledger.since_ms("ph_down") == 0
    assert node.ledger.since_any_ms() == 0
    assert node.ledger.spent("ph_down", 0) == (2_000, 2_000)
    node.now_ms += 1
    assert node.ledger.spent("ph_down", 0) == (0, 0)
    node.now_ms += 1
    assert node.ledger.since_ms("ph_down") == 1


def test_the_last_dose_of_any_channel_excludes_fills(node):
    node.open(existed=False)
    assert node.ledger.since_any_ms() is None
    node.give("top_off")
    assert node.ledger.since_any_ms() is None
    for channel in ("ph_up_fill", "ph_down", "nutrient_b"):
        node.now_ms += 10_000
        node.give(channel)
        assert node.ledger.since_any_ms() == 0
    node.now_ms += 5_000
    assert node.ledger.since_any_ms() == 4_999
    assert node.open().since_any_ms() == 4_999


def test_the_last_recorded_end_counts_after_a_reset(node):
    node.put(
        head(2, 9), record(SETTLE, 0, 3, 30_000, 5, 5), record(SETTLE, 0, 4, 20_000, 5, 5)
    )
    node.now_ms = 40_001
    assert node.open().since_ms("ph_down") == 10_000


class RefusesMemory:
    """open() that refuses memory for files whose name contains `text`, while it is set."""

    text = ""

    def open(self, path, mode):
        if self.text and self.text in path:
            raise MemoryError
        return open(path, mode)


@pytest.fixture
def heap(monkeypatch):
    heap = RefusesMemory()
    monkeypatch.setattr(ledger_module, "open", heap.open, raising=False)
    return heap


def test_a_reserve_without_memory_does_not_hide_the_next(node, heap):
    """A short reserve on one copy only, then a long one of the same id: a power cut in its run."""
    node.open(existed=False)
    heap.text = "ledger.b"
    with pytest.raises(LedgerError):
        node.ledger.reserve("ph_down", 100, 100)
    heap.text = ""
    node.ledger.reserve("ph_down", 10_000, 10_000)
    assert node.ledger.spent("ph_down", DAY_MS) == (10_000, 10_000)
    assert node.open().spent("ph_down", DAY_MS) == (10_000, 10_000)


def test_a_settle_without_memory_keeps_the_reserve(node, heap):
    node.open(existed=False)
    entry_id = node.ledger.reserve("ph_down", 5_000, 5_000)
    heap.text = "ledger.b"
    with pytest.raises(LedgerError):
        node.ledger.settle(entry_id, 1_000, 1_000)
    assert node.ledger.spent("ph_down", DAY_MS) == (5_000, 5_000)
    heap.text = ""
    node.now_ms += 60_000
    node.ledger.retry_write()
    assert node.ledger.error == ""
    assert node.open().spent("ph_down", DAY_MS) == (5_000, 5_000)


def test_compaction_without_memory_refuses_doses_and_is_retried(node, heap):
    node.open(existed=False)
    heap.text = ".new"
    node.ledger.set_latch(STOPPED)
    for _ in range(MAX_RECORDS):
        node.ledger.set_latch(STOPPED)
    assert node.ledger.error
    with pytest.raises(LedgerError):
        node.ledger.reserve("ph_down", 1, 1)
    heap.text = ""
    assert node.ledger.reserve("ph_down", 1, 1)


def test_a_run_settled_a_day_later_is_no_error(node):
    node.open(existed=False)
    entry_id = node.ledger.reserve("top_off", 600_000, 0)
    node.now_ms += DAY_MS + 600_000 + SLACK_MS + 1
    node.ledger.reserve("ph_down", 1, 1)  # drops what is a day old
    node.ledger.settle(entry_id, 600_000, 0)
    assert node.ledger.spent("top_off", DAY_MS) == (0, 0)


def test_what_the_flash_says_of_its_failure_is_cut(tmp_path):
    rig = Rig(tmp_path)
    rig.ledger.error = 200 * "x"
    assert len(rig.ledger.failure().values["detail"]) == 120
