"""The spool: exactly once, whatever comes twice, late, never, or on a full disk."""

import random
import sqlite3
import threading
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.protocol import messages_host
from idro.protocol.messages import AS_FLASHED, Batch, EventRecord, Info, Record
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.errors import SpoolError
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.received import NodeInfoMessage, Received
from idroserra.ingest.refusals import Rejected
from idroserra.ingest.sequence_ranges import SequenceRanges
from idroserra.ingest.spool import Spool

NODE = "idro-a1"
NOW = 1_795_507_200_000


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db", max_rejected=5)
    yield spool
    spool.close()


def telemetry(seqs, boot_id="b1", oldest_seq=1, boot_unix_ms=None, sent_at_ms=None, now=NOW):
    records = [Record(seq, seq * 1000, {"reservoir.ph": 6.0}, {}) for seq in seqs]
    batch = Batch(boot_id, boot_unix_ms, sent_at_ms, oldest_seq, records)
    return Received(NODE, "telemetry", batch, now)


def info(boot_id, at_ms=5_000, boot_unix_ms=None, boots=()):
    return Info("0.1.0", "esp32-reservoir", "esp32", boot_id, at_ms, boot_unix_ms, "none",
                "power_on", "", (), {}, boots, False, 100, 0, AS_FLASHED, UNKNOWN_SYSTEM)


def seqs_of(spool):
    """The sequence numbers that wait, in their order."""
    import msgspec

    return [r[0] for row in spool.pending(10**6) for r in msgspec.json.decode(row.body)]


def test_new_records_wait_and_the_prefix_is_acknowledged(spool):
    committed = spool.commit([telemetry([1, 2, 3]), telemetry([4])])
    assert committed.stored_upto == {(NODE, "b1"): 4}
    assert [len(a.records) for a in committed.accepted] == [4]
    assert spool.depth == 4
    assert seqs_of(spool) == [1, 2, 3, 4]
    assert spool.counts()[NODE] == {
        "received": 4, "stored": 0, "refused": 0, "duplicates": 0, "lost": 0, "rejected": 0}


def test_a_duplicate_is_counted_answered_again_and_not_kept(spool):
    spool.commit([telemetry([1, 2])])
    committed = spool.commit([telemetry([1, 2]), telemetry([2, 3])])
    assert committed.stored_upto == {(NODE, "b1"): 3}
    assert seqs_of(spool) == [1, 2, 3]
    assert spool.counts()[NODE]["duplicates"] == 3


def test_a_hole_holds_the_prefix_until_it_is_filled(spool):
    assert spool.commit([telemetry([1, 2, 5])]).stored_upto == {(NODE, "b1"): 2}
    assert spool.commit([telemetry([4])]).stored_upto == {(NODE, "b1"): 2}
    assert spool.commit([telemetry([3])]).stored_upto == {(NODE, "b1"): 5}
    assert spool.counts()[NODE]["lost"] == 0


def test_what_the_node_no_longer_has_is_lost_and_passed_over(spool):
    spool.commit([telemetry([1, 2])])
    assert spool.commit([telemetry([6, 7], oldest_seq=6)]).stored_upto == {(NODE, "b1"): 7}
    assert spool.counts()[NODE]["lost"] == 3
    late = spool.commit([telemetry([4])])  # it was under way by another road
    assert len(late.accepted) == 1
    assert spool.counts()[NODE]["lost"] == 2


def test_an_oldest_seq_past_the_message_itself_loses_nothing(spool):
    assert spool.commit([telemetry([1, 2], oldest_seq=900)]).stored_upto == {(NODE, "b1"): 2}
    assert spool.counts()[NODE]["lost"] == 0


def test_boots_are_apart(spool):
    spool.commit([telemetry([1, 2], "b1")])
    committed = spool.commit([telemetry([1], "b2"), telemetry([3], "b1")])
    assert committed.stored_upto == {(NODE, "b2"): 1, (NODE, "b1"): 3}


def test_all_of_it_survives_opening_again(tmp_path):
    first = Spool(tmp_path / "spool.db")
    first.commit([telemetry([1, 2, 5, 9], boot_unix_ms=NOW - 1)])
    first.close()
    second = Spool(tmp_path / "spool.db")
    assert second.depth == 4
    assert second.epoch(NODE, "b1") == NOW - 1
    committed = second.commit([telemetry([2, 3, 4])])
    assert committed.stored_upto == {(NODE, "b1"): 5}
    assert second.counts()[NODE]["duplicates"] == 1
    second.close()


