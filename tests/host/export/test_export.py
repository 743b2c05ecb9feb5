"""Exports from a real store: rows, CSV, line protocol and Parquet."""

import csv
import io
import json
import socket
import threading
import tracemalloc
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow.parquet as parquet
import pytest

from idroserra.cli.export import ExportFailed, line_unix_ms, moment_ms, span_ms, write_atomically
from idroserra.client.http import HostClient, HostUnreachable
from idroserra.core.reasons import Reason
from idroserra.export.cells import safe_cell
from idroserra.export.csv_export import events_csv, readings_csv
from idroserra.export.journal_export import journal_zip
from idroserra.export.line_protocol_export import events_lines, readings_lines
from idroserra.export.parquet import write_parquet
from idroserra.export.rows import MAX_FAULTS, instants
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.history.paging import PAGE, events
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, gettext, use_locale
from idroserra.journal.models import Note, Photo
from support.samples import write_samples
from support.store_rig import sqlite_store

NODE = "idro-a"
T0 = 1_795_507_200_000  # 2026-11-24T08:00:00Z
CHANNELS = ["reservoir.ph", "reservoir.ec_us_cm", "air.temp_c"]
HOUR_MS = 3_600_000


def sample(channel, at_ms, value):
    return SamplePoint(NODE, channel, T0 + at_ms, value)


def event(seq, at_ms, kind, **detail):
    return EventPoint(NODE, (T0 + at_ms) * 1_000 + seq % 1_000, seq, "7f3a11aa", kind, detail)

store = sqlite_store


def rows_of(pieces):
    return list(csv.reader(io.StringIO("".join(pieces))))


def test_a_channel_has_a_value_or_a_fault_at_an_instant_and_an_empty_cell_is_no_zero(store):
    write_samples(store,
        [sample("reservoir.ph", 0, 6.02), sample("air.temp_c", 0, 21.5),
         sample("reservoir.ph", 10_000, 0), sample("reservoir.ec_us_cm", 10_000, 1590),
         sample("reservoir.ph", 20_000, 6.1), sample("air.temp_c", 30_000, -3.25)],
        [event(2, 10_000, "fault_began", channel="air.temp_c", fault="no_ack"),
         event(3, 15_000, "dosed", actuator="ph_down", volume_ul=2_000),
         event(4, 30_000, "fault_ended", channel="air.temp_c", fault="no_ack")])
    rows = rows_of(readings_csv(instants(store, NODE, CHANNELS, T0, T0 + 40_000), CHANNELS, None))
    assert rows == [
        ["time_utc", "unix_ms", "reservoir.ph [pH]", "reservoir.ec_us_cm [uS/cm]",
         "air.temp_c [C]", "faults"],
        ["2026-11-24T08:00:00.000Z", str(T0), "6.020", "", "21.50", ""],
        ["2026-11-24T08:00:10.000Z", str(T0 + 10_000), "0.000", "1590", "",
         "air.temp_c=no_ack"],
        ["2026-11-24T08:00:20.000Z", str(T0 + 20_000), "6.100", "", "", "air.temp_c=no_ack"],
        ["2026-11-24T08:00:30.000Z", str(T0 + 30_000), "", "", "-3.25", ""],
    ]


def test_a_fault_from_before_the_span_is_known_and_a_boot_ends_it(store):
    write_samples(store, [sample("reservoir.ph", 0, 6), sample("reservoir.ph", 20_000, 6)], [
        event(1, -20 * 24 * HOUR_MS, "fault_began", channel="air.temp_c", fault="crc"),
        event(2, 10_000, "boot", reset="power_on")])
    found = list(instants(store, NODE, CHANNELS, T0, T0 + HOUR_MS))
    assert [one.faults for one in found] == [{"air.temp_c": "crc"}, {}]


def test_a_record_of_faults_alone_has_a_row(store):
    write_samples(store, [], [
        event(1, 5_000, "fault_began", channel="reservoir.ph", fault="no_ack"),
        event(2, 5_000, "fault_began", channel="air.temp_c", fault="no_ack"),
        event(3, 6_000, "fault_began", channel="bad channel", fault="no_ack")])
    found = list(instants(store, NODE, CHANNELS, T0, T0 + HOUR_MS))
    assert [(one.unix_ms - T0, one.values, list(one.faults)) for one in found] == [
        (5_000, {}, ["air.temp_c", "reservoir.ph"]), (6_000, {}, ["air.temp_c", "reservoir.ph"])]


