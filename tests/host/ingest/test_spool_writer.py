"""Spool to store: a poison point is found and kept, an outage discards nothing."""

import sqlite3
import threading
import time
import tracemalloc
from contextlib import closing

import pytest

from idro.protocol import messages_host
from idro.protocol.messages import Batch, EventRecord, Record
from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.core.sqlite import PAGE_BYTES
from idroserra.history.influx.http import Http
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import Instant
from idroserra.history.sqlite.store import SqliteStore
from idroserra.ingest import refusals, store_writer
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.received import Received
from idroserra.ingest.spool import SHRINK_PAGES, Spool
from idroserra.ingest.store_writer import StoreWriter, events_of, instants_of, known_events
from support.databases import Influxd

NODE = "idro-a1"
T0 = 1_767_225_600_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MANY = 20_000


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


def received(seq_from, count, values):
    records = [Record(seq, seq * 1000, values, {}) for seq in range(seq_from, seq_from + count)]
    return Received(NODE, "telemetry", Batch("b1", T0, None, 1, records), T0)


def test_points_have_the_boots_epoch_and_events_their_seq_in_microseconds(spool):
    records = [EventRecord(4_007, 500, "boot", {"reset": "power_on"})]
    spool.commit([received(1, 1, {"reservoir.ph": 6}),
                  Received(NODE, "event", Batch("b1", T0, None, 1, records), T0)])
    telemetry_row, event_row = spool.pending(10)
    instants, events = instants_of(telemetry_row), events_of(event_row)
    assert instants == [(NODE, T0 + 1000, {"reservoir.ph": 6})]
    assert events == [
        (NODE, (T0 + 500) * 1000 + 7, 4_007, "b1", "boot", {"reset": "power_on"})]


def test_a_newer_host_reads_unreadable_records_again_while_it_runs(
        spool, tmp_path, monkeypatch, eventually, caplog):
    caplog.set_level("INFO", "idroserra")
    count = 2 * refusals.STEP_ROWS
    spool.commit([Received(NODE, "event", Batch("b1", T0, None, 1, []), T0, tuple(
        UnreadableRecord(seq, b'{"v":1,"boot_id":"b1","boot_unix_ms":%d,"oldest_seq":1,"records":'
                         b'[{"seq":%d,"at_ms":%d,"kind":"sang","detail":{}}]}' % (T0, seq, seq),
                         "kind: 'sang' is none of")
        for seq in range(1, count + 1)))])
    monkeypatch.setattr(messages_host, "EVENTS", (*messages_host.EVENTS, "sang"))
    store = SqliteStore(tmp_path / "store.db")
    writer = StoreWriter(spool, store, lambda: T0)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        eventually(lambda: spool.counts()[NODE]["stored"] == count, 20, "all to be stored")
        eventually(lambda: [record.message for record in caplog.records] == [
            f"{count} records that were unreadable can now be read"], 20, "the line of the log")
    finally:
        writer.stop()
        thread.join()
        store.close()