def test_done_forgets_and_counts_stored(spool):
    spool.commit([telemetry([1, 2])])
    spool.commit([telemetry([3])])
    rows = spool.pending(2)
    assert [row.record_count for row in rows] == [2]
    spool.done(rows, [Rejected(NODE, "store", b"{}", "field type conflict", NOW)])
    assert spool.depth == 1
    assert seqs_of(spool) == [3]
    assert spool.counts()[NODE]["stored"] == 2
    assert spool.counts()[NODE]["rejected"] == 1
    assert spool.commit([telemetry([1, 2])]).accepted == []


def test_what_comes_while_the_store_takes_a_block_stays(spool):
    for first in (1, 3, 5):  # the numbers of rows begin again where the spool was empty
        spool.commit([telemetry([first])])
        rows = spool.pending(10)
        spool.commit([telemetry([first + 1])])
        spool.done(rows)
        assert seqs_of(spool) == [first + 1]
        spool.done(spool.pending(10))
        assert (spool.depth, spool.pending(10)) == (0, [])
    spool.done([], [Rejected(NODE, "store", b"{}", "field type conflict", NOW)])
    assert spool.counts()[NODE]["stored"] == 6


def test_depth_and_counts_are_of_one_moment(spool):
    """A page or a test that sees an empty spool must not read counts from before."""
    def move():
        for seq in range(1, 301):
            spool.commit([telemetry([seq])])
            spool.done(spool.pending(100))

    mover = threading.Thread(target=move)
    mover.start()
    moments = 0
    while mover.is_alive():
        depth, counts = spool.depth_and_counts()
        moments += 1
        if counts:
            assert counts[NODE]["received"] - counts[NODE]["stored"] == depth
    mover.join()
    assert moments > 1
    assert spool.depth_and_counts()[0] == 0
    assert spool.counts()[NODE]["stored"] == 300


def test_rejected_messages_are_kept_up_to_a_number_and_counted_for_ever(spool):
    for i in range(12):
        spool.commit([Rejected("", f"t/{i}", b"\xff" * 10_000, "not UTF-8", NOW + i)])
    kept = spool.rejected()
    assert [item.topic for item in kept] == [f"t/{i}" for i in (11, 10, 9, 8, 7)]
    assert len(kept[0].payload) == 8_192
    assert spool.counts()[""]["rejected"] == 12


def unreadable(seqs, leaf="event", now=NOW, boot_id="b1"):
    """A message of records of which the host knows the numbers alone."""
    unread = tuple(
        UnreadableRecord(seq, b'{"v":1,"boot_id":"%s","oldest_seq":1,"records":'
               b'[{"seq":%d,"at_ms":5,"kind":"sang","detail":{}}]}' % (boot_id.encode(), seq),
               "kind: 'sang' is none of")
        for seq in seqs)
    return Received(NODE, leaf, Batch(boot_id, None, None, 1, []), now, unread)


def test_what_cannot_be_read_is_kept_and_holds_nothing_up(spool):
    assert spool.commit([telemetry([1, 2]), unreadable([3])]).stored_upto == {(NODE, "b1"): 3}
    assert spool.commit([telemetry([4])]).stored_upto == {(NODE, "b1"): 4}
    again = spool.commit([unreadable([3])])
    assert again.stored_upto == {(NODE, "b1"): 4}
    assert again.accepted == []
    assert seqs_of(spool) == [1, 2, 4]
    assert spool.counts()[NODE] == {
        "received": 3, "stored": 0, "refused": 0, "duplicates": 1, "lost": 0, "rejected": 1}
    kept, = spool.rejected()
    assert (kept.topic, kept.unix_ms) == (f"idro/v1/{NODE}/up/event", NOW)
    assert "sang" in kept.error
    assert b'"seq":3' in kept.payload