def test_local_time_carries_its_offset_across_the_end_of_summer_time(store):
    rome = ZoneInfo("Europe/Rome")
    change = round(datetime(2026, 10, 25, 1, 0, tzinfo=ZoneInfo("UTC")).timestamp() * 1_000)
    write_samples(store, [SamplePoint(NODE, "reservoir.ph", change - 1, 6.0),
                   SamplePoint(NODE, "reservoir.ph", change, 6.0)], [])
    rows = rows_of(readings_csv(
        instants(store, NODE, CHANNELS[:1], change - 10, change + 10), CHANNELS[:1], rome))
    assert rows[0][:2] == ["time_utc", "time_local [Europe/Rome]"]
    assert [row[1] for row in rows[1:]] == [
        "2026-10-25T02:59:59.999+02:00", "2026-10-25T02:00:00.000+01:00"]


def test_events_keep_their_detail_and_their_order(store):
    held = Reason("ph_high_blocked", why=Reason("channel_stale", channel="reservoir.ph"))
    why = held.as_json()
    write_samples(store, [], [event(8, 100, "dosed", actuator="ph_down", volume_ul=2_000,
                           reason='a "b", c'),
                     event(7, 100, "decided", loop="ph", reason=why)])
    rows = rows_of(events_csv(events(store, NODE, T0, T0 + HOUR_MS), None))
    assert rows[0] == ["time_utc", "unix_ms", "boot_id", "seq", "kind", "detail", "text"]
    assert [row[3:5] for row in rows[1:]] == [["7", "decided"], ["8", "dosed"]]
    assert json.loads(rows[1][5]) == {"loop": "ph", "reason": why}
    assert rows[1][6].endswith(f": {reason_text(held)}")
    assert rows[2][5] == '{"actuator": "ph_down", "volume_ul": 2000, "reason": "a \\"b\\", c"}'
    assert rows[2][6] == 'pH down, 2.00 ml given: a "b", c'


def test_the_text_of_an_event_is_in_the_readers_language(store):
    write_samples(store, [], [event(7, 100, "armed"), event(8, 200, "=1+1")])
    with use_locale(Locale("it")):
        pieces = events_csv(events(store, NODE, T0, T0 + HOUR_MS), None)
    texts = [row[6] for row in rows_of(pieces)[1:]]  # read outside of the request
    with use_locale(Locale("it")):
        assert texts[0] == gettext("Readings were plausible for long enough: dosing is possible.")
    assert texts[0] != "Readings were plausible for long enough: dosing is possible."
    assert texts[1] == "'=1+1"  # no formula of a spreadsheet


def test_line_protocol_is_that_of_the_influx_store(store):
    write_samples(store, [sample("reservoir.ph", 0, 6.02), sample("reservoir.ec_us_cm", 0, 1590)],
                  [event(3, 5, "dosed", actuator="ph_down", volume_ul=2_000)])
    span = (T0, T0 + HOUR_MS)
    assert list(readings_lines("farm 1", NODE, instants(store, NODE, CHANNELS, *span))) == [
        "sample,site=farm\\ 1,node=idro-a,source=reservoir ph=6.020,ec_us_cm=1590i"
        f" {T0}000000\n"]
    line, = events_lines("farm 1", events(store, NODE, *span))
    assert line.startswith(
        'event,site=farm\\ 1,node=idro-a,kind=dosed boot_id="7f3a11aa",seq=3i')
    assert line.endswith(f"volume_ul=2000i {T0 + 5}003000\n")
    assert line_unix_ms(line, "line") == T0 + 5


def test_parquet_has_types_units_and_nulls(store, tmp_path):
    write_samples(store, [sample("reservoir.ph", 0, 6.02),
                          sample("reservoir.ec_us_cm", 10_000, 1590)],
                  [event(2, 10_000, "fault_began", channel="reservoir.ph", fault="no_ack")])
    found = instants(store, NODE, CHANNELS, T0, T0 + HOUR_MS)
    lines = "".join(readings_csv(found, CHANNELS, ZoneInfo("Europe/Rome"))).splitlines(True)
    assert write_parquet(lines, tmp_path / "a.parquet") == 2
    table = parquet.read_table(tmp_path / "a.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "time_utc": "timestamp[ms, tz=UTC]", "time_local": "string", "unix_ms": "int64",
        "reservoir.ph": "double", "reservoir.ec_us_cm": "int64", "air.temp_c": "double",
        "faults": "string"}
    assert table.schema.field("reservoir.ec_us_cm").metadata == {b"unit": b"uS/cm"}
    assert table.schema.field("time_local").metadata == {b"unit": b"Europe/Rome"}
    assert table["reservoir.ph"].to_pylist() == [6.02, None]
    assert table["reservoir.ec_us_cm"].to_pylist() == [None, 1590]
    assert table["faults"].to_pylist() == ["", "reservoir.ph=no_ack"]
    assert table["time_utc"].cast("int64").to_pylist() == [T0, T0 + 10_000]


