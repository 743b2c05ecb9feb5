"""The store on InfluxDB 2.x: late readings, retention, permissions, set-up.

support/influx2.py answers as a 2.7.12 was seen to answer."""

import logging
import time

import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.validation import validate
from idroserra.history.influx.store import InfluxStore
from idroserra.history.models import EventPoint, Instant, SamplePoint
from support.influx2 import ORG, TOKEN
from support.samples import write_samples

NODE = "idro-a1"
PH = "reservoir.ph"
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOW = time.time_ns() // 1_000_000
T0 = (NOW - 4 * DAY_MS) // DAY_MS * DAY_MS
POLICIES = ("minutes", "quarters", "hours", "daily")


def open_store(influx2, bucket, token=TOKEN, org=ORG, **keep):
    config = validate({"kind": "influx", "url": influx2.url, "database": bucket, "token": token,
                       "org": org, "keep": keep}, StoreConfig)
    return InfluxStore(config, site="north field")


@pytest.fixture
def store(influx2, request):
    opened = open_store(influx2, request.node.name[5:60])
    yield opened
    opened.close()


def init(store):
    return store.init(lambda *_: None)


def hours(start_ms, count):
    """Return a reading a minute for some hours."""
    return [SamplePoint(NODE, PH, start_ms + at * MINUTE_MS, 5 + at % 70 / 40)
            for at in range(count * 60)]


def drawn(store, start_ms, end_ms, width_ms):
    columns = (end_ms - start_ms) // width_ms + 1
    return [column.unix_ms for column in store.series(
        NODE, [PH], start_ms, end_ms, columns)[PH]]


def test_a_late_day_is_rolled_up_and_its_marks_are_taken_away(influx2, store):
    init(store)
    write_samples(store, hours(T0, 6), [])
    steps = 0
    while store.maintain(NOW):
        steps += 1
        assert steps < 100
    assert steps == 6
    bucket = store._config.database
    assert influx2.run(bucket, "SELECT due FROM late") == []
    (_, count), = influx2.run(bucket, 'SELECT sum(count_ph) FROM "hours".sample_1h')
    assert count == 6 * 60
    (_, count), = influx2.run(bucket, 'SELECT sum(count_ph) FROM "daily".sample_1d')
    assert count == 6 * 60


