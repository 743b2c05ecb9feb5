"""More readings or events of a node than a quarter of an hour takes: dropped, and no work for the
others."""

from collections import Counter

import pytest

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


def events(kind, at_ms, many, node=NODE, boot_id="b1"):
    return [EventPoint(node, (T0 + at_ms) * 1_000 + seq, seq, boot_id, kind, {})
            for seq in range(many)]


def test_a_quarter_with_enough_events_takes_no_more_and_the_next_does(store, monkeypatch):
    monkeypatch.setattr(write, "MOST_QUARTER_EVENTS", 10)
    assert store.write([], events("decided", 0, 7)) == Counter()
    more = [*events("gap", QUARTER_MS - 1, 5, boot_id="b2"), *events("gap", QUARTER_MS, 10,
            boot_id="b3"), *events("decided", 0, 10, OTHER)]
    assert store.write(instants([0]), more) == Counter({NODE: 2})
    assert store.write([], events("ran", 5, 4, boot_id="b4")) == Counter({NODE: 4})
    assert [len(store.events(node, T0, T0 + HOUR_MS)) for node in (NODE, OTHER)] == [20, 10]


@pytest.mark.parametrize("kind", sorted(write.SAFETY_EVENTS))
def test_no_other_event_displaces_one_of_safety(store, monkeypatch, kind):
    monkeypatch.setattr(write, "MOST_QUARTER_EVENTS", 10)
    store.write([], events("decided", 0, 100))
    assert store.write([], events(kind, 1, 1, boot_id="b2")) == Counter()
    assert store.write([], events(kind, 2, 12, boot_id="b3")) == Counter({NODE: 3})
    kinds = Counter(one.kind for one in store.events(NODE, T0, T0 + HOUR_MS))
    assert kinds == Counter({"decided": 10, kind: 10})


def test_events_that_are_written_again_count_once(store, monkeypatch):
    monkeypatch.setattr(write, "MOST_QUARTER_EVENTS", 10)
    for _ in range(3):  # as after crashes of the host
        assert store.write([], events("decided", 0, 10)) == Counter()
    assert count(store, "events") == 10


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
