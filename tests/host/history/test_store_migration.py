"""Databases that an older version made are brought up to date; those of a newer one left alone."""

import random
import sqlite3
from contextlib import closing

import pytest

from idroserra.core.errors import StoreUnavailable
from idroserra.history.models import EventPoint
from idroserra.history.sqlite.store import SqliteStore
from support.store_rig import DAY_MS, MINUTE_MS, NODE, PH, T0, count, maintain, raw, rolled

# The tables as version 1 made them.
VERSION_1 = """
CREATE TABLE series (
    series INTEGER PRIMARY KEY, node TEXT NOT NULL, channel TEXT NOT NULL, UNIQUE (node, channel)
);
CREATE TABLE samples (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL, scaled INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE rollup_1m (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE rollup_15m (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE events (
    node TEXT NOT NULL, boot_id TEXT NOT NULL, seq INTEGER NOT NULL, unix_us INTEGER NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (node, boot_id, seq)
) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (node, unix_us);
"""
ROLL_1 = "INSERT INTO rollup_{0} SELECT series, unix_ms / {1} * {1} AS b, {2} GROUP BY series, b"


def make_version_1(path, values):
    """Make a database as version 1 left it."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA auto_vacuum=INCREMENTAL")
    database.executescript(VERSION_1)
    database.execute("INSERT INTO series VALUES (1, ?, ?)", (NODE, PH))
    database.executemany("INSERT INTO samples VALUES (1,?,?)", [
        (at, round(value * 1_000)) for at, value in values.items()])
    database.execute(ROLL_1.format("1m", MINUTE_MS, "min(scaled), max(scaled), sum(scaled),"
                                   " count(*) FROM samples"))
    database.execute(ROLL_1.format("15m", 15 * MINUTE_MS, "min(low), max(high), sum(total),"
                                   " sum(count) FROM rollup_1m"))
    database.execute("INSERT INTO events VALUES (?,?,?,?,?,?)",
                     (NODE, "b1", 1, T0 * 1_000 + 1, "boot", '{"reset": "power_on"}'))
    database.commit()
    database.close()


def test_a_database_of_version_1_is_brought_up_to_date(tmp_path):
    rng = random.Random(5)
    values = {T0 + at * 47_000: rng.randrange(4_000, 8_000) / 1_000 for at in range(4_000)}
    make_version_1(tmp_path / "store.db", values)
    for _ in range(2):  # once brought up to date, opened as it is
        store = SqliteStore(tmp_path / "store.db")
        assert raw(store) == sorted(values.items())
        for columns, width_ms in ((4_321, MINUTE_MS), (289, 15 * MINUTE_MS), (4, DAY_MS)):
            drawn = store.series(NODE, [PH], T0, T0 + 3 * DAY_MS, columns)[PH]
            assert drawn == rolled(values, width_ms)
        assert store.latest(NODE)[PH] == max(values.items())
        assert store.events(NODE, T0, T0 + 1) == [
            EventPoint(NODE, T0 * 1_000 + 1, 1, "b1", "boot", {"reset": "power_on"})]
        maintain(store)
        assert count(store, "samples") == 0
        store.close()


def test_a_file_of_an_earlier_host_gets_the_index_of_kinds(tmp_path):
    SqliteStore(tmp_path / "store.db").close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("DROP INDEX events_by_kind")
        SqliteStore(tmp_path / "store.db").close()
        assert database.execute(
            "SELECT 1 FROM sqlite_schema WHERE name='events_by_kind'").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_old_database(tmp_path):
    file = tmp_path / "store.db"
    make_version_1(file, {T0: 6.0})
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE packed (something_else)")  # in the way
    database.commit()
    database.close()
    with pytest.raises(StoreUnavailable, match="packed"):
        SqliteStore(file)
    database = sqlite3.connect(file)
    assert database.execute("PRAGMA user_version").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM rollup_1m").fetchone() == (1,)
    database.execute("DROP TABLE packed")
    database.commit()
    database.close()
    store = SqliteStore(file)
    assert raw(store) == [(T0, 6.0)]
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    SqliteStore(tmp_path / "store.db").close()
    database = sqlite3.connect(tmp_path / "store.db")
    database.execute("PRAGMA user_version=9")
    database.close()
    with pytest.raises(StoreUnavailable, match="is of a newer Idroserra"):
        SqliteStore(tmp_path / "store.db")
