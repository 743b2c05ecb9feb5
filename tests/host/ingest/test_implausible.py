"""What a node cannot mean is kept and counted, moves no record, and fills no memory."""

import json
import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import ProtocolError
from idro.protocol import messages, messages_host
from idro.protocol.messages import AS_FLASHED, Batch, EventRecord, Info, Record
from idro.protocol.reason import Reason
from idro.protocol.settings import defaults
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core import protocol
from idroserra.ingest import receipts
from idroserra.ingest.decoder import read_records
from idroserra.ingest.plausibility_filter import MAX_CHANNELS
from idroserra.ingest.received import NodeInfoMessage, Received
from idroserra.ingest.refusals import Rejected
from idroserra.ingest.sequence_ranges import SequenceRanges
from idroserra.ingest.spool import Spool

NODE, OTHER = "idro-a1", "idro-b2"
NOW = 1_795_507_200_000
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
HUGE = 2**53 - 1


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db", max_rejected=6, max_unread=6)
    yield spool
    spool.close()


def telemetry(seqs, boot_id="b1", *, node=NODE, at_ms=None, channel="reservoir.ph",
              boot_unix_ms=None, sent_at_ms=100_000, oldest_seq=1, now=NOW):
    records = [Record(seq, seq * 1_000 if at_ms is None else at_ms, {channel: 6.0}, {})
               for seq in seqs]
    return Received(
        node, "telemetry", Batch(boot_id, boot_unix_ms, sent_at_ms, oldest_seq, records), now)


def info(**more):
    return Info("0.1.0", "esp32-reservoir", "esp32", "b1", 5_000, None, "none", "power_on", "",
                (), {}, (), False, 100, 0, AS_FLASHED, UNKNOWN_SYSTEM)._replace(**more)


def event(detail, **more):
    return messages_host.pack_event(Batch(
        "b1", None, 9_000, 1, [EventRecord(1, 1_000, "dosed", detail)])._replace(**more))


@pytest.mark.parametrize("leaf", ["telemetry", "event"])
@pytest.mark.parametrize(("head", "field"), [
    ({"sent_at_ms": HUGE}, "sent_at_ms"), ({"sent_at_ms": 11 * YEAR_MS}, "sent_at_ms"),
    ({"oldest_seq": HUGE}, "oldest_seq"),
])
def test_records_under_an_impossible_header_are_kept_unread(leaf, head, field):
    record = {"telemetry": Record(1, 1_000, {"reservoir.ph": 6.0}, {}),
              "event": EventRecord(1, 1_000, "dosed", {})}[leaf]
    pack = {"telemetry": messages_host.pack_telemetry, "event": messages_host.pack_event}[leaf]
    found = read_records(leaf, pack(Batch("b1", None, 5, 1, [record])._replace(**head)))
    assert found.batch.records == []
    unread, = found.unread
    assert unread.seq == 1
    assert unread.error.startswith(f"{field}: ")


@pytest.mark.parametrize(("leaf", "record"), [
    ("telemetry", Record(2, 11 * YEAR_MS, {"reservoir.ph": 6.0}, {})),
    ("event", EventRecord(2, HUGE, "dosed", {})),
    ("event", EventRecord(2, 1_000, "dosed", {"volume_ul": HUGE})),
    ("event", EventRecord(2, 1_000, "decided", {
        "reason": Reason("b_waits", why=Reason("mixing", left_ms=-HUGE)).as_json()})),
])
def test_one_impossible_record_is_kept_unread(leaf, record):
    pack = {"telemetry": messages_host.pack_telemetry, "event": messages_host.pack_event}[leaf]
    found = read_records(leaf, pack(Batch("b1", None, 5, 1, [record])))
    assert found.batch.records == []
    assert [(one.seq, "not plausible" in one.error) for one in found.unread] == [(2, True)]


def test_a_sequence_number_beyond_any_life_is_refused():
    payload = messages_host.pack_telemetry(
        Batch("b1", None, 5, 1, [Record(HUGE, 1_000, {"reservoir.ph": 6.0}, {})]))
    with pytest.raises(ProtocolError, match="seq: "):
        read_records("telemetry", payload)


@pytest.mark.parametrize(("unpack", "payload", "field"), [
    (protocol.unpack_info, messages_host.pack_info(info(at_ms=HUGE)), "at_ms"),
    (protocol.unpack_info, messages_host.pack_info(info(boot_unix_ms=HUGE)), "boot_unix_ms"),
    (protocol.unpack_info, messages_host.pack_info(info(earn_left_ms=HUGE)), "earn_left_ms"),
    (protocol.unpack_info, messages_host.pack_info(info(boots=(("b0", HUGE),))), "last_at_ms"),
    (protocol.unpack_config_report, messages_host.pack_config_report(
        messages.ConfigReport(HUGE, None, defaults())), "rev"),
    (protocol.unpack_config_report, messages_host.pack_config_report(
        messages.ConfigReport(1, Reason("mixing", left_ms=HUGE), defaults())), "values: left_ms"),
    (protocol.unpack_ack, messages.pack_ack(messages.Ack(
        "c", "refused", Reason("mixing", left_ms=HUGE), "b1", 1)), "values: left_ms"),
])
def test_other_messages_with_impossible_numbers_are_refused(unpack, payload, field):
    with pytest.raises(ProtocolError, match=f"{field}: .* not plausible"):
        unpack(payload)


