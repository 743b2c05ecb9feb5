"""Records off the wire: read as the contract reads them, and one by one where it refuses them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import ProtocolError
from idro.protocol import messages_host
from idro.protocol.faults import FAULTS
from idro.protocol.messages import Batch, EventRecord, Record
from idroserra.core import protocol
from idroserra.ingest.decoder import MAX_BYTES, read_records

GOOD = Record(7, 70_000, {"reservoir.ph": 6.02, "reservoir.ec_us_cm": 1_600}, {})
JSON = {
    "v": 1, "boot_id": "b1", "boot_unix_ms": None, "sent_at_ms": 80_000, "oldest_seq": 7,
    "records": [{"seq": 7, "at_ms": 70_000, "values": {"reservoir.ph": 6.02}, "faults": {}}],
}


def message(*records, **more):
    """Return a message of `records`, dicts, with other fields of the head where given."""
    return json.dumps({**JSON, **more, "records": list(records)}).encode()


def record(seq, **more):
    return {"seq": seq, "at_ms": seq * 10_000, "values": {"reservoir.ph": 6.0}, "faults": {},
            **more}


def whole(leaf, payload):
    """Return what the contract makes of a message, None if it refuses it."""
    try:
        return {"telemetry": protocol.unpack_telemetry, "event": protocol.unpack_event}[leaf](
            payload)
    except ProtocolError:
        return None


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.integers(-2, 15), st.booleans(), st.none(), st.just("6"),
    st.integers(2**53 - 2, 2**53 + 2), st.just(10**400),
)
CHANNELS = st.sampled_from(
    ["reservoir.ph", "reservoir.ec_us_cm", "air.temp_c", "reservoir.x", "ph", "R.ph", "a.ph", 5])
RECORDS = st.one_of(
    st.fixed_dictionaries({}, optional={
        "seq": st.one_of(NUMBERS, st.integers(1, 9)), "at_ms": st.one_of(NUMBERS, st.just(5)),
        "values": st.one_of(st.dictionaries(CHANNELS, NUMBERS, max_size=3), st.none()),
        "faults": st.dictionaries(
            CHANNELS, st.sampled_from([*FAULTS, "other", 3]), max_size=3),
    }),
    st.none(), st.integers(),
)
HEADS = st.fixed_dictionaries({}, optional={
    "v": st.sampled_from([1, 1.0, True, 2, "1", None]),
    "boot_id": st.sampled_from(["b1", "", "b 1", "b\u00e9", "\ud800", "x" * 41, 5]),
    "boot_unix_ms": NUMBERS, "sent_at_ms": NUMBERS, "oldest_seq": NUMBERS, "more": NUMBERS,
})


@settings(max_examples=600, deadline=None)
@given(head=HEADS, records=st.lists(RECORDS, max_size=4))
def test_what_is_read_fast_is_what_the_contract_reads(head, records):
    payload = json.dumps({**JSON, **head, "records": records or JSON["records"]}).encode()
    expected = whole("telemetry", payload)
    try:
        found = read_records("telemetry", payload)
    except ProtocolError:
        assert expected is None
        return
    if found.unread:
        assert expected is None
    else:
        assert found.batch == expected
        assert repr(found.batch) == repr(expected)  # 6 and 6.0 are the same, but not on the wire


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_as_the_contract_reads_them(data):
    payload = bytearray(messages_host.pack_telemetry(Batch("b1", None, 80_000, 7, [GOOD])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at:at + data.draw(st.integers(0, 2))] = data.draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b"\\", b'"', b"\x0b", b" ", b"e9"])))
    expected = whole("telemetry", bytes(payload))
    try:
        found = read_records("telemetry", bytes(payload))
    except ProtocolError:
        assert expected is None
        return
    assert found.unread or repr(found.batch) == repr(expected)


@pytest.mark.parametrize(("bad", "why"), [
    (record(2, values={"reservoir.salinity_ppt": 3}), "unknown quantity"),
    (record(2, values={"reservoir.ph": 15}), "not in 0..14"),
    (record(2, faults={"reservoir.ec_us_cm": "haunted"}), "haunted"),
    (record(2, at_ms=10**13), "not plausible"),
    (record(2, at_ms="soon"), "integer needed"),
])
def test_one_bad_record_among_good_ones_is_separated(bad, why):
    found = read_records("telemetry", message(record(1), bad, record(3)))
    assert [r.seq for r in found.batch.records] == [1, 3]
    assert (found.batch.boot_id, found.batch.oldest_seq) == ("b1", 7)
    unread, = found.unread
    assert unread.seq == 2
    assert why in unread.error
    assert json.loads(unread.payload) == {**JSON, "records": [bad]}


def test_an_event_keeps_its_reason_with_values():
    why = {"code": "b_waits", "values": {"why": {"code": "of_newer_firmware", "values": {}}}}
    detail = {"loop": "ec", "reason": why}
    found = read_records("event", message(
        {"seq": 1, "at_ms": 5, "kind": "decided", "detail": detail}))
    assert found.unread == ()
    assert found.batch.records == [EventRecord(1, 5, "decided", detail)]


def test_an_event_of_an_unknown_kind_is_separated():
    events = [
        {"seq": 1, "at_ms": 5, "kind": "armed", "detail": {}},
        {"seq": 2, "at_ms": 6, "kind": "sang", "detail": {"tune": "aria"}},
    ]
    found = read_records("event", message(*events))
    assert found.batch.records == [EventRecord(1, 5, "armed", {})]
    assert [(one.seq, "sang" in one.error) for one in found.unread] == [(2, True)]


def test_a_message_longer_than_the_contracts_holds_nothing_up():
    """The node receives a rejection per record; otherwise it would resend for ever."""
    values = {f"tank{number}.ph": 6.0 for number in range(30)}
    records = [record(seq, values=values) for seq in range(1, 20)]
    payload = message(*records, record(20, values={"reservoir.newer_unit": 1}))
    assert protocol.MAX_UP_BYTES < len(payload) < MAX_BYTES
    found = read_records("telemetry", payload)
    assert [one.seq for one in found.batch.records] == list(range(1, 20))
    assert [one.seq for one in found.unread] == [20]
    alone = message(record(1, text="x" * 9_000))
    assert [one.seq for one in read_records("telemetry", alone).unread] == [1]
    with pytest.raises(ProtocolError, match="bytes, at most 8192"):
        read_records("telemetry", message(record(1, text="x" * MAX_BYTES)))


@pytest.mark.parametrize(("head", "why"), [
    ({"v": 2}, "version 1"), ({"oldest_seq": "x"}, "oldest_seq: integer needed"),
    ({"boot_unix_ms": -1}, "boot_unix_ms"),
])
def test_a_head_of_newer_firmware_that_tells_its_boot_holds_nothing_up(head, why):
    found = read_records("telemetry", message(record(4), record(5), **head))
    assert found.batch == Batch("b1", None, 80_000, 0, [])  # the answer repeats sent_at_ms
    assert [one.seq for one in found.unread] == [4, 5]
    assert all(why in one.error for one in found.unread)
    assert json.loads(found.unread[1].payload) == {**JSON, **head, "records": [record(5)]}


def test_more_records_than_a_message_may_have_are_read_one_by_one():
    found = read_records("telemetry", message(*(record(seq) for seq in range(1, 22))))
    assert [one.seq for one in found.batch.records] == list(range(1, 22))
    assert found.unread == ()


@pytest.mark.parametrize(("payload", "why"), [
    (message({"at_ms": 5, "values": {}}), "seq: integer needed"),
    (message({"seq": "x", "at_ms": 5}), "seq: integer needed"),
    (message(record(2, values={"reservoir.ph": 99}), record(1)), "not in 0..14"),
    (message(record(1), record(1)), "does not ascend"),
    (message(record(1), boot_id="no id"), "boot_id: not an id"),
    (b"{", "not a whole JSON object"),
    (b'{"v":1}', "records: list needed"),
    (b" " * 9_000, "bytes, at most"),
])
def test_a_message_with_inseparable_records_is_refused_whole(payload, why):
    with pytest.raises(ProtocolError, match=why):
        read_records("telemetry", payload)
