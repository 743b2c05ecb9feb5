"""The embedded store: idempotent, roll-ups right in any order, quick over two weeks."""

import math
import random
import time

import pytest

from idroserra.core.errors import StoreRejected
from idroserra.core.reasons import Reason, reason_from_json, sentence
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from support.samples import write_samples
from support.store_rig import sqlite_store

NODE = "idro-a1"
T0 = 1_795_507_200_000
DAY_MS = 86_400_000

store = sqlite_store


def ph(at_ms, value, node=NODE):
    return SamplePoint(node, "reservoir.ph", T0 + at_ms, value)


def event(seq, at_ms, kind="dosed", **detail):
    return EventPoint(NODE, (T0 + at_ms) * 1000 + seq % 1000, seq, "b1", kind, detail)


def test_an_event_keeps_a_reason_with_values_or_the_sentence_of_an_earlier_version(store):
    why = Reason("ph_low_blocked", why=Reason("water_low", level_mm=80, low_mm=100))
    events = [event(1, 0, "decided", loop="ph", reason=why.as_json()),
              event(2, 5, "decided", loop="ph", reason="held: water is low, 80 of 100 mm")]
    write_samples(store, [], events)
    assert store.events(NODE, T0, T0 + 1000) == events
    assert [reason_from_json(one.detail["reason"]) for one in store.events(NODE, T0, T0 + 9)] == [
        why, sentence("held: water is low, 80 of 100 mm")]


def test_a_write_repeated_changes_nothing(store):
    points = [ph(i * 10_000, 6 + i / 1000) for i in range(500)]
    events = [event(1, 0, actuator="ph_down", volume_ul=2000), event(2, 5, "boot")]
    for _ in range(3):
        write_samples(store, points, events)
    for columns in (50, 1000):
        means = store.series(NODE, ["reservoir.ph"], T0, T0 + 5_000_000, columns)
        assert len(means["reservoir.ph"]) <= columns
    raw = store.series(NODE, ["reservoir.ph"], T0, T0 + 5_000_000, 100_000)["reservoir.ph"]
    assert len(raw) == 500
    assert store.events(NODE, T0, T0 + 1000) == events


@pytest.mark.parametrize("columns", [100_000, 400, 15])
def test_columns_hold_least_mean_and_most_whatever_the_order_of_arrival(store, columns):
    rng = random.Random(7)
    points = [ph(i * 10_000 + rng.randrange(3_000), round(rng.uniform(4, 8), 3))
              for i in range(2_000)]
    shuffled = points[:]
    rng.shuffle(shuffled)
    for at in range(0, len(shuffled), 37):
        write_samples(store, shuffled[at : at + 37], [])
    end = T0 + 20_000_000
    found = store.series(NODE, ["reservoir.ph"], T0, end, columns)["reservoir.ph"]
    assert found == sorted(found)
    assert len(found) <= columns
    count = 0
    for at, column in enumerate(found):
        until = found[at + 1].unix_ms if at + 1 < len(found) else end
        inside = [p.value for p in points if column.unix_ms <= p.unix_ms < until]
        count += len(inside)
        assert column.min == min(inside)
        assert column.max == max(inside)
        assert math.isclose(column.mean, sum(inside) / len(inside))
    assert count == len(points)


def test_a_value_corrected_later_corrects_the_roll_ups(store):
    write_samples(store, [ph(0, 9.0), ph(10_000, 5.0)], [])
    write_samples(store, [ph(0, 6.0)], [])
    column, = store.series(NODE, ["reservoir.ph"], T0, T0 + DAY_MS, 10)["reservoir.ph"]
    assert column[1:] == (5.0, 5.5, 6.0)


def test_every_channel_asked_for_is_answered_and_no_other_node(store):
    write_samples(store, [ph(0, 6.0), ph(0, 7.0, "idro-b2")], [])
    found = store.series(NODE, ["reservoir.ph", "air.temp_c"], T0, T0 + 1000, 100)
    assert [c[1] for c in found["reservoir.ph"]] == [6.0]
    assert found["air.temp_c"] == []
    assert store.series(NODE, ["reservoir.ph"], T0, T0, 100) == {"reservoir.ph": []}


