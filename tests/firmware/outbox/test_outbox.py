"""Tests of the outbox: order, persistence across resets, and thinning when full."""

import os

import pytest

from idro.errors import ProtocolError
from idro.outbox.outbox import MAX_BYTES
from idro.protocol import messages
from idro.protocol.reason import Reason
from support.outbox_records import CHANNELS, FAULTS, drain, new_outbox, unpacked, values_at

# A gap is passed only once all before it is stored: one round trip each.
SLOW_ROUND_TRIP_S = 0.5


def test_appended_records_survive_a_reset(tmp_path):
    outbox = new_outbox(tmp_path)
    assert outbox.append_telemetry(1_000, values_at(1), FAULTS) == 1
    assert outbox.append_event(5_000_000_000, "dosed", {"actuator": "ph_down", "on_ms": 900}) == 2
    outbox.set_boot_unix_ms(1_770_000_000_123)
    outbox.append_event(5_000_000_001, "armed", {})

    later = new_outbox(tmp_path, "0000b002")
    assert later.boots() == [("0000b001", 5_000_000_001)]
    assert later.count == 3
    assert later.append_event(7, "boot", {"reset": "power_on"}) == 1
    leaf, batch, position = unpacked(later.next_batch(None))
    assert (leaf, batch.boot_id, batch.sent_at_ms) == ("telemetry", "0000b001", None)
    assert batch.boot_unix_ms == 1_770_000_000_123
    assert batch.records == [messages.Record(1, 1_000, values_at(1), FAULTS)]
    leaf, batch, position = unpacked(later.next_batch(position))
    assert leaf == "event"
    assert [r.seq for r in batch.records] == [2, 3]
    assert batch.records[0].at_ms == 5_000_000_000
    leaf, batch, position = unpacked(later.next_batch(position))
    assert (batch.boot_id, batch.sent_at_ms, batch.oldest_seq) == ("0000b002", 0, 1)
    assert later.next_batch(position) is None
    assert later.damaged_bytes == 0


def test_an_event_flushes_earlier_records_and_telemetry_waits_a_minute(tmp_path):
    outbox = new_outbox(tmp_path)
    outbox.append_telemetry(10_000, values_at(1), {})
    assert new_outbox(tmp_path, "0000b002").count == 0
    outbox.append_event(11_000, "armed", {})
    assert new_outbox(tmp_path, "0000b002").count == 2
    for at_s in range(20, 80, 10):
        outbox.append_telemetry(at_s * 1_000, values_at(1), {})
    assert new_outbox(tmp_path, "0000b002").count == 2
    outbox.append_telemetry(80_000, values_at(1), {})
    assert new_outbox(tmp_path, "0000b002").count == 9


@pytest.mark.parametrize("temp_c", [-3.5, -0.01, 0.0, 0.09, 19.9])
@pytest.mark.parametrize("rssi_dbm", [-58, 0, None])
def test_every_value_is_returned_unchanged(tmp_path, temp_c, rssi_dbm):
    values = values_at(7) | {"air.temp_c": temp_c, "node.rssi_dbm": rssi_dbm}
    if rssi_dbm is None:
        del values["node.rssi_dbm"]
    for faults in ({}, {} if "node.rssi_dbm" in values else FAULTS):
        outbox = new_outbox(tmp_path / f"{len(faults)}")
        outbox.append_telemetry(5_000_000_000, values, faults)
        assert drain(outbox) == [
            ("0000b001", messages.Record(1, 5_000_000_000, values, faults))
        ]


def test_stored_erases_only_the_named_records(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 201):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
    outbox.stored("0000b001", 150)
    assert outbox.count == 50
    assert outbox.oldest_seq("0000b001") == 151
    outbox.stored("0000b001", 10)
    outbox.stored("0000bad0", 1_000)
    outbox.stored("0000b001", 201)  # never sent: ignored
    assert outbox.count == 50
    assert [record.seq for _, record in drain(outbox)] == list(range(151, 201))
    assert outbox.count == 0
    assert not list(tmp_path.rglob("*.seg"))
    assert outbox.oldest_seq("0000b001") == 201


def test_records_stored_before_the_flush_are_not_written(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 100):
        outbox.append_telemetry(seq * 10_000, values_at(seq), {})
        outbox.stored("0000b001", seq)
    assert not list(tmp_path.rglob("*.seg"))
    assert outbox.count == 0


