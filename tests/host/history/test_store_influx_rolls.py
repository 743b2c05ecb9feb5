"""Retention and downsampling in InfluxDB 1.x and 2.x: policies, late points, charts."""

import time

import pytest

from idroserra.core.config import KeepConfig
from idroserra.history.influx.columns import plan_columns
from idroserra.history.influx.downsampling_v1 import HOURS, LATE_MS, ROLLUPS
from idroserra.history.models import EventPoint, SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from support.influx2 import TOKEN
from support.samples import points_of, write_samples

NODE = "idro-a1"
CHANNELS = ["reservoir.ph", "reservoir.ec_us_cm", "air.temp_c"]
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NOW = time.time_ns() // 1_000_000
T0 = (NOW - 40 * DAY_MS) // DAY_MS * DAY_MS


@pytest.fixture
def store(database):
    return database.open()


def init(store):
    return store.init(lambda *_: None)


def points(start_ms, count, every_ms):
    return [SamplePoint(NODE, channel, start_ms + at * every_ms, value(channel, at))
            for at in range(count) for channel in CHANNELS]


def value(channel, at):
    return 1_500 + at % 90 if channel.endswith("cm") else round(5 + at % 70 / 40, 3)


def charts(store, start=T0, days=6):
    """Charts of columns of a minute to a day: of each roll-up, read and computed."""
    return [{channel: [(c.unix_ms, c.min, pytest.approx(c.mean), c.max) for c in of]
             for channel, of in store.series(
                 NODE, CHANNELS, start, start + span_ms, span_ms // width_ms + 1).items()}
            for span_ms, width_ms in (
                (DAY_MS // 4, MINUTE_MS), (DAY_MS // 4, 2 * MINUTE_MS),
                (DAY_MS // 4, 7 * MINUTE_MS), *(
                    (days * DAY_MS, width_min * MINUTE_MS)
                    for width_min in (15, 54, 60, 75, 105, 360, 480, 1_440)))]


def is_from(store, query):
    """Return how many rows a query of the database gives."""
    return len(store._query(query, "ms"))


def test_charts_from_roll_ups_are_those_of_the_embedded_store(database, store, tmp_path):
    """What was there before `store init`, what comes late after it, and what is corrected."""
    embedded = SqliteStore(tmp_path / "store.db")
    before = points(T0, 4_000, 97_000)
    late = points(T0 + DAY_MS + 1_000, 700, 31_000)
    corrected = [SamplePoint(NODE, "reservoir.ph", T0, 14.0)]
    write_samples(store, before, [])
    init(store)
    write_samples(embedded, before, [])
    assert charts(store) == charts(embedded)
    for more in (late, corrected, late):
        write_samples(store, more, [EventPoint(NODE, T0 * 1_000, 1, "b1", "boot", {})])
        write_samples(embedded, more, [])
        assert is_from(store, "SELECT due FROM late") > 0
        while store.maintain(NOW):
            pass
        assert is_from(store, "SELECT due FROM late") == 0
        assert charts(store) == charts(embedded)
    database.delete(f"WHERE time < {NOW}000000")
    assert is_from(store, "SELECT ph FROM sample") == 0
    assert charts(store) == charts(embedded)  # they are made of roll-ups alone
    embedded.close()


@pytest.mark.parametrize(("asked_min", "width_min", "of"), [
    (1, 1, "1m"), (14.9, 15, "15m"), (16, 30, "15m"), (31, 45, "15m"), (54, 60, "1h"),
    (72, 75, "15m"), (241, 300, "1h"), (700, 720, "1h"), (1_430, 1_440, "1d"),
    (1_500, 2_880, "1d"),
])
def test_a_chart_is_drawn_of_the_coarsest_that_fits(asked_min, width_min, of):
    policies = {rolled.policy for rolled in ROLLUPS}
    cut = plan_columns(int(asked_min * MINUTE_MS), policies)
    assert (cut.width_ms, cut.rolled[0].name) == (width_min * MINUTE_MS, of)
    before = plan_columns(int(asked_min * MINUTE_MS), policies - {HOURS.policy})
    assert asked_min * MINUTE_MS <= before.width_ms
    assert "1h" not in {rolled.name for rolled in before.rolled}


def test_a_chart_of_what_has_expired_is_drawn_of_what_is_kept_longer(database, tmp_path):
    keep = {"raw_days": 7, "minutes_days": 28}
    store = database.open(**keep)
    embedded = SqliteStore(tmp_path / "store.db", KeepConfig(**keep))
    old = points(T0, 4_000, 97_000)
    for kept in (store, embedded):
        write_samples(kept, [*old, *points(NOW - 6 * DAY_MS - MINUTE_MS, 7, DAY_MS)], [])
    init(store)
    while embedded.maintain(NOW):
        pass
    database.delete(f"WHERE time < {NOW - DAY_MS}000000")  # as the retention does
    drawn = charts(store)
    assert drawn == charts(embedded)
    assert len(drawn[0]["reservoir.ph"]) == 24  # of six hours
    embedded.close()


def test_the_newest_columns_are_there_before_they_are_rolled_up(store):
    init(store)
    now = time.time_ns() // 1_000_000
    write_samples(store, [SamplePoint(NODE, "reservoir.ph", now - 20 * MINUTE_MS + at * 10_000, 6)
                   for at in range(60)], [])
    for columns, least in ((61, 10), (7, 1)):
        drawn = store.series(NODE, ["reservoir.ph"], now - 60 * MINUTE_MS, now, columns)
        times = [column.unix_ms for column in drawn["reservoir.ph"]]
        assert len(times) >= least
        assert times == sorted(set(times))
        assert {column.mean for column in drawn["reservoir.ph"]} == {6}


@pytest.mark.parametrize("width_min", [60, 360, 1_440])
def test_what_is_too_new_for_hours_is_drawn_of_minutes(database, store, tmp_path, width_min):
    init(store)
    now = time.time_ns() // 1_000_000
    embedded = SqliteStore(tmp_path / "store.db")
    for kept in (store, embedded):
        write_samples(kept, points(now - 4 * DAY_MS, 4 * 24 * 60, MINUTE_MS), [])
    init(store)  # rolls up what is there
    start = (now - 5 * DAY_MS) // DAY_MS * DAY_MS
    database.delete(f"WHERE time < {now - LATE_MS - 3 * MINUTE_MS}000000")
    drawn, wanted = ({channel: [(c.unix_ms, c.min, pytest.approx(c.mean), c.max) for c in of]
                      for channel, of in each.series(
                          NODE, CHANNELS, start, start + 6 * DAY_MS, 6 * 1_440 // width_min + 1
                      ).items()}
                     for each in (store, embedded))
    assert drawn == wanted
    assert len(drawn["reservoir.ph"]) >= 4
    embedded.close()


def test_the_database_rolls_up_what_comes_in_time(database, store, eventually):
    init(store)
    if database.config.get("token") == TOKEN:
        return  # the stand-in runs no tasks
    now = time.time_ns() // 1_000_000
    write_samples(store, [SamplePoint(NODE, "reservoir.ph", now - 5 * MINUTE_MS + at * 1_000, 6.5)
                   for at in range(60)], [])
    assert is_from(store, "SELECT due FROM late") == 0
    eventually(lambda: is_from(store, 'SELECT count_ph FROM "minutes".sample_1m') >= 1, 240,
               "a continuous query has run")


def due_hours(store):
    return {unix_ms // HOUR_MS for unix_ms, _ in store._query("SELECT due FROM late", "ms")}


def test_what_no_continuous_query_covers_after_a_pause_or_a_wrong_clock_is_rolled_up(database):
    """The clock is injected: the database's own runs on."""
    clock = [NOW - 90 * MINUTE_MS]
    store = database.open(now_unix_ms=lambda: clock[0])
    init(store)

    def write(unix_ms):
        write_samples(store, [SamplePoint(NODE, "reservoir.ph", unix_ms, 6.5)], [])
        hours = due_hours(store)
        while store.maintain(clock[0]):
            pass
        return {(hour - T0 // HOUR_MS) * HOUR_MS + T0 for hour in hours}

    # The clock is two hours behind: a reading of the right time is rolled up at once.
    start = T0 + 20 * DAY_MS
    clock[0] = start
    assert write(start) == set()
    assert write(start + 2 * HOUR_MS) == {start + 2 * HOUR_MS}
    assert write(start + 2 * MINUTE_MS) == set()
    # The clock is set: of what seemed to be in time the hours are rolled up.
    clock[0] = start + 2 * HOUR_MS
    assert write(start + 2 * HOUR_MS) == {start - HOUR_MS, start}
    assert is_from(store, f'SELECT count_ph FROM "minutes".sample_1m WHERE time >= {start}000000'
                          f" AND time < {start + HOUR_MS}000000") == 2
    assert write(start + 2 * HOUR_MS + MINUTE_MS) == set()
    # The site is without power for a day.
    clock[0] += DAY_MS
    after = database.open(now_unix_ms=lambda: clock[0])
    write_samples(after, [SamplePoint(NODE, "reservoir.ph", clock[0], 6.5)], [])
    cut = start + 2 * HOUR_MS
    assert due_hours(after) == {(cut - HOUR_MS) // HOUR_MS, cut // HOUR_MS}
    assert after.maintain(clock[0])


def test_retention_follows_the_configuration_and_init_may_be_repeated(database):
    for _ in range(2):
        assert len(init(database.open())) == 9
    other = database.open(raw_days=1, minutes_days=90, daily_days=0)
    init(other)
    kept = {part.name: part.keep_days for part in other.info().resolutions}
    assert kept == {"raw": 1, "1m": 90, "15m": 3_650, "1h": 3_650, "1d": 0}
    if database.major == 1:
        queries = [row[0] for row in database.rows("SHOW CONTINUOUS QUERIES")]
        name = f"idroserra_{database.name}_"
        assert sorted(each for each in queries if each.startswith(name)) == [
            f"{name}{part}" for part in ("15m", "1d", "1h", "1m")]


def test_history_that_is_older_than_minutes_are_kept_is_rolled_up(database):
    store = database.open(raw_days=7, minutes_days=30)
    write_samples(store, [*points(T0, 300, 97_000), *points(NOW - MINUTE_MS, 1, 1)], [])
    init(store)
    assert is_from(store, 'SELECT count_ph FROM "quarters"."sample_15m"') > 30
    assert is_from(store, 'SELECT count_ph FROM "daily"."sample_1d"') == 2


def test_no_reading_expires_before_it_is_rolled_up(database):
    """The database deletes every half hour; years of many nodes take init longer."""
    store = database.open(raw_days=7)
    write_samples(store, points(T0, 3, 97_000), [])
    kept = []
    store.init(lambda *_: kept.append(store.info().resolutions[0].keep_days))
    assert set(kept) == {0}
    assert store.info().resolutions[0].keep_days == 7


def test_what_is_older_than_the_database_keeps_holds_up_nothing(database):
    store = database.open(raw_days=7)
    write_samples(store, [SamplePoint(NODE, "reservoir.ph", NOW, 6)], [])
    init(store)
    written = write_samples(store, [SamplePoint(NODE, "reservoir.ph", T0, 6),
                             SamplePoint(NODE, "reservoir.ph", NOW - DAY_MS, 7)], [])
    assert written == {NODE: 1}
    kept = points_of(store, NODE, ["reservoir.ph"], 0, NOW + 1)["reservoir.ph"]
    assert [value for _, value in kept] == [7, 6]


def test_info_counts_what_is_there(store):
    write_samples(store, points(T0, 100, 10_000),
                  [EventPoint(NODE, T0 * 1_000, 1, "b1", "boot", {})])
    found = store.info()
    assert (found.points, found.events, found.nodes) == (300, 1, 1)
    assert (found.oldest_unix_ms, found.newest_unix_ms) == (T0, T0 + 990_000)
