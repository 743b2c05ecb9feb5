"""Tables of the SQLite store and their migration. Described in docs/store.md."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from idroserra.core.errors import StoreUnavailable
from idroserra.core.sqlite import connect

VERSION = 2
# A place is hour << PLACE_BITS | series: old rows are adjacent and are deleted as whole pages.
PLACE_BITS = 31

_ROLLUP = """
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
"""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS series (series INTEGER PRIMARY KEY, node TEXT NOT NULL,"
    " channel TEXT NOT NULL, UNIQUE (node, channel))",
    "CREATE TABLE IF NOT EXISTS samples (series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,"
    " scaled INTEGER NOT NULL, PRIMARY KEY (series, unix_ms)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS events (node TEXT NOT NULL, boot_id TEXT NOT NULL,"
    " seq INTEGER NOT NULL, unix_us INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,"
    " PRIMARY KEY (node, boot_id, seq)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS events_by_time ON events (node, unix_us)",
    "CREATE TABLE packed (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE packed_1m (place INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    f"CREATE TABLE rollup_15m ({_ROLLUP}) WITHOUT ROWID",
    f"CREATE TABLE rollup_1d ({_ROLLUP}) WITHOUT ROWID",
    "CREATE TABLE kept (resolution TEXT PRIMARY KEY, from_unix_ms INTEGER NOT NULL)",
)
# A file of an earlier host of version 2 lacks it. It holds the newest events of a kind together.
_EVENTS_BY_KIND = (
    "CREATE INDEX IF NOT EXISTS events_by_kind ON events (node, kind, unix_us)")
# Version 1 had no user_version, kept raw rows for ever, and its roll-ups had no last value.
_FROM_1 = (
    "ALTER TABLE rollup_15m RENAME TO rollup_15m_of_1",
    *_TABLES,
    "INSERT INTO rollup_15m SELECT series, unix_ms, count, low, high, total,"
    " (SELECT scaled FROM samples AS s WHERE s.series = r.series"
    "  AND s.unix_ms < r.unix_ms + 900000 ORDER BY s.unix_ms DESC LIMIT 1)"
    " FROM rollup_15m_of_1 AS r",
    "INSERT INTO rollup_1d SELECT series, unix_ms / 86400000 * 86400000 AS day, sum(count),"
    " min(low), max(high), sum(total), (SELECT last FROM rollup_15m AS q"
    "  WHERE q.series = r.series AND q.unix_ms < r.unix_ms / 86400000 * 86400000 + 86400000"
    "  ORDER BY q.unix_ms DESC LIMIT 1)"
    " FROM rollup_15m AS r GROUP BY series, day",
    "DROP TABLE rollup_15m_of_1",
    "DROP TABLE rollup_1m",
)

_log = logging.getLogger("idroserra")


def open_database(path: Path) -> sqlite3.Connection:
    """Return the writing connection; creates or migrates the tables in one transaction.

    Raises StoreUnavailable for a file of a newer version, OSError, sqlite3.Error."""
    database = connect(path, "")
    try:
        database.execute("BEGIN IMMEDIATE")
        found = version_of(database)
        if found > VERSION:
            raise StoreUnavailable(
                f"{path}: version {found} is of a newer Idroserra; this one supports {VERSION}")
        if found == 1:
            _log.info("%s: migrating from version 1 to %d", path, VERSION)
        for statement in (*{0: _TABLES, 1: _FROM_1}.get(found, ()), _EVENTS_BY_KIND):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.close()  # rolls the transaction back
        raise
    return database


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of the tables, or 0 if there are none. Raises sqlite3.Error."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version:
        return version
    query = "SELECT count(*) FROM sqlite_schema WHERE name = 'rollup_1m'"
    return 1 if database.execute(query).fetchone()[0] else 0