def test_three_days_at_a_record_a_minute_fit(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 72 * 60 + 1):
        outbox.append_telemetry(seq * 60_000, values_at(seq), FAULTS)
    outbox.flush()
    used_bytes = len(list(tmp_path.rglob("*.seg"))) * 4_096
    assert used_bytes <= MAX_BYTES == 393_216
    print(f"72 h of {len(CHANNELS)} channels: {used_bytes} of {MAX_BYTES} bytes")
    out = drain(new_outbox(tmp_path, "0000b002"))
    assert [record.seq for _, record in out] == list(range(1, 72 * 60 + 1))
    assert all(record.values == values_at(record.seq) for _, record in out)


def test_a_full_outbox_thins_telemetry_and_retains_every_event(tmp_path):
    outbox = new_outbox(tmp_path)
    events = 0
    last = 72 * 360
    for step in range(last):
        outbox.append_telemetry(step * 10_000, values_at(step), {})
        if step % 90 == 0:
            outbox.append_event(step * 10_000, "dosed", {"actuator": "ph_down", "on_ms": step})
            events += 1
    outbox.flush()
    assert len(list(tmp_path.rglob("*.seg"))) <= 96
    assert max(path.stat().st_size for path in tmp_path.rglob("*.seg")) <= 4_096
    waits = []
    assert_nothing_unexplained(drain(outbox, waits=waits), last + events)
    drains_at = last * 10 / (len(waits) * SLOW_ROUND_TRIP_S)
    print(f"72 h at 10 s: {len(waits)} waits, {drains_at:.0f} times real time")
    assert drains_at > 20


def test_a_long_outage_drops_the_oldest_telemetry_and_no_event(tmp_path):
    outbox = new_outbox(tmp_path, max_bytes=16 * 4_096)
    appended = 0
    for step in range(4_000):
        outbox.append_telemetry(step * 60_000, values_at(step), {})
        appended += 1
        if step % 40 == 0:
            outbox.append_event(step * 60_000, "dosed", {"actuator": "ph_down", "on_ms": step})
            appended += 1
    outbox.flush()
    assert len(list(tmp_path.rglob("*.seg"))) <= 16
    waits = []
    out = drain(new_outbox(tmp_path, "0000b002", 16 * 4_096), waits=waits)
    kept = [r for _, r in out if isinstance(r, messages.Record)]
    assert kept[-1].at_ms == 3_999 * 60_000
    assert len(kept) > 300
    assert 4_000 * 60 / (len(waits) * SLOW_ROUND_TRIP_S) > 20
    assert_nothing_unexplained(out, appended)


def assert_nothing_unexplained(out, appended):
    """Assert that every record is read or covered by a gap, and every event is read."""
    seqs = [record.seq for _, record in out]
    assert seqs == sorted(set(seqs))
    gaps = [r for _, r in out if isinstance(r, messages.EventRecord) and r.kind == "gap"]
    doses = [r for _, r in out if isinstance(r, messages.EventRecord) and r.kind == "dosed"]
    lost = sum(gap.detail["count"] for gap in gaps)
    assert lost > 0
    assert lost + len(seqs) - len(gaps) == appended
    assert [dose.detail["on_ms"] for dose in doses] == sorted({d.detail["on_ms"] for d in doses})
    covered = [False] * (appended + 1)
    for gap in gaps:
        assert gap.seq == gap.detail["seq_to"]
        for seq in range(gap.detail["seq_from"], gap.detail["seq_to"] + 1):
            covered[seq] = True
    for seq in set(range(1, appended + 1)) - set(seqs):
        assert covered[seq]
    assert len(doses) == (appended - len(seqs) + len(gaps) - lost + len(doses))


def test_a_gap_waits_until_earlier_records_are_stored(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 6):
        outbox.append_event(seq, "decided", {"loop": "ph", "reason": f"number {seq}"})
    (segment,) = tmp_path.rglob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(b"number 3")] ^= 1
    segment.write_bytes(data)
    outbox = new_outbox(tmp_path, "0000b002")
    assert outbox.damaged_bytes > 0
    _, batch, position = outbox.next_batch(None)
    assert [r.seq for r in batch.records] == [1, 2]
    assert outbox.next_batch(position) is None
    outbox.stored("0000b001", 2)
    _, batch, position = outbox.next_batch(position)
    assert (batch.oldest_seq, [r.seq for r in batch.records]) == (4, [4, 5])


