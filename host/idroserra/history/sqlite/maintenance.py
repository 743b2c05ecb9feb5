"""Maintenance of the SQLite store: packs closed hours, deletes expired data, frees disk space.

Each function runs at most one short transaction at a time, so that writers wait little and a crash
at any instant neither loses nor duplicates data.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from idroserra.core.config import KeepConfig
from idroserra.core.sqlite import transaction
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
from idroserra.history.sqlite.read import NODES_OF_EVENTS
from idroserra.history.sqlite.write import DAY_MS, place

# An hour is closed this long after its end: most late records have arrived by then.
GRACE_MS = 5 * 60_000
# Age counts back from the end of this day with points, the newest being the first.
SURE_DAYS = 7
MAX_SERIES = 200  # packed in one transaction
MAX_PLACES = MAX_EVENTS = 5_000  # deleted in one transaction
# Free pages kept for reuse (at least, and as 1/share of the file), and pages freed per step.
SPARE_PAGES = 256
SPARE_SHARE = 4
STEP_PAGES = 2_048


def pack_oldest(database: sqlite3.Connection, now_unix_ms: int) -> bool:
    """Pack the oldest closed hour that is still rows; False if there is none."""
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
            (hour_ms, hour_ms + HOUR_MS, MAX_SERIES)).fetchall()
        for (series,) in found:
            pack_hour(database, series, hour_ms)
    return True


def pack_hour(database: sqlite3.Connection, series: int, hour_unix_ms: int) -> None:
    """Pack the rows of an hour of a series into blobs, in the caller's transaction."""
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
    if known is not None:  # an hour that was reopened, or whose points have expired
        with suppress(Damaged):
            minutes = better(unpack_minutes(known[0], hour_unix_ms), minutes)
    database.execute("INSERT OR REPLACE INTO packed VALUES (?,?,?)",
                     (at, len(rows), pack_points(points, hour_unix_ms)))
    database.execute("INSERT OR REPLACE INTO packed_1m VALUES (?,?)",
                     (at, pack_minutes(minutes, hour_unix_ms)))
    database.execute("DELETE FROM samples WHERE series = ? AND unix_ms >= ? AND unix_ms < ?", span)


def forget(database: sqlite3.Connection, keep: KeepConfig, now_unix_ms: int) -> bool:
    """Delete some expired data; False if nothing was left to delete.

    Age is relative to _sure_newest(): a clock of host or node that was wrong for less than
    SURE_DAYS deletes nothing that has not expired."""
    now_unix_ms = _sure_newest(database, now_unix_ms)
    busy = False
    for table, resolution, days in (("packed", "raw", keep.raw_days),
                                    ("packed_1m", "1m", keep.minutes_days)):
        before_ms = _before(days, now_unix_ms, HOUR_MS)
        with transaction(database):
            gone = database.execute(
                f"DELETE FROM {table} WHERE place IN (SELECT place FROM {table} WHERE place < ?"
                f" ORDER BY place LIMIT {MAX_PLACES})", (place(0, before_ms),)).rowcount
            _set_whole_from(database, resolution, before_ms if gone else 0)
        busy = busy or gone > 0
    for table, resolution, days in (("rollup_15m", "15m", keep.quarters_days),
                                    ("rollup_1d", "1d", keep.daily_days)):
        before_ms = _before(days, now_unix_ms, DAY_MS)
        with transaction(database):
            gone = database.execute(  # one seek per series: the tables are ordered by series
                f"DELETE FROM {table} WHERE (series, unix_ms) IN (SELECT t.series, t.unix_ms"
                f" FROM series CROSS JOIN {table} AS t ON t.series = series.series"
                " AND t.unix_ms < ?)", (before_ms,)).rowcount
            _set_whole_from(database, resolution, before_ms if gone else 0)
        busy = busy or gone > 0
    if keep.events_days:
        before_us = _before(keep.events_days, now_unix_ms, 1) * 1_000
        with transaction(database):
            gone = database.execute(
                f"DELETE FROM events WHERE (node, boot_id, seq) IN ({NODES_OF_EVENTS}"
                " SELECT e.node, e.boot_id, e.seq FROM nodes CROSS JOIN events AS e"
                " ON e.node = nodes.node AND e.unix_us < ? LIMIT ?)",
                (before_us, MAX_EVENTS)).rowcount
        busy = busy or gone > 0
    return busy


def shrink(database: sqlite3.Connection, spare_pages: int | None = None) -> bool:
    """Free some unused pages; False if no more than the spare pages are unused."""
    free = int(database.execute("PRAGMA freelist_count").fetchone()[0])
    if spare_pages is None:
        pages = int(database.execute("PRAGMA page_count").fetchone()[0])
        spare_pages = max(SPARE_PAGES, pages // SPARE_SHARE)
    if free <= spare_pages:
        return False
    # The pragma frees one page per step and returns no rows: execute() would free one page only.
    database.executescript(f"PRAGMA incremental_vacuum({min(free - spare_pages, STEP_PAGES)})")
    return True


def _sure_newest(database: sqlite3.Connection, now_unix_ms: int) -> int:
    """Return the end of the SURE_DAYS-th newest day with points, or 0 if there are fewer.

    The clock of the host may be ahead, and points that came meanwhile are dated by it."""
    before_ms: int | None = now_unix_ms + 1
    for _ in range(SURE_DAYS):
        before_ms = database.execute(  # one seek per series
            "SELECT max((SELECT max(unix_ms) FROM rollup_1d AS r WHERE r.series = series.series"
            " AND r.unix_ms < ?)) FROM series", (before_ms,)).fetchone()[0]
    return 0 if before_ms is None else before_ms + DAY_MS


def _before(days: int, now_unix_ms: int, width_ms: int) -> int:
    """Return the instant before which data has expired; 0 for unlimited retention."""
    return 0 if days == 0 else max(0, now_unix_ms - days * DAY_MS) // width_ms * width_ms


def _set_whole_from(database: sqlite3.Connection, resolution: str, from_unix_ms: int) -> None:
    """Store from when on a resolution is complete: earlier charts use a coarser one."""
    if from_unix_ms:
        database.execute(
            "INSERT INTO kept VALUES (?,?) ON CONFLICT DO UPDATE SET"
            " from_unix_ms = max(from_unix_ms, excluded.from_unix_ms)",
            (resolution, from_unix_ms))
