"""More readings of a node than a quarter of an hour takes: dropped, and no work for the others."""

from collections import Counter

from idroserra.core.config import KeepConfig
from idroserra.history.models import EventPoint, Instant
from idroserra.history.sqlite import maintenance, write
from idroserra.history.sqlite.store import SqliteStore
from support.store_rig import DAY_MS, FAR, HOUR_MS, NODE, T0, count, maintain, sqlite_store

CHANNELS = ("air.temp_c", "reservoir.ph")
OTHER = "idro-b2"
QUARTER_MS = write.QUARTER_MS

store = sqlite_store


def instants(times_ms, node=NODE, channels=CHANNELS):
    return [Instant(node, T0 + at_ms, dict.fromkeys(channels, 6.0)) for at_ms in times_ms]


def found(store, node=NODE):
    return len(store.instants(node, T0, T0 + HOUR_MS))


def test_a_full_quarter_takes_no_more_and_the_next_does(store, monkeypatch):
    monkeypatch.setattr(write, "MOST_QUARTER_POINTS", 10)
    assert store.write(instants(range(10)), []) == Counter()
    more = instants([10, 11, QUARTER_MS]) + instants([10], OTHER) + instants([12, 13], channels=(
        "air.rh_pct",))
    assert store.write(more, []) == Counter({NODE: 2})
    assert (found(store), found(store, OTHER)) == (13, 1)


def test_a_reading_beyond_a_full_quarter_opens_no_packed_hour(store, monkeypatch):
    monkeypatch.setattr(write, "MOST_QUARTER_POINTS", 10)
    store.write(instants(range(10)), [])
    maintain(store)
    assert store.write(instants([11]), []) == Counter({NODE: 1})
    assert (count(store, "packed"), count(store, "samples")) == (len(CHANNELS), 0)


def test_expired_events_are_deleted_in_short_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(maintenance, "MAX_EVENTS", 10)
    store = SqliteStore(tmp_path / "kept.db", KeepConfig(events_days=1))
    try:
        store.write(instants([day * DAY_MS for day in range(3, 10)]), [
            EventPoint(node, (T0 + at_ms) * 1_000 + seq, seq, "b1", "gap", {})
            for node, many in ((NODE, 25), (OTHER, 3))
            for seq, at_ms in enumerate([0] * many + [3 * DAY_MS])])
        left = []
        while store.maintain(FAR):
            left.append(count(store, "events"))
        assert left[-3:] == [20, 10, 2]
        assert count(store, "events") == 2
        assert [event.seq for event in store.events(OTHER, T0, FAR)] == [3]
    finally:
        store.close()


def test_a_node_that_sends_as_often_as_settings_allow_loses_nothing(store):
    every_second = instants(range(0, HOUR_MS, 1_000))
    for _ in range(2):  # as after a crash of the host
        assert store.write(every_second, []) == Counter()
    assert store.instants(NODE, T0, T0 + HOUR_MS) == every_second