def test_a_boot_of_which_nothing_can_be_read_is_answered_all_the_same(spool):
    assert spool.commit([unreadable([1, 2])]).stored_upto == {(NODE, "b1"): 2}
    assert spool.epoch(NODE, "b1") is None
    committed = spool.commit([telemetry([3], boot_unix_ms=NOW - 9_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 9_000


def test_what_cannot_be_read_is_kept_up_to_a_number(tmp_path):
    spool = Spool(tmp_path / "spool.db", max_unread=3)
    spool.commit([unreadable(range(1, 9))])
    assert [b'"seq":%d,' % seq in one.payload
            for seq, one in zip((8, 7, 6), sorted(
                spool.rejected(), key=lambda one: one.payload, reverse=True), strict=True)] == [
        True] * 3
    assert spool.counts()[NODE]["rejected"] == 8
    spool.close()


def test_what_a_newer_host_can_read_is_read_when_it_starts(tmp_path, monkeypatch):
    path = tmp_path / "spool.db"
    old = Spool(path)
    old.commit([telemetry([1], boot_unix_ms=NOW - 9_000), unreadable([2, 3]),
                unreadable([1], boot_id="b2", now=NOW + 5)])
    assert sum(old.retry_unreadable()) == 0
    old.close()
    newer = Spool(path)
    monkeypatch.setattr(messages_host, "EVENTS", (*messages_host.EVENTS, "sang"))
    assert sum(newer.retry_unreadable()) == 3
    assert sum(newer.retry_unreadable()) == 0
    rows = newer.pending(10)
    assert [(row.boot_id, row.leaf, row.epoch_unix_ms, row.record_count) for row in rows] == [
        ("b1", "telemetry", NOW - 9_000, 1), ("b1", "event", NOW - 9_000, 1),
        ("b1", "event", NOW - 9_000, 1), ("b2", "event", NOW, 1)]
    assert seqs_of(newer) == [1, 2, 3, 1]
    assert newer.rejected() == []
    newer.done(rows)
    assert newer.counts()[NODE] == {
        "received": 4, "stored": 4, "refused": 0, "duplicates": 0, "lost": 0, "rejected": 3}
    assert newer.commit([unreadable([2])]).accepted == []
    newer.close()


def fill(spool):
    for at in range(1, 10**7, 200):
        spool.commit([telemetry(range(at, at + 200))])


def test_a_full_spool_takes_nothing_says_so_and_resumes_alone(tmp_path):
    spool = Spool(tmp_path / "spool.db", max_mb=1)
    with pytest.raises(SpoolError, match="full"):
        fill(spool)
    taken = spool.depth
    assert "full" in spool.state
    assert taken == spool.counts()[NODE]["received"] > 10_000
    assert spool.stored_upto(NODE, "b1") == taken
    spool.done(spool.pending(10**6))
    committed = spool.commit([telemetry(range(taken + 1, taken + 21))])
    assert committed.stored_upto == {(NODE, "b1"): taken + 20}
    assert spool.state == "ok"
    assert spool.counts()[NODE]["received"] == taken + 20
    assert seqs_of(spool) == list(range(taken + 1, taken + 21))
    spool.close()


def test_the_spool_of_a_release_with_workers_opens(tmp_path):
    path = tmp_path / "spool.db"
    spool = Spool(path)
    spool.commit([telemetry([1, 2])])
    spool.close()
    with closing(sqlite3.connect(path)) as older:
        older.executescript(
            "CREATE TABLE news (id INTEGER PRIMARY KEY AUTOINCREMENT, records BLOB NOT NULL);"
            "CREATE TABLE workers (name TEXT PRIMARY KEY, seen_unix_ms INTEGER NOT NULL);"
            "INSERT INTO news (records) VALUES ('[]'); INSERT INTO workers VALUES ('one', 1);")
    spool = Spool(path)
    assert spool.depth == 2
    assert spool.commit([telemetry([2, 3])]).stored_upto == {(NODE, "b1"): 3}
    assert seqs_of(spool) == [1, 2, 3]
    spool.close()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_seen_ranges_are_a_set(data):
    seen, model = SequenceRanges(), set()
    persisted = {}
    for number in data.draw(st.lists(st.integers(1, 30), max_size=40)):
        upto = number + data.draw(st.integers(0, 3))
        if data.draw(st.booleans()) and seen.extend(number, upto):
            assert number > max(model, default=0)
            model.update(range(number, upto + 1))
        else:
            assert seen.add(number) == (number not in model)
            model.add(number)
        for first, last in seen.pop_changes():
            if last is None:
                persisted.pop(first, None)
            else:
                persisted[first] = last
        assert sorted(persisted.items()) == seen.ranges()
    here = {n for first, last in seen.ranges() for n in range(first, last + 1)}
    assert here == model
    for floor in range(36):
        expected = floor
        while expected + 1 in model:
            expected += 1
        assert seen.prefix(floor) == expected
        assert seen.missing_upto(floor) == len([n for n in range(1, floor + 1) if n not in model])


@pytest.mark.parametrize("seed", range(5))
def test_any_order_with_any_repeats_ends_the_same(tmp_path, seed):
    rng = random.Random(seed)
    spool = Spool(tmp_path / "spool.db")
    batches = [telemetry(range(at, at + 7)) for at in range(1, 700, 7)]
    sent = batches + rng.choices(batches, k=60)
    rng.shuffle(sent)
    while sent:
        size = rng.randrange(1, 9)
        spool.commit(sent[:size])
        del sent[:size]
    assert spool.stored_upto(NODE, "b1") == 700
    assert sorted(seqs_of(spool)) == list(range(1, 701))
    assert spool.counts()[NODE] == {
        "received": 700, "stored": 0, "refused": 0, "duplicates": 420, "lost": 0, "rejected": 0}
    spool.close()


def test_the_epoch_is_what_the_node_says_and_stays(spool):
    first = spool.commit([telemetry([1], boot_unix_ms=NOW - 7_000)])
    assert first.accepted[0].epoch_unix_ms == NOW - 7_000
    later = spool.commit([telemetry([2], boot_unix_ms=NOW - 9_999, sent_at_ms=3)])
    assert later.accepted[0].epoch_unix_ms == NOW - 7_000


@pytest.mark.parametrize("absurd", [0, 946_684_800_000, 2**53 - 1])
def test_a_clock_never_set_is_no_source(spool, absurd):
    committed = spool.commit([telemetry([1], boot_unix_ms=absurd, sent_at_ms=4_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 4_000


def test_of_messages_that_waited_the_freshest_tells_the_epoch(spool):
    waited = telemetry([1], sent_at_ms=1_000, now=NOW)  # an hour in the broker
    fresh = telemetry([2], sent_at_ms=3_601_000, now=NOW)
    committed = spool.commit([waited, fresh])
    assert {a.epoch_unix_ms for a in committed.accepted} == {NOW - 3_601_000}


def test_an_info_that_waited_is_no_better_than_a_fresh_record(spool):
    spool.commit([NodeInfoMessage(NODE, info("b1", 5_000), NOW)])  # an hour in the broker
    committed = spool.commit([telemetry([1], sent_at_ms=3_605_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 3_605_000


def test_boots_before_are_chained_back_from_the_running_one(spool):
    spool.commit(
        [NodeInfoMessage(NODE, info("b3", 5_000, None, [("b1", 60_000), ("b2", 90_000)]), NOW)]
    )
    committed = spool.commit([telemetry([1], "b1"), telemetry([1], "b2"),
                              telemetry([1], "b3", sent_at_ms=5_500, now=NOW + 700)])
    epochs = {a.boot_id: a.epoch_unix_ms for a in committed.accepted}
    b3 = NOW - 5_000
    assert epochs == {"b3": b3, "b2": b3 - 90_000, "b1": b3 - 90_000 - 60_000}


def test_a_retained_info_tells_no_time_of_arrival(spool):
    spool.commit([NodeInfoMessage(NODE, info("b2", boots=[("b1", 60_000)]), None)])
    committed = spool.commit([telemetry([3], "b1")])
    assert committed.accepted[0].epoch_unix_ms == NOW - 3_000  # by the last record alone


def test_an_info_with_wall_time_chains_even_when_retained(spool):
    spool.commit([NodeInfoMessage(NODE, info("b2", 5_000, NOW - 50, [("b1", 60_000)]), None)])
    committed = spool.commit([telemetry([3], "b1"), telemetry([1], "b2")])
    assert [a.epoch_unix_ms for a in committed.accepted] == [NOW - 60_050, NOW - 50]


def test_an_event_is_kept_whole(spool):
    batch = Batch("b1", NOW, None, 1, [EventRecord(1, 5, "boot", {"reset": "power_on"})])
    spool.commit([Received(NODE, "event", batch, NOW)])
    row, = spool.pending(10)
    assert row.leaf == "event"
    assert b"power_on" in row.body