def test_events_are_known_once_while_they_wait_and_when_they_are_stored(spool, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    writer = StoreWriter(spool, store, lambda: T0)

    def tell(node, *seqs):
        records = [EventRecord(seq, seq * 1_000, "boot" if seq % 2 else "dosed", {})
                   for seq in seqs]
        spool.commit([Received(node, "event", Batch("b1", T0, None, 1, records), T0)])

    def seqs(from_unix_ms, to_unix_ms, kinds=None, newest=100):
        return [event.seq for event in known_events(
            spool, store, NODE, from_unix_ms, to_unix_ms, kinds, newest)]

    tell(NODE, 1, 2, 3)
    writer.move_block()
    tell("another", 4)
    tell(NODE, 5, 6)
    for _ in range(2):
        assert seqs(T0, T0 + DAY_MS) == [1, 2, 3, 5, 6]
        assert seqs(T0, T0 + DAY_MS, ["dosed"]) == [2, 6]
        assert seqs(T0 + 2_000, T0 + 6_000) == [2, 3, 5]
        assert seqs(T0, T0 + DAY_MS, newest=3) == [3, 5, 6]
        assert seqs(T0, T0 + DAY_MS, ["dosed"], newest=1) == [6]
        writer.move_block()
    store.close()


def test_the_loop_gives_the_disk_of_the_spool_back(spool, tmp_path, eventually):
    store = SqliteStore(tmp_path / "store.db")
    writer = StoreWriter(spool, store, lambda: T0)
    detail = {"text": "x" * PAGE_BYTES}
    for begin in range(1, 2 * SHRINK_PAGES, 200):
        records = [EventRecord(seq, seq, "gap", detail) for seq in range(begin, begin + 200)]
        spool.commit([Received(NODE, "event", Batch("b1", T0, None, 1, records), T0)])

    def pages():
        with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
            return database.execute("PRAGMA page_count").fetchone()[0]

    assert pages() > 2 * SHRINK_PAGES
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        eventually(lambda: pages() < 1.2 * SHRINK_PAGES, 60, "a smaller file")
    finally:
        writer.stop()
        thread.join()
    store.close()


def test_the_newest_of_many_events_take_little_memory(spool, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    writer = StoreWriter(spool, store, lambda: T0)
    for begin in (1, MANY + 1):
        records = [EventRecord(seq, seq, "gap", {"upto": seq})
                   for seq in range(begin, begin + MANY)]
        spool.commit([Received(NODE, "event", Batch("b1", T0, None, 1, records), T0)])
        while begin == 1 and writer.move_block():
            pass
    tracemalloc.start()
    try:
        found = known_events(spool, store, NODE, T0, T0 + DAY_MS, None, 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [event.seq for event in found] == list(range(2 * MANY - 9, 2 * MANY + 1))
    assert peak < 1_000_000
    store.close()


def test_a_block_is_moved_once(spool, tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    writer = StoreWriter(spool, store, lambda: T0)
    spool.commit([received(1, 20, {"reservoir.ph": 6.0}), received(21, 20, {})])
    assert writer.move_block() == 40
    assert writer.move_block() == 0
    assert spool.counts()[NODE]["stored"] == 40
    assert len(store.series(NODE, ["reservoir.ph"], T0, T0 + 10**6, 10**6)["reservoir.ph"]) == 20
    store.close()


@pytest.fixture(scope="module")
def influxd(tmp_path_factory):
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


def influx_store(server, database):
    config = StoreConfig(kind="influx", url=server.url, database=database, write_api="v1")
    return InfluxStore(config, "farm"), Http(config)


def foreign_float(http, database, fields, unix_ms=T0):
    """Another program wrote our integer fields as floats: ours conflict from now on."""
    line = f"sample,site=x,node=other,source=reservoir {fields} {unix_ms}000000"
    http.request("POST", f"/write?db={database}", line.encode(), {})


def test_what_the_store_refuses_is_found_kept_and_the_rest_is_stored(spool, influxd):
    store, http = influx_store(influxd, "poison")
    influxd.run("CREATE DATABASE poison")
    foreign_float(http, "poison", "level_mm=1.5")
    writer = StoreWriter(spool, store, lambda: T0)
    spool.commit([received(1, 20, {"reservoir.ph": 6.0})])
    spool.commit([received(21, 1, {"reservoir.ph": 6.0, "reservoir.level_mm": 180})])
    spool.commit([received(22, 20, {"reservoir.ph": 6.0})])
    assert writer.move_block() == 41
    assert spool.depth == 0
    kept, = spool.rejected()
    assert b"reservoir.level_mm" in kept.payload
    assert "field type conflict" in kept.error
    assert spool.counts()[NODE]["rejected"] == 1
    (_, count), = influxd.rows("SELECT count(ph) FROM sample", "poison")
    assert count == 41
    store.close()
    http.close()


def test_a_store_that_refuses_everything_is_set_up_wrongly_and_discards_nothing(spool, influxd):
    store, http = influx_store(influxd, "foreign")
    influxd.run("CREATE DATABASE foreign")
    foreign_float(http, "foreign", "level_mm=1.5,ec_us_cm=1.5")
    writer = StoreWriter(spool, store, lambda: T0)
    spool.commit([received(1, 3, {"reservoir.level_mm": 180})])
    with pytest.raises(StoreUnavailable, match="has accepted nothing yet"):
        writer.move_block()
    spool.commit([received(4, 100, {"reservoir.level_mm": 180, "reservoir.ec_us_cm": 1500})])
    with pytest.raises(StoreUnavailable):
        writer.move_block()
    assert spool.depth == 103
    assert spool.rejected() == []
    store.close()
    http.close()


def test_a_damaged_hour_of_one_node_keeps_no_other_record_back(spool, tmp_path):
    """SQLite refuses late points of an hour that cannot be read, and they come first."""
    store = SqliteStore(tmp_path / "store.db")
    store.write([Instant(NODE, T0 + at * 10_000, {"air.temp_c": 20.0, "air.rh_pct": 50.0})
                 for at in range(60)], [])
    while store.maintain(T0 + DAY_MS):
        pass
    store._writer.execute("UPDATE packed SET body = zeroblob(40)")
    writer = StoreWriter(spool, store, lambda: T0 + DAY_MS)
    late = [Record(seq, 600_000 + seq * 10_000, {"air.temp_c": 21.0, "air.rh_pct": 51.0}, {})
            for seq in range(1, 61)]
    spool.commit([Received(NODE, "telemetry", Batch("b1", T0, None, 1, late), T0)])
    with pytest.raises(StoreUnavailable, match="refuses everything"):
        writer.move_block()
    assert spool.depth == 60
    spool.commit([Received(name, "telemetry", Batch("b1", T0 + DAY_MS, None, 1, [
        Record(seq, seq * 1_000, {"air.temp_c": 22.0}, {}) for seq in range(1, 50)]), T0)
        for name in ("idro-b", "idro-c")])
    assert writer.move_block() == 60 + 2 * 49
    assert spool.depth == 0
    counts = spool.counts()
    assert counts[NODE]["rejected"] == 120
    assert [counts[name]["stored"] for name in (NODE, "idro-b", "idro-c")] == [0, 49, 49]
    assert len(store.instants("idro-c", T0, T0 + 2 * DAY_MS)) == 49
    store.close()


def test_an_outage_keeps_the_block_and_its_order(spool, tmp_path):
    server = Influxd(tmp_path / "influxd")
    store, http = influx_store(server, "outage")
    writer = StoreWriter(spool, store, lambda: T0)
    spool.commit([received(1, 20, {"reservoir.ph": 6.0})])
    assert not writer.drain(5)
    assert spool.depth == 20
    assert server.url in writer.state
    spool.commit([received(21, 20, {"reservoir.ph": 6.0})])
    with server:
        assert writer.drain(20)
        (_, count), = server.rows("SELECT count(ph) FROM sample", "outage")
    assert count == 40
    store.close()
    http.close()


def test_stored_counts_what_the_database_has(spool, influxd):
    """Records older than its retention, and one whose only value it rejects, are not stored."""
    store, http = influx_store(influxd, "keeps")
    influxd.run("CREATE DATABASE keeps")
    store._run('ALTER RETENTION POLICY autogen ON "keeps" DURATION 168h SHARD DURATION 24h')
    today_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    now = today_ms - DAY_MS // 2  # a noon: the last hour is in the same shard of the database
    foreign_float(http, "keeps", "level_mm=1.5", now)
    writer = StoreWriter(spool, store, lambda: now)
    for boot, started, values in (("b1", now - 10 * DAY_MS, {"reservoir.ph": 6.0}),
                                  ("b2", now - DAY_MS, {"reservoir.ph": 6.0, "air.temp_c": 20.5}),
                                  ("b3", now - HOUR_MS, {"reservoir.level_mm": 180})):
        records = [Record(seq, seq * 1_000, values, {}) for seq in range(1, 51)]
        spool.commit([Received(NODE, "telemetry", Batch(boot, started, None, 1, records), now),
                      Received(NODE, "event", Batch(boot, started, None, 1, [
                          EventRecord(51, 60_000, "boot", {})]), now)])
    while spool.depth:
        writer.move_block()
    counts = spool.counts()[NODE]
    (_, instants), = influxd.rows("SELECT count(ph) FROM sample WHERE node='idro-a1'", "keeps")
    (_, events), = influxd.rows("SELECT count(seq) FROM event", "keeps")
    assert counts["stored"] == instants + events == 52
    assert counts["refused"] == counts["received"] - counts["stored"] == 101
    assert counts["rejected"] == 50
    assert writer.state == "ok"
    store.close()
    http.close()


def test_what_was_refused_as_of_the_future_is_stored_once_the_clock_is_right(
        spool, tmp_path, monkeypatch, eventually):
    monkeypatch.setattr(store_writer, "RETRY_FUTURE_S", 0)
    store = SqliteStore(tmp_path / "store.db")
    spool.commit([received(1, 1, {"reservoir.ph": 6})])
    batch = Batch("b1", T0, None, 1, [Record(2, 2_000, {"reservoir.ph": 6}, {})])
    spool.commit([Received(NODE, "telemetry", batch, T0 - 90 * DAY_MS)])
    writer = StoreWriter(spool, store, lambda: T0 + DAY_MS)
    thread = threading.Thread(target=writer.run)
    thread.start()
    eventually(lambda: len(store.instants(NODE, T0, T0 + HOUR_MS)) == 2, 60, "both are stored")
    writer.stop()
    thread.join()
    store.close()
