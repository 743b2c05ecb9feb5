"""History in the embedded store: packed and opened again, late, killed, old, forgotten."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.core.config import KeepConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.history.maintenance import MaintenanceWorker
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from support import store_under_test as under_test
from support.samples import points_of, write_samples
from support.store_rig import (
    DAY_MS,
    FAR,
    HOUR_MS,
    MINUTE_MS,
    NODE,
    PH,
    T0,
    count,
    maintain,
    ph,
    raw,
    rolled,
    sqlite_store,
)

store = sqlite_store


def test_a_closed_hour_is_packed_and_reads_the_same(store):
    points = [ph(at * 10_000, 6 + at % 50 / 1_000) for at in range(1_000)]
    write_samples(store, points, [])
    before = raw(store), store.latest(NODE), [
        store.series(NODE, [PH], T0, T0 + 3 * HOUR_MS, columns) for columns in (2_000, 181, 13)]
    now = T0 + 2 * HOUR_MS + 6 * MINUTE_MS
    maintain(store, now)
    assert (count(store, "packed"), count(store, "samples")) == (2, 1_000 - 720)
    maintain(store)
    assert (count(store, "packed"), count(store, "samples")) == (3, 0)
    after = raw(store), store.latest(NODE), [
        store.series(NODE, [PH], T0, T0 + 3 * HOUR_MS, columns) for columns in (2_000, 181, 13)]
    assert after == before


def test_late_data_opens_its_hour_and_lands_where_it_belongs(store):
    write_samples(store, [ph(at * 10_000, 6) for at in range(1_080)], [])
    maintain(store)
    late = [ph(HOUR_MS + 5_000, 4), ph(HOUR_MS, 7)]  # one new, one corrected
    write_samples(store, late, [])
    assert (count(store, "packed"), count(store, "samples")) == (2, 361)
    for _ in range(2):
        assert len(raw(store)) == 1_081
        column = store.series(NODE, [PH], T0 + HOUR_MS, T0 + 2 * HOUR_MS, 61)[PH][0]
        assert column == (T0 + HOUR_MS, 4, pytest.approx((4 + 7 + 5 * 6) / 7), 7)
        quarter = store.series(NODE, [PH], T0 + HOUR_MS, T0 + 2 * HOUR_MS, 5)[PH][0]
        assert quarter == (T0 + HOUR_MS, 4, pytest.approx((4 + 7 + 89 * 6) / 91), 7)
        day, = store.series(NODE, [PH], T0, T0 + DAY_MS, 2)[PH]
        assert day == (T0, 4, pytest.approx((4 + 7 + 1_079 * 6) / 1_081), 7)
        maintain(store)
        assert count(store, "samples") == 0


def test_a_replay_of_packed_hours_opens_none(store):
    points = [ph(at * 10_000, 6 + at % 7 / 10) for at in range(1_080)]
    write_samples(store, points, [])
    maintain(store)
    write_samples(store, points, [])
    assert (count(store, "packed"), count(store, "samples")) == (3, 0)
    assert len(raw(store)) == 1_080


steps = st.lists(
    st.one_of(
        st.just("tend"),
        st.lists(st.tuples(st.integers(0, 30 * HOUR_MS), st.integers(0, 14_000)),
                 min_size=1, max_size=40)),
    max_size=12)


@settings(max_examples=40)
@given(steps=steps, seed=st.integers(0, 2**32))
def test_roll_ups_are_those_of_the_raw_points_whatever_the_order(tmp_path_factory, steps, seed):
    store = SqliteStore(tmp_path_factory.mktemp("store") / "store.db")
    try:
        rng = random.Random(seed)
        known = {}
        for step in steps:
            if step == "tend":
                maintain(store, T0 + rng.randrange(40 * HOUR_MS))
                continue
            points = [ph(at_ms, scaled / 1_000) for at_ms, scaled in step]
            write_samples(store, points, [])
            known.update((point.unix_ms, point.value) for point in points)
        assert raw(store) == sorted(known.items())
        for columns, width_ms in ((2_881, MINUTE_MS), (193, 15 * MINUTE_MS), (3, DAY_MS)):
            drawn = store.series(NODE, [PH], T0, T0 + 2 * DAY_MS, columns)[PH]
            assert drawn == rolled(known, width_ms)
    finally:
        store.close()


def test_killed_at_any_instant_nothing_is_lost_and_nothing_doubled(tmp_path):
    """10 to 20 SIGKILLs of a process that writes, also late, and packs: what is durable stays."""
    script = str(Path(under_test.__file__))
    file = tmp_path / "store.db"
    rng = random.Random(11)
    first = kills = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, script, str(file), str(first)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        budget = rng.randrange(1, 4)
        for line in process.stdout:
            if line == "done\n":
                break
            first = int(line)  # a killed run repeats its last block: it may not know it is durable
            budget -= 1
            if budget == 0 and kills < 20:
                process.send_signal(signal.SIGKILL)
                kills += 1
        process.wait(60)
        process.stdout.close()
        if process.returncode == 0:
            break
        check_consistent(file)
    assert kills >= 10
    store = SqliteStore(file)
    expected = under_test.expected()
    for channel in under_test.CHANNELS:
        known = {at: value for (of, at), value in expected.items() if of == channel}
        start, end = min(known), max(known) + 1
        assert points_of(store, NODE, [channel], start, end)[channel] == sorted(known.items())
        for columns, width_ms in ((1_000, MINUTE_MS), (70, 15 * MINUTE_MS)):
            start = min(known) // width_ms * width_ms
            asked = (NODE, [channel], start, start + columns * width_ms, columns + 1)
            assert store.series(*asked)[channel] == rolled(known, width_ms)
    store.close()


def check_consistent(file):
    """An hour of a series is rows or packed, and the file is whole."""
    database = sqlite3.connect(file)
    both = database.execute(
        "SELECT count(*) FROM packed JOIN samples AS s ON s.series = place & 2147483647"
        " AND s.unix_ms / 3600000 = place >> 31").fetchone()[0]
    whole = database.execute("PRAGMA quick_check").fetchone()[0]
    database.close()
    assert (both, whole) == (0, "ok")


def test_each_resolution_is_kept_for_its_time_and_charts_take_what_is_there(tmp_path):
    keep = KeepConfig(raw_days=2, minutes_days=4, quarters_days=8, daily_days=20, events_days=3)
    store = SqliteStore(tmp_path / "store.db", keep)
    for day in range(30):
        write_samples(store, [ph(day * DAY_MS + at * 60_000, 5 + at % 3) for at in range(1_440)],
                      [EventPoint(NODE, (T0 + day * DAY_MS) * 1_000, day, "b1", "boot", {})])
        maintain(store, T0 + day * DAY_MS)
    now = T0 + 30 * DAY_MS
    maintain(store, now)
    assert [round((now - part.oldest_unix_ms) / DAY_MS) for part in store.info().resolutions] == [
        8, 10, 14, 26]  # counted from the seventh day before now
    assert raw(store)[0][0] == now - 8 * DAY_MS
    assert len(store.events(NODE, T0, now)) == 9
    hour = [store.series(NODE, [PH], now - back * DAY_MS, now - back * DAY_MS + HOUR_MS, 3_000)[PH]
            for back in (8, 9, 13, 26, 28)]
    assert [len(columns) for columns in hour] == [60, 60, 4, 1, 0]
    assert all(column.min == 5 and column.max == 7 for columns in hour[2:] for column in columns)
    store.close()


def test_what_comes_when_its_raw_points_are_forgotten_takes_nothing_away(tmp_path):
    store = SqliteStore(tmp_path / "store.db", KeepConfig(raw_days=2))
    newest = [ph(day * DAY_MS, 6.5) for day in range(4, 11)]
    write_samples(store, [*(ph(at * 10_000, 6) for at in range(360)), *newest], [])
    maintain(store, T0 + 10 * DAY_MS)
    assert len(raw(store)) == 7
    drawn = [store.series(NODE, [PH], T0, T0 + HOUR_MS, columns)[PH] for columns in (61, 5)]
    for _ in range(2):
        write_samples(store, [ph(5_000, 14)], [])
        maintain(store, T0 + 10 * DAY_MS)
        assert [store.series(NODE, [PH], T0, T0 + HOUR_MS, n)[PH] for n in (61, 5)] == drawn
    assert len(raw(store)) == 7
    store.close()


def test_the_latest_value_outlives_its_raw_point(tmp_path):
    store = SqliteStore(tmp_path / "store.db", KeepConfig(raw_days=2))
    write_samples(store, [ph(at * 10_000, 6) for at in range(360)], [])
    write_samples(store, [
        SamplePoint("idro-b2", PH, T0 + day * DAY_MS, 7) for day in range(4, 11)], [])
    maintain(store, T0 + 10 * DAY_MS)
    assert store.latest(NODE) == {PH: (T0 + 45 * MINUTE_MS, 6)}
    store.close()


def test_the_file_shrinks(tmp_path):
    file = tmp_path / "store.db"
    store = SqliteStore(file, KeepConfig(raw_days=1, minutes_days=1))
    for day in range(20):
        write_samples(store, [
            SamplePoint(NODE, channel, T0 + day * DAY_MS + at * 10_000, at % 9)
            for channel in (PH, "air.temp_c", "reservoir.temp_c") for at in range(8_640)], [])
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    most = file.stat().st_size
    maintain(store, T0 + 20 * DAY_MS)
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    packed = file.stat().st_size
    assert packed < most / 2
    store.compact()
    compacted = file.stat().st_size
    assert compacted < packed
    assert len(raw(store)) == 7 * 8_640
    assert store._reader.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    store.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, 1e9])
def test_what_is_no_number_is_refused(store, value):
    with pytest.raises(StoreRejected):
        write_samples(store, [ph(0, 6.0), ph(1, value)], [])
    assert raw(store) == []


@pytest.mark.parametrize("at_ms", [-T0 - 1, 2**60])
def test_what_is_no_time_is_refused(store, at_ms):
    with pytest.raises(StoreRejected, match="is not a valid time"):
        write_samples(store, [ph(at_ms, 6.0)], [])


def test_the_least_and_the_most_that_is_taken_comes_back(tmp_path):
    for_ever = dict.fromkeys(KeepConfig.__struct_fields__, 0)
    store = SqliteStore(tmp_path / "store.db", KeepConfig(**for_ever))
    points = [ph(0, -0.0), SamplePoint(NODE, PH, 0, 14), SamplePoint(NODE, PH, 2**53, 7.125)]
    event = EventPoint(NODE, 2**53 * 1_000 + 991, 2**53 - 1, "b1", "boot", {})
    write_samples(store, points, [event])
    maintain(store, 2**54)
    assert count(store, "samples") == 0
    assert raw(store, 0, 2**53 + 1) == [(0, 14), (T0, 0), (2**53, 7.125)]
    assert store.events(NODE, 0, 2**53 + 1) == [event]
    assert store.latest(NODE) == {PH: (2**53, 7.125)}
    store.close()


@pytest.mark.parametrize(("clock_ms", "point_ms"), [(FAR + 9_000 * DAY_MS, HOUR_MS),
                                                    (FAR, FAR + 9_000 * DAY_MS)])
def test_neither_a_wrong_clock_nor_a_wrong_node_makes_anything_forgotten(
        store, clock_ms, point_ms):
    write_samples(store, [ph(0, 6), ph(point_ms, 6)], [])
    maintain(store, clock_ms)
    assert len(raw(store, T0, 2**53)) == 2


def test_a_clock_that_jumps_deletes_nothing_and_what_expired_is_deleted_within_days(tmp_path):
    """The host dates a boot by its own clock, so that a reading is as far ahead as the clock."""
    store = SqliteStore(tmp_path / "store.db", KeepConfig(raw_days=20, events_days=20))

    def run_day(at_ms, seq):
        write_samples(store, [ph(at_ms, 6)], [
            EventPoint(NODE, (T0 + at_ms) * 1_000, seq, "b1", "boot", {})])
        maintain(store, T0 + at_ms + DAY_MS // 2)
        return len(raw(store, 0, 2**53)), len(store.events(NODE, 0, 2**53))

    for day in range(10):
        run_day(day * DAY_MS, day)
    for number, ahead_days in enumerate((300, 900, 9_000, 40_000)):
        assert run_day(ahead_days * DAY_MS, 100 + number) == (11 + number, 11 + number)
    maintain(store, T0 + 10 * DAY_MS)
    left = [run_day((200 + day) * DAY_MS, 200 + day) for day in range(8)]  # off for months
    assert left[:6] == [(15 + day, 15 + day) for day in range(6)]
    assert left[6:] == [(11, 11), (12, 12)]  # of which four are of the future
    store.close()


def test_a_damaged_hour_is_said_and_holds_up_nothing_else(store):
    write_samples(store, [ph(at * 10_000, 6) for at in range(1_080)], [])
    maintain(store)
    store._writer.execute("UPDATE packed SET body = zeroblob(40) WHERE place IN"
                          " (SELECT place FROM packed ORDER BY place LIMIT 1)")
    with pytest.raises(StoreUnavailable, match="restore a backup"):
        raw(store)
    assert len(raw(store, T0 + HOUR_MS)) == 720
    with pytest.raises(StoreRejected, match="packed hour of a late point"):
        write_samples(store, [ph(5_000, 6)], [])
    write_samples(store, [ph(HOUR_MS + 5_000, 6)], [])
    assert len(raw(store, T0 + HOUR_MS)) == 721
    maintain(store)
    assert count(store, "samples") == 0


def test_the_thread_of_the_host_packs_and_ends_when_asked(tmp_path, eventually):
    store = SqliteStore(tmp_path / "store.db")
    write_samples(store, [ph(at * 10_000, 6) for at in range(1_080)], [])
    upkeep = MaintenanceWorker(store, lambda: FAR)
    thread = threading.Thread(target=upkeep.run)
    thread.start()
    eventually(lambda: count(store, "packed") == 3, 60, "all is packed")
    upkeep.stop()
    thread.join(60)
    assert not thread.is_alive()
    store.close()