def test_latest_and_kinds(store):
    write_samples(store, [ph(0, 6.0), ph(5_000, 6.125),
                          SamplePoint(NODE, "reservoir.level_mm", T0, 180)],
                  [event(1, 0), event(2, 1, "boot"), event(3, 2, "boot")])
    assert store.latest(NODE) == {
        "reservoir.ph": (T0 + 5_000, 6.125), "reservoir.level_mm": (T0, 180)}
    assert [e.seq for e in store.events(NODE, T0, T0 + 10, ["boot"])] == [2, 3]
    assert [e.seq for e in store.events(NODE, T0, T0 + 10, ["boot"], 1)] == [3]
    assert [e.seq for e in store.events(NODE, T0, T0 + 10, newest=2)] == [2, 3]
    assert [e.seq for e in store.events(NODE, T0, T0 + 10, oldest=2)] == [1, 2]
    assert [e.seq for e in store.events(NODE, T0, T0 + 10, ["boot"], oldest=1)] == [2]
    assert store.events(NODE, T0, T0 + 10, []) == []
    assert store.latest("idro-none") == {}


def test_the_newest_events_of_each_kind(store):
    write_samples(store, [], [event(1, 0, "latched"), event(2, 1, "gap"), event(3, 2, "gap"),
                              event(4, 3, "gap"), event(5, 4, "boot")])

    def seqs(kinds, count, start=T0, end=T0 + 10):
        return [e.seq for e in store.newest_events(NODE, start, end, kinds, count)]

    assert seqs(["gap", "latched"], 1) == [1, 4]
    assert seqs(["gap", "latched"], 2) == [1, 3, 4]
    assert seqs(["gap", "boot"], 1, end=T0 + 3) == [3]
    assert seqs(["latched"], 1, start=T0 + 1) == []
    assert seqs([], 1) == []


def test_a_bad_channel_is_rejected_and_nothing_of_the_write_stays(store):
    with pytest.raises(StoreRejected):
        write_samples(store, [ph(0, 6.0), SamplePoint(NODE, "x.y", T0, 1)], [])
    assert store.latest(NODE) == {}


def test_what_was_written_is_there_after_opening_again(tmp_path):
    first = SqliteStore(tmp_path / "store.db")
    write_samples(first, [ph(0, 6.0)], [event(1, 0)])
    first.close()
    second = SqliteStore(tmp_path / "store.db")
    write_samples(second, [ph(10_000, 6.5)], [])
    assert second.latest(NODE)["reservoir.ph"] == (T0 + 10_000, 6.5)
    assert len(second.events(NODE, T0, T0 + 1)) == 1
    second.close()


def test_two_weeks_load_and_draw_quickly(store):
    """50,000 values/s written, 6 channels x 14 days x 800 columns drawn under 100 ms, in the CPU
    time of this process: what else runs on the machine is no matter."""
    channels = ["reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "reservoir.level_mm",
                "air.temp_c", "air.rh_pct"]
    record_count = 14 * 1440
    busy_s = 0.0
    for at in range(0, record_count, 700):
        block = [
            SamplePoint(NODE, channel, T0 + i * 60_000, 5 + i % 8)
            for i in range(at, min(at + 700, record_count))
            for channel in channels
        ]
        began_s = time.process_time()
        write_samples(store, block, [])
        busy_s += time.process_time() - began_s
    began_s = time.process_time()
    found = store.series(NODE, channels, T0, T0 + 14 * DAY_MS, 800)
    drawn_s = time.process_time() - began_s
    assert all(600 <= len(columns) <= 800 for columns in found.values())
    assert record_count * len(channels) / busy_s > 50_000
    assert drawn_s < 0.1
