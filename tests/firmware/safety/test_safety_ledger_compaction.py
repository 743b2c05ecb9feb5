"""Tests of compaction of the dose ledger and of its maximum number of runs."""

import struct

import pytest

from idro.errors import LedgerError
from idro.safety import ledger as ledger_module
from idro.safety.ledger import MAX_LIVE, MAX_RECORDS, STOPPED
from idro.safety.limits import DAY_MS
from support.ledger_rig import GOOD, HEAD, LATCH, RESERVE, SETTLE, Node, record


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def test_it_is_compacted_at_512_records(node):
    node.open(existed=False)
    while len(node.flash()) < MAX_RECORDS:
        node.ledger.set_latch(0)
    last = node.flash()[-1]
    node.ledger.set_latch(STOPPED)
    assert last not in node.flash()
    assert len(node.flash()) == 2
    node.ledger.set_latch(STOPPED)
    assert len(node.flash()) == 3


def test_a_reserve_compacts_at_512_records(node):
    node.open(existed=False)
    while len(node.flash()) < MAX_RECORDS - 1:
        node.ledger.set_latch(0)
    node.ledger.reserve("ph_down", 1, 1)
    assert len(node.flash()) == MAX_RECORDS
    node.ledger.reserve("ph_down", 1, 1)
    assert len(node.flash()) == 4


def test_an_open_run_stays_open_during_compaction(node):
    node.open(existed=False)
    node.ledger.reserve("ph_down", 2_000, 2_000)
    while len(node.flash()) < MAX_RECORDS:
        node.ledger.set_latch(0)
    node.ledger.set_latch(STOPPED)
    assert node.flash()[2:] == [record(RESERVE, 0, 1, 1_000, 2_000, 2_000)]
    assert node.open().had_open_reserve


def test_nothing_is_charged_if_a_copy_cannot_be_repaired(node):
    node.put(*GOOD, other=[])
    blocked = node.paths[0].with_name("ledger.a.new")
    blocked.mkdir()
    node.open()
    with pytest.raises(LedgerError, match="ledger_failed"):
        node.ledger.reserve("ph_up", 1, 1)
    assert node.ledger.spent("ph_up", DAY_MS) == (0, 0)
    blocked.rmdir()
    node.ledger.reserve("ph_up", 1, 1)
    assert node.ledger.spent("ph_up", DAY_MS) == (1, 1)


def test_the_number_of_records_is_known_after_a_reset(node):
    node.open(existed=False)
    while len(node.flash()) < MAX_RECORDS:
        node.ledger.set_latch(0)
    node.open()
    assert len(node.flash()) == MAX_RECORDS
    node.ledger.set_latch(0)
    assert len(node.flash()) == 2


def test_compaction_drops_records_older_than_a_day(node):
    node.open(existed=False)
    node.give()
    node.now_ms = 1_001
    node.give("ph_up")
    node.now_ms = 1_001 + DAY_MS
    node.paths[0].unlink()
    node.open()
    assert [struct.unpack("<BB", one[:2]) for one in node.flash()] == [
        (HEAD, 0), (LATCH, 0), (SETTLE, 1),
    ]


def test_256_runs_a_day_are_the_maximum(node):
    node.open(existed=False)
    node.give()
    node.now_ms += 1
    for _ in range(MAX_LIVE - 1):
        node.give()
    with pytest.raises(LedgerError, match="ledger_full"):
        node.ledger.reserve("ph_up", 1, 1)
    node.now_ms = 1_000 + DAY_MS
    with pytest.raises(LedgerError, match="ledger_full"):
        node.ledger.reserve("ph_up", 1, 1)
    node.now_ms += 1
    node.ledger.reserve("ph_up", 1, 1)


# Long ledgers: read record by record, dropping records older than a day.


def test_a_day_of_many_runs_is_read(node):
    node.open(existed=False)
    for _ in range(100):
        node.now_ms += 1_000
        node.give()
    assert node.open().spent("ph_down", DAY_MS) == (100_000, 100_000)
    assert node.ledger.since_ms("ph_down") == 0
    assert not node.ledger.was_damaged


def test_records_a_day_older_than_the_newest_are_not_read(node):
    node.open(existed=False)
    node.give("ph_up")
    node.now_ms += 1
    node.give("ph_up")
    node.now_ms += DAY_MS
    for _ in range(30):
        node.give()
    on_flash = node.flash()
    node.now_ms = 1_000  # a lagging chain is raised after reading; nothing expired early
    assert node.open().spent("ph_up", DAY_MS) == (1_000, 1_000)
    assert node.ledger.last_chain_ms == 1_001 + DAY_MS
    assert node.flash() == on_flash


def test_a_run_interrupted_long_ago_is_still_reported(node):
    node.open(existed=False)
    node.ledger.reserve("ph_up", 2_000, 2_000)
    for _ in range(40):
        node.now_ms += DAY_MS // 10
        node.give()
    assert node.open().had_open_reserve


def test_a_copy_that_cannot_be_read_again_is_rewritten(node, monkeypatch):
    node.open(existed=False)
    node.give()
    opened = []

    def once(path, mode):
        opened.append(path)
        if opened.count(path) == 2 and mode == "rb":
            raise OSError(5)
        return open(path, mode)

    monkeypatch.setattr(ledger_module, "open", once, raising=False)
    assert node.open().spent("ph_down", DAY_MS) == (1_000, 1_000)
    assert len(node.flash()) == 3
    assert node.ledger.error == ""