def test_flash_corruption_at_run_time_stalls_nothing(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 6):
        outbox.append_event(seq, "decided", {"loop": "ph", "reason": f"number {seq}"})
    (segment,) = tmp_path.rglob("*.seg")
    data = bytearray(segment.read_bytes())
    for text in (b"number 1", b"number 5"):
        data[data.index(text)] ^= 1
    segment.write_bytes(data)
    outbox.append_event(9, "armed", {})
    assert [record.seq for _, record in drain(outbox)] == [2, 3, 4, 6]
    assert outbox.count == 0


def test_telemetry_with_an_earlier_schema_is_still_decoded(tmp_path):
    old = new_outbox(tmp_path, "0000b001", channels=("air.temp_c",))
    old.append_telemetry(1, {"air.temp_c": 20.5}, {})
    old.flush()
    new = new_outbox(tmp_path, "0000b002")
    assert drain(new) == [("0000b001", messages.Record(1, 1, {"air.temp_c": 20.5}, {}))]
    assert len(list(new_outbox(tmp_path, "0000b003") and tmp_path.glob("*.map"))) == 1


def test_a_lost_schema_loses_its_telemetry_and_no_event(tmp_path):
    old = new_outbox(tmp_path, "0000b001", channels=("air.temp_c",))
    old.append_telemetry(1, {"air.temp_c": 20.5}, {})
    old.append_event(2, "armed", {})
    for path in tmp_path.glob("*.map"):
        path.unlink()
    out = drain(new_outbox(tmp_path, "0000b002"))
    assert out == [("0000b001", messages.EventRecord(2, 2, "armed", {}))]


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"reservoir.ph": float("nan")}, {}),
        ({"reservoir.ph": 14.5}, {}),
        ({"reservoir.ph": "6"}, {}),
        ({"reservoir.ph": True}, {}),
        ({"reservoir.ph": 6.0}, {"reservoir.ph": "stale"}),
        ({}, {"reservoir.ph": "tired"}),
        ({"soil.ph": 6.0}, {}),
    ],
)
def test_refuses_telemetry_that_the_host_rejects(tmp_path, values, faults):
    outbox = new_outbox(tmp_path)
    with pytest.raises(ProtocolError):
        outbox.append_telemetry(1, values, faults)
    assert outbox.count == 0
    assert outbox.append_event(1, "armed", {}) == 1


def test_a_long_event_is_truncated_and_stored(tmp_path):
    outbox = new_outbox(tmp_path)
    outbox.append_event(1, "restarted", {f"text_{index}": "x" * 200 for index in range(16)})
    ((_, record),) = drain(outbox)
    assert len(record.detail) == 16


def test_an_event_holds_reasons_whose_texts_are_truncated_if_it_is_large(tmp_path):
    outbox = new_outbox(tmp_path)
    waits = Reason("b_waits", why=Reason("ledger_failed", detail="x" * 250))
    for names in ("a", "abcde"):
        outbox.append_event(1, "refused", {name: waits for name in names})
    small, large = [record.detail["a"] for _, record in drain(outbox)]
    for detail, chars in ((small, 200), (large, 40)):
        assert detail["values"]["why"]["values"] == {"detail": "x" * chars}


def test_a_failed_flash_write_is_retried_once_a_minute(tmp_path):
    outbox = new_outbox(tmp_path)
    os.rename(tmp_path, f"{tmp_path}.away")
    for seq in range(1, 301):
        outbox.append_telemetry(seq * 4_000, values_at(seq), {})
    assert 15 <= outbox.write_failures_count <= 20  # in 20 minutes
    os.rename(f"{tmp_path}.away", tmp_path)
    outbox.append_telemetry(301 * 4_000 + 60_000, values_at(301), {})
    assert outbox.error == ""


def test_a_failing_flash_loses_the_oldest_telemetry_first(tmp_path):
    outbox = new_outbox(tmp_path)
    outbox.append_event(1, "armed", {})
    outbox.stored("0000b001", 1)
    for path in tmp_path.glob("*"):
        path.unlink()
    os.rmdir(tmp_path)
    for seq in range(2, 301):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
    outbox.append_event(301, "stopped", {"by": "test"})
    assert outbox.write_failures_count > 0
    assert outbox.lost_count == 301 - 1 - outbox.count
    tmp_path.mkdir()
    outbox.append_event(302, "resumed", {"by": "test"})
    out = [record.seq for _, record in drain(outbox)]
    assert out[-2:] == [301, 302]
    assert len(out) == 302 - 1 - outbox.lost_count