@pytest.mark.parametrize("boot_unix_ms", [NOW + 32 * DAY_MS, NOW + 60 * YEAR_MS, HUGE])
def test_a_boot_in_the_future_is_timed_by_its_arrival(spool, boot_unix_ms):
    committed = spool.commit([telemetry([1], boot_unix_ms=boot_unix_ms, sent_at_ms=4_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 4_000


def test_a_host_whose_clock_was_never_set_believes_the_node(spool):
    committed = spool.commit([telemetry([1], boot_unix_ms=NOW, now=60_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW


def test_boots_chained_into_a_distant_past_are_timed_by_their_arrival(spool):
    boots = tuple((f"o{number}", 9 * YEAR_MS) for number in range(100))
    spool.commit([NodeInfoMessage(NODE, info(boots=boots), NOW)])
    committed = spool.commit([telemetry([1], "o0", sent_at_ms=None)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 1_000


def test_a_record_of_the_future_is_kept_unread_and_the_others_are_stored(spool):
    batch = telemetry([1, 2, 3], sent_at_ms=4_000)
    batch.batch.records[1] = batch.batch.records[1]._replace(at_ms=2 * YEAR_MS)
    batch.news.append(batch.batch.records[1])
    committed = spool.commit([batch])
    accepted, = committed.accepted
    assert [one.seq for one in accepted.records] == [1, 3]
    assert all(one.seq != 2 for one in accepted.news)
    assert committed.stored_upto == {(NODE, "b1"): 3}
    assert (spool.counts()[NODE]["received"], spool.counts()[NODE]["rejected"]) == (2, 1)
    kept, = spool.rejected()
    assert json.loads(kept.payload)["records"][0]["seq"] == 2
    assert "in the future" in kept.error
    assert sum(spool.retry_unreadable()) == 0


@pytest.mark.parametrize("epoch_unix_ms", [-8_942_000_000_000_000, 2**53])
def test_an_impossible_time_that_an_earlier_host_believed_is_decided_again(
        tmp_path, epoch_unix_ms):
    Spool(tmp_path / "spool.db").close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("INSERT INTO boots (node, boot_id, epoch_unix_ms) VALUES (?,?,?)",
                         (NODE, "b1", epoch_unix_ms))
    spool = Spool(tmp_path / "spool.db")
    committed = spool.commit([telemetry([1], sent_at_ms=4_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW - 4_000
    spool.close()


def test_more_channels_than_a_node_can_have_are_kept_unread(spool):
    for number in range(MAX_CHANNELS + 10):
        spool.commit([telemetry([number + 1], channel=f"s{number}.ph")])
    spool.commit([telemetry([1], node=OTHER), telemetry([200], channel="s0.ph")])
    counts = spool.counts()
    assert (counts[NODE]["received"], counts[NODE]["rejected"]) == (MAX_CHANNELS + 1, 10)
    assert (counts[OTHER]["received"], counts[OTHER]["rejected"]) == (1, 0)
    assert "channels" in spool.rejected()[0].error
    assert sum(spool.retry_unreadable()) == 0


def test_refused_messages_of_one_node_displace_none_of_another(spool):
    def refused(node, number):
        spool.commit([Rejected(node, f"{node}/{number}", b"{", "not JSON", NOW + number)])

    refused(OTHER, 0)
    for number in range(1, 50):
        refused(NODE, number)
    kept = spool.rejected()
    assert [one.topic for one in kept] == [*(f"{NODE}/{n}" for n in range(49, 44, -1)),
                                           f"{OTHER}/0"]


def test_boots_of_a_node_are_remembered_up_to_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(receipts, "MAX_BOOTS", 20)
    spool = Spool(tmp_path / "spool.db")
    spool.commit([telemetry([1, 2], "other", node=OTHER)])
    for number in range(50):
        spool.commit([telemetry([1, 2], f"n{number}")])
    assert spool.stored_upto(NODE, "n49") == 2
    assert spool.stored_upto(NODE, "n30") == 2
    assert spool.stored_upto(NODE, "n29") == 0
    assert spool.stored_upto(OTHER, "other") == 2
    assert len(spool._receipts._boots[NODE]) <= receipts.MAX_LOADED_BOOTS + 3
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        assert database.execute("SELECT count(*) FROM boots").fetchone() == (21,)
        assert database.execute("SELECT count(*) FROM seen").fetchone() == (21,)
    spool.close()


def test_gaps_of_a_boot_are_remembered_up_to_a_number_and_the_rest_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(receipts, "MAX_RANGES", 100)
    spool = Spool(tmp_path / "spool.db")
    for begin in range(2, 1_002, 20):
        spool.commit([telemetry([seq], at_ms=1_000) for seq in range(begin, begin + 20, 2)])
    counts = spool.counts()[NODE]
    upto = spool.stored_upto(NODE, "b1")
    assert counts["received"] == 500
    assert counts["lost"] == upto // 2
    assert 700 < upto < 1_000
    # A late record of a gap that is closed was counted as lost; one of an open gap is stored.
    spool.commit([telemetry([1], at_ms=1_000), telemetry([999], at_ms=1_000)])
    counts = spool.counts()[NODE]
    assert (counts["received"], counts["duplicates"], counts["lost"]) == (501, 1, upto // 2)
    spool.close()
    again = Spool(tmp_path / "spool.db")
    assert again.stored_upto(NODE, "b1") == upto
    again.commit([telemetry([1_002], at_ms=1_000, oldest_seq=1_002)])
    # All odd numbers up to 1,001 but 999, and none of them twice.
    assert again.counts()[NODE]["lost"] == 500
    again.close()


@settings(max_examples=200, deadline=None)
@given(numbers=st.lists(st.integers(1, 60)), upto=st.integers(1, 60), more=st.integers(1, 60))
def test_closed_gaps_are_as_if_their_numbers_had_come(numbers, upto, more):
    ranges, wanted = SequenceRanges(), set(numbers)
    for number in numbers:
        ranges.add(number)
    kept = {first: last for first, last in ranges.pop_changes() if last is not None}
    missing = set(range(1, upto + 1)) - wanted
    assert ranges.close_gaps(upto) == len(missing)
    wanted |= missing
    assert ranges.add(more) == (more not in wanted)
    wanted.add(more)
    assert {n for first, last in ranges.ranges() for n in range(first, last + 1)} == wanted
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges.ranges()))
    for first, last in ranges.pop_changes():
        if last is None:
            kept.pop(first, None)
        else:
            kept[first] = last
    assert SequenceRanges(kept.items()).ranges() == ranges.ranges()


def times_of(spool):
    return [row.epoch_unix_ms + at_ms for row in spool.pending(100)
            for _, at_ms, *_ in json.loads(row.body)]


def test_a_clock_that_was_ahead_once_costs_no_record(spool):
    """A message waits a minute in the broker, the next ones do not."""
    ahead = NOW + 11 * YEAR_MS
    spool.commit([NodeInfoMessage(NODE, info(at_ms=900), ahead),
                  telemetry([1], sent_at_ms=1_000, now=ahead)])
    for seq, waited_ms in ((2, 60_000), (3, 0), (4, 5)):
        spool.commit([telemetry([seq], sent_at_ms=seq * 1_000, now=NOW + seq * 1_000 + waited_ms)])
    spool.commit([telemetry([1], "b0", sent_at_ms=None, boot_unix_ms=ahead, now=ahead),
                  telemetry([2], "b0", sent_at_ms=None, boot_unix_ms=ahead)])
    assert sum(spool.retry_future(NOW + 3_000_000)) == 0  # the clock may be behind
    assert sum(spool.retry_future(NOW + 4_000_000)) == 4
    assert spool.epoch(NODE, "b1") == NOW
    assert times_of(spool)[2:] == [NOW + 2_000, NOW + 3_000, NOW + 4_000, NOW]
    committed = spool.commit([telemetry([5], sent_at_ms=5_000, now=NOW + 4_000_000)])
    assert committed.accepted[0].epoch_unix_ms == NOW
    assert spool.counts()[NODE]["received"] == 7
    assert spool.rejected() == []


def test_a_clock_that_is_behind_for_a_while_moves_no_boot_and_costs_no_record(spool):
    behind = NOW - 2 * YEAR_MS
    spool.commit([telemetry([1], sent_at_ms=1_000, now=NOW + 1_000)])
    for seq in (2, 3):
        spool.commit([telemetry([seq], sent_at_ms=seq * 1_000, now=behind + seq * 1_000)])
    assert sum(spool.retry_future(behind + 3_000_000)) == 0
    assert sum(spool.retry_future(NOW + 4_000_000)) == 2
    assert spool.epoch(NODE, "b1") == NOW
    assert times_of(spool) == [NOW + 1_000, NOW + 2_000, NOW + 3_000]


def test_a_record_of_the_future_moves_no_boot(spool):
    spool.commit([telemetry([1], at_ms=2 * YEAR_MS, sent_at_ms=4_000)])
    spool.commit([telemetry([2], sent_at_ms=4_000)])
    assert sum(spool.retry_future(NOW + DAY_MS)) == 0
    assert spool.epoch(NODE, "b1") == NOW - 4_000