def test_memory_does_not_grow_with_the_span(store):
    for hour in range(12):
        write_samples(store, [sample("reservoir.ph", hour * HOUR_MS + i * 5_000, 6 + i % 7 / 10)
                       for i in range(720)], [])

    def peak_b(hours):
        tracemalloc.start()
        try:
            found = instants(store, NODE, CHANNELS, T0, T0 + hours * HOUR_MS)
            size = sum(len(piece) for piece in readings_csv(found, CHANNELS, None))
            return size, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_b(1)
    (small, peak_of_small), (large, peak_of_large) = peak_b(2), peak_b(12)
    assert large > 5 * small
    assert peak_of_large < 1.5 * peak_of_small


def test_memory_does_not_grow_with_the_faults_and_readings_of_an_hour(store):
    many = 10 * PAGE
    channels = [f"s{number}.ph" for number in range(4 * MAX_FAULTS)]
    write_samples(store, [sample("reservoir.ph", at, 6) for at in range(many)], [
        event(seq, seq // 4, "fault_began", channel=channels[seq % len(channels)], fault="crc")
        for seq in range(many)])
    tracemalloc.start()
    try:
        found = sum(len(one.faults) <= MAX_FAULTS and len(one.values)
                    for one in instants(store, NODE, CHANNELS, T0, T0 + HOUR_MS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == many
    assert peak < 5_000_000


def test_an_export_that_breaks_off_leaves_no_file_and_keeps_the_old_one(tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("old")

    def broken():
        yield "time_utc,unix_ms,faults\r\n"
        raise HostUnreachable("http://127.0.0.1:1", "the answer broke off")

    with pytest.raises(HostUnreachable):
        write_atomically(broken(), out, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert out.read_text() == "old"
    with pytest.raises(ExportFailed, match="No such file or directory"):
        write_atomically([], tmp_path / "nowhere" / "a.csv", "csv")


def test_an_answer_that_breaks_off_is_not_taken_for_whole():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   b"9\r\ntime,ph\r\n\r\n40\r\n2026")

        thread = threading.Thread(target=answer)
        thread.start()
        lines = HostClient(f"http://127.0.0.1:{server.getsockname()[1]}").lines("/x")
        assert next(lines) == "time,ph\r\n"
        with pytest.raises(HostUnreachable, match="is incomplete"):
            list(lines)
        thread.join()


def test_spans_and_moments_are_what_people_type():
    assert span_ms("30d") == 30 * 86_400_000
    assert moment_ms("2026-11-24T08:00:00Z", None, "--from") == T0
    assert moment_ms("2026-11-24T09:00", "Europe/Rome", "--from") == T0
    assert moment_ms("2026-11-24", None, "--to") == T0 - 8 * HOUR_MS


def test_a_photo_that_cannot_be_read_keeps_no_other_from_the_archive(tmp_path):
    photos = [Photo(digit * 32, 4, 3, 2) for digit in "abc"]
    note = Note("idro-a", "note", T0, "pale leaves", id="0" * 16, photos=tuple(photos))
    (tmp_path / photos[0].id).mkdir()  # as of a worn card: an error of the disk
    (tmp_path / photos[2].id).write_bytes(b"JPEG")
    whole = b"".join(journal_zip([note], None, lambda photo: tmp_path / photo))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[2:] == [
            f"photos/{photos[0].id}.jpg.txt", f"photos/{photos[2].id}.jpg"]
        assert archive.read(f"photos/{photos[2].id}.jpg") == b"JPEG"
        assert b"directory" in archive.read(f"photos/{photos[0].id}.jpg.txt")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_spreadsheet_evaluates_a_text_in_any_language(first):
    assert safe_cell(f"{first}1+1") == f"'{first}1+1"