def test_a_held_outbox_does_not_grow_and_drops_telemetry_first(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 1_001):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
    held_segments = len(list(tmp_path.rglob("*.seg")))
    outbox.limit_growth(True)
    for seq in range(1_001, 4_001):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
        if seq % 1_000 == 0:
            outbox.append_event(seq * 60_000, "armed", {})
    assert len(list(tmp_path.rglob("*.seg"))) <= held_segments
    outbox.limit_growth(False)
    for seq in range(4_001, 5_001):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
    assert len(list(tmp_path.rglob("*.seg"))) > held_segments
    kept = [record for _, record in drain(outbox)]
    kinds = [record.kind for record in kept if isinstance(record, messages.EventRecord)]
    assert kinds.count("armed") == 3


def test_stored_records_of_a_segment_are_not_pending(tmp_path):
    outbox = new_outbox(tmp_path)
    for seq in range(1, 41):
        outbox.append_telemetry(seq * 60_000, values_at(seq), {})
    for upto in range(1, 41):
        outbox.stored("0000b001", upto)
        assert outbox.count == 39
        outbox.append_event(2_500_000 + upto, "armed", {})
        assert outbox.count == 40
    assert [record.seq for _, record in drain(outbox)] == list(range(41, 81))


def refused(folder):
    """Return a path that cannot be written: a file where the folder should be."""
    folder.mkdir(exist_ok=True)
    path = folder / "outbox"
    path.write_bytes(b"")
    return path


def test_a_flash_write_error_leaves_the_newest_records_in_ram(tmp_path):
    outbox = new_outbox(refused(tmp_path / "data"))
    assert outbox.error
    for seq in range(1, 1_001):
        if seq % 100:
            assert outbox.append_telemetry(seq * 10_000, values_at(seq), FAULTS) == seq
        else:
            assert outbox.append_event(seq * 10_000, "armed", {}) == seq
    assert outbox.error
    assert outbox.count + outbox.lost_count == 1_000
    out = [record for _, record in drain(outbox)]
    assert [r.seq for r in out if isinstance(r, messages.EventRecord)] == list(
        range(100, 1_001, 100)
    )
    assert out[-2].seq == 999
    assert len(out) > 60
    assert outbox.count == 0
    outbox.flush()


def test_pending_records_are_read_from_a_read_only_flash(tmp_path, monkeypatch):
    before = new_outbox(tmp_path)
    for seq in range(1, 101):
        before.append_telemetry(seq * 60_000, values_at(seq), {})
    before.flush()
    channels = CHANNELS[:5]  # another schema, so that opening must write

    with monkeypatch.context() as patched:
        refuse_writes(patched)
        outbox = new_outbox(tmp_path, "0000b002", channels=channels)
        assert "28" in outbox.error
        outbox.append_event(1_000, "boot", {})
        assert outbox.count == 101
        assert outbox.error
        seen = outbox.next_batch(None)
        assert seen[1].boot_id == "0000b001"
    outbox.append_event(2_000, "armed", {})
    assert outbox.error == ""
    later = new_outbox(tmp_path, "0000b003")
    assert later.count == 102
    assert [(boot, record.seq) for boot, record in drain(later)][-2:] == [
        ("0000b002", 1), ("0000b002", 2),
    ]


def refuse_writes(patched):
    """Make the flash full: files can be read but not written."""
    real = open

    def guarded(path, mode="r", *more, **options):
        if set(mode) & set("wax+"):
            raise OSError(28, "no space")
        return real(path, mode, *more, **options)

    patched.setattr("builtins.open", guarded)


def test_a_memory_error_during_a_flush_does_not_fill_ram(tmp_path):
    outbox = new_outbox(tmp_path)
    append = outbox._ring.append

    def refuse(*_):
        raise MemoryError

    outbox._ring.append = refuse
    for seq in range(1, 201):
        outbox.append_telemetry(seq * 10_000, values_at(seq), FAULTS)
    left = outbox.count
    assert outbox.lost_count == 200 - left > 0
    assert outbox._pending_bytes <= 2_048 + 7 * len(outbox._pending[0].frame)
    outbox._ring.append = append
    outbox.append_event(2_010_000, "stopped", {"by": "test"})
    assert outbox.error == ""
    leaf, batch, _ = unpacked(outbox.next_batch(None))
    assert leaf == "telemetry"
    assert batch.records[0].seq == outbox.lost_count + 1
