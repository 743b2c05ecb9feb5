"""The upkeep of the embedded store: packs closed hours, forgets what is old, gives disk back.

Each function is one transaction at most, short enough for a writer to wait for, and right where it
stands: killed at any instant nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from idroserra.core.config import KeepConfig
from idroserra.history.sqlite.codec import (
    HOUR_MS,
    MINUTE_MS,
    Damaged,
    Points,
    better,
    pack_minutes,
    pack_points,
    roll_up,
    unpack_minutes,
)
from idroserra.history.sqlite.write import DAY_MS, place

# An hour is closed when this has passed since its end: most late records have come by then.
GRACE_MS = 5 * 60_000
MOST_SERIES = 200  # packed in one transaction
MOST_PLACES = 5_000  # forgotten in one transaction
# Free pages are used again; so many more than that go back to the disk, some at a time.
SPARE_PAGES = 256
SPARE_SHARE = 4
STEP_PAGES = 2_048


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Do what is within, all of it or nothing. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def pack_oldest(database: sqlite3.Connection, now_unix_ms: int) -> bool:
    """Pack the oldest closed hour that is still rows; False where there is none."""
    oldest = database.execute(
        "SELECT min((SELECT min(unix_ms) FROM samples AS s WHERE s.series = series.series))"
        " FROM series").fetchone()[0]
    if oldest is None:
        return False
    hour_ms = oldest // HOUR_MS * HOUR_MS
    if hour_ms + HOUR_MS + GRACE_MS > now_unix_ms:
        return False
    with transaction(database):
        found = database.execute(
            "SELECT series FROM series WHERE EXISTS (SELECT 1 FROM samples AS s"
            " WHERE s.series = series.series AND s.unix_ms >= ? AND s.unix_ms < ?) LIMIT ?",
            (hour_ms, hour_ms + HOUR_MS, MOST_SERIES)).fetchall()
        for (series,) in found:
            pack_hour(database, series, hour_ms)
    return True


def pack_hour(database: sqlite3.Connection, series: int, hour_unix_ms: int) -> None:
    """Turn the rows of an hour of a series into blobs. Within a transaction of the caller."""
    span = (series, hour_unix_ms, hour_unix_ms + HOUR_MS)
    rows = database.execute(
        "SELECT unix_ms, scaled FROM samples WHERE series = ? AND unix_ms >= ? AND unix_ms < ?"
        " ORDER BY unix_ms", span).fetchall()
    if not rows:
        return
    points = Points([row[0] for row in rows], [row[1] for row in rows])
    at = place(series, hour_unix_ms)
    minutes = roll_up(points, MINUTE_MS)
    known = database.execute("SELECT body FROM packed_1m WHERE place = ?", (at,)).fetchone()
    if known is not None:  # of an hour opened again, or whose points were forgotten
        with suppress(Damaged):
            minutes = better(unpack_minutes(known[0], hour_unix_ms), minutes)
    database.execute("INSERT OR REPLACE INTO packed VALUES (?,?,?)",
                     (at, len(rows), pack_points(points, hour_unix_ms)))
    database.execute("INSERT OR REPLACE INTO packed_1m VALUES (?,?)",
                     (at, pack_minutes(minutes, hour_unix_ms)))
    database.execute("DELETE FROM samples WHERE series = ? AND unix_ms >= ? AND unix_ms < ?", span)


def forget(database: sqlite3.Connection, keep: KeepConfig, now_unix_ms: int) -> bool:
    """Forget some of what is older than it is kept; False where nothing was left to forget.

    Days are counted from the newest point, or from now where that lies in the future: neither a
    clock nor a node that is wrong alone makes anything forgotten."""
    newest = database.execute(
        "SELECT max((SELECT max(unix_ms) FROM rollup_15m AS r WHERE r.series = series.series))"
        " FROM series").fetchone()[0]
    now_unix_ms = min(now_unix_ms, newest or 0)
    busy = False
    for table, resolution, days in (("packed", "raw", keep.raw_days),
                                    ("packed_1m", "1m", keep.minutes_days)):
        before_ms = _before(days, now_unix_ms, HOUR_MS)
        with transaction(database):
            gone = database.execute(
                f"DELETE FROM {table} WHERE place IN (SELECT place FROM {table} WHERE place < ?"
                f" ORDER BY place LIMIT {MOST_PLACES})", (place(0, before_ms),)).rowcount
            _note(database, resolution, before_ms if gone else 0)
        busy = busy or gone > 0
    for table, resolution, days in (("rollup_15m", "15m", keep.quarters_days),
                                    ("rollup_1d", "1d", keep.daily_days)):
        before_ms = _before(days, now_unix_ms, DAY_MS)
        with transaction(database):
            gone = database.execute(  # a seek a series: the tables are in order of series
                f"DELETE FROM {table} WHERE (series, unix_ms) IN (SELECT t.series, t.unix_ms"
                f" FROM series CROSS JOIN {table} AS t ON t.series = series.series"
                " AND t.unix_ms < ?)", (before_ms,)).rowcount
            _note(database, resolution, before_ms if gone else 0)
        busy = busy or gone > 0
    if keep.events_days:
        before_us = _before(keep.events_days, now_unix_ms, 1) * 1_000
        with transaction(database):
            database.execute("DELETE FROM events WHERE unix_us < ?", (before_us,))
    return busy


def shrink(database: sqlite3.Connection, spare_pages: int | None = None) -> bool:
    """Give some free pages back to the disk; False where no more than the spare ones are free."""
    free = int(database.execute("PRAGMA freelist_count").fetchone()[0])
    if spare_pages is None:
        pages = int(database.execute("PRAGMA page_count").fetchone()[0])
        spare_pages = max(SPARE_PAGES, pages // SPARE_SHARE)
    if free <= spare_pages:
        return False
    # A page a step, and no rows: execute() would free a single page.
    database.executescript(f"PRAGMA incremental_vacuum({min(free - spare_pages, STEP_PAGES)})")
    return True


def _before(days: int, now_unix_ms: int, width_ms: int) -> int:
    """Return before which instant nothing is kept, 0 where all is."""
    return 0 if days == 0 else max(0, now_unix_ms - days * DAY_MS) // width_ms * width_ms


def _note(database: sqlite3.Connection, resolution: str, from_unix_ms: int) -> None:
    """Note from when on a resolution is whole: charts before that take a coarser one."""
    if from_unix_ms:
        database.execute(
            "INSERT INTO kept VALUES (?,?) ON CONFLICT DO UPDATE SET"
            " from_unix_ms = max(from_unix_ms, excluded.from_unix_ms)",
            (resolution, from_unix_ms))