def test_a_chart_is_drawn_of_readings_until_they_are_rolled_up(store):
    init(store)
    readings = hours(T0, 48)
    readings = readings[:240] + readings[600:]  # six hours have none
    write_samples(store, readings, [])
    for step in range(4):
        for width_ms in (MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS):
            expected = {reading.unix_ms // width_ms * width_ms for reading in readings}
            assert drawn(store, T0, T0 + 2 * DAY_MS, width_ms) == sorted(expected), (
                step, width_ms)
        for _ in range(3):
            store.maintain(NOW)


def test_older_readings_than_the_bucket_keeps_are_counted_and_the_others_stored(influx2, caplog):
    store = open_store(influx2, "short", raw_days=7)
    init(store)
    old = [Instant(node, NOW - 10 * DAY_MS + at * MINUTE_MS, {PH: 6.0, "air.temp_c": 20.0})
           for at in range(50) for node in (NODE, "idro-b2")]
    new = [Instant(NODE, NOW - at * MINUTE_MS, {PH: 6.0, "air.temp_c": 20.0}) for at in range(50)]
    events = [EventPoint(NODE, (NOW - days * DAY_MS) * 1_000, 1, "b1", "boot", {})
              for days in (10, 1)]
    with caplog.at_level(logging.WARNING):
        written = store.write([*old, *new], events)
    assert written == {NODE: 51, "idro-b2": 50}
    assert "101 records are older than" in caplog.text
    (_, count), = influx2.run("short", "SELECT count(ph) FROM sample")
    assert count == 50
    assert len(influx2.run("short", "SELECT seq FROM event")) == 1
    store.close()


def test_info_lists_roll_ups_with_their_retention(influx2):
    store = open_store(influx2, "informed", raw_days=7)
    init(store)
    write_samples(store, hours(NOW // HOUR_MS * HOUR_MS - 2 * HOUR_MS, 1), [])
    found = store.info()
    assert [(part.name, part.keep_days) for part in found.resolutions] == [
        ("raw", 7), ("1m", 800), ("15m", 3_650), ("1h", 3_650), ("1d", 0)]
    assert (found.points, found.events_days) == (60, 7)
    store.close()


def test_init_may_be_repeated_and_its_queries_answer_nothing(influx2):
    store = open_store(influx2, "twice", raw_days=30)
    init(store)
    write_samples(store, hours(T0, 2), [])
    before = influx2.flux_bytes
    again = open_store(influx2, "twice", raw_days=2)
    assert len(init(again)) == 9
    assert influx2.flux_bytes - before < 1_000
    assert influx2.buckets["twice"]["retentionRules"][0]["everySeconds"] == 2 * 86_400
    names = [task["name"] for task in influx2.tasks.values() if "_twice_" in task["name"]]
    assert sorted(names) == [f"idroserra_twice_{name}" for name in ("15m", "1d", "1h", "1m")]
    for each in (store, again):
        each.close()


def test_a_token_of_one_bucket_serves_the_host_and_the_host_says_once_what_it_misses(
    influx2, caplog
):
    whole = open_store(influx2, "whole")
    init(whole)
    influx2.tokens["host-token"] = {"whole"}
    store = open_store(influx2, "whole", token="host-token")
    readings = hours(T0, 3)
    with caplog.at_level(logging.WARNING):
        write_samples(store, readings, [])
        for _ in range(3):
            assert len(drawn(store, T0, T0 + DAY_MS, HOUR_MS)) == 3
            assert not store.maintain(NOW)
    logged, = [record.message for record in caplog.records if "may not read" in record.message]
    assert all(f"whole/{policy}" in logged for policy in POLICIES)
    influx2.tokens["host-token"] |= {f"whole/{policy}" for policy in POLICIES}
    write_samples(store, readings, [])
    while store.maintain(NOW):
        pass
    (_, count), = influx2.run("whole", 'SELECT sum(count_ph) FROM "daily".sample_1d')
    assert count == 3 * 60
    for each in (store, whole):
        each.close()


@pytest.mark.parametrize(("change", "why"), [
    ({"token": "unknown"}, "HTTP 401.*its token"),
    ({"org": "elsewhere"}, "neither the organisation 'elsewhere'.*read on organisations"),
    ({"token": "no-orgs"}, "neither the organisation 'farm'.*read and write on buckets"),
])
def test_what_a_token_of_init_lacks_is_named(influx2, change, why):
    influx2.tokens["no-orgs"] = set()
    store = open_store(influx2, "unseen", **change)
    with pytest.raises(StoreUnavailable, match=why):
        init(store)
    store.close()


def test_flux_that_fails_in_a_200_keeps_the_mark_of_its_hour(influx2, store, monkeypatch):
    init(store)
    write_samples(store, hours(T0, 1), [])
    for answer, why in (
        ("#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n"
         ",out of memory,897\r\n", ": out of memory$"),
        ("\r\n,error,reference\r\n,the bucket is closed,\r\n", ": the bucket is closed$"),
        ("<html><h1>Welcome</h1></html>", "not from a database"),
        ("<html><h1>Welcome, log in, please</h1></html>", "not from a database"),
    ):
        monkeypatch.setattr(influx2, "flux_answer", answer)
        with pytest.raises(StoreUnavailable, match=why):
            store.maintain(NOW)
    monkeypatch.undo()
    assert store.maintain(NOW)
    assert not store.maintain(NOW)


def test_a_bucket_that_is_missing_is_named_with_what_to_do(influx2):
    store = open_store(influx2, "nosuch")
    with pytest.raises(StoreRejected, match="'nosuch' does not exist.*store.md"):
        store.info()
    with pytest.raises(StoreUnavailable, match='bucket "nosuch" not found.*store.md'):
        write_samples(store, hours(T0, 1), [])
    store.close()
