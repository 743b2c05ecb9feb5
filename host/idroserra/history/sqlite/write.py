"""Writes to the SQLite store: rows of open hours, and the roll-ups they change.

An hour of a series is either rows or packed, never both. A point in a packed hour reopens it: its
points become rows again in the same transaction. The roll-ups of every changed span are recomputed
from the stored points, so writes are idempotent and may come in any order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from idroserra.history.models import EventPoint
from idroserra.history.sqlite.codec import HOUR_MS, unpack_points
from idroserra.history.sqlite.schema import PLACE_BITS

QUARTER_MS = 900_000
QUARTER_US = 1_000 * QUARTER_MS
DAY_MS = 86_400_000
# Of a series in a quarter: four a second, where a node sends one at most. What a block costs grows
# with those that are there.
MOST_QUARTER_POINTS = 3_600
# Of a node in a quarter: those of SAFETY_EVENTS, and all others. A real one sends some a minute.
MOST_QUARTER_EVENTS = 3_600
# The alarms need them after a start of the host, and the inventory the doses.
SAFETY_EVENTS = frozenset((
    "latched", "stopped", "resumed", "dosed", "boot", "water", "irrigation_no_flow",
    "irrigation_stuck_on", "air_too_hot", "air_warms"))

Row = tuple[int, int, int]  # (series, unix_ms, scaled)
Span = tuple[int, int, int]  # (series, from, to) in unix_ms

# For one span the roll-up with more points wins: raw points may have expired.
_KEEP_BETTER = (
    " ON CONFLICT (series, unix_ms) DO UPDATE SET count = excluded.count, low = excluded.low,"
    " high = excluded.high, total = excluded.total, last = excluded.last"
    " WHERE excluded.count >= count"
)
_QUARTERS = (
    "INSERT INTO rollup_15m SELECT series, unix_ms / 900000 * 900000 AS bucket, count(*),"
    " min(scaled), max(scaled), sum(scaled), (SELECT scaled FROM samples AS s"
    "  WHERE s.series = r.series AND s.unix_ms < r.unix_ms / 900000 * 900000 + 900000"
    "  ORDER BY s.unix_ms DESC LIMIT 1)"
    " FROM samples AS r WHERE series = ? AND unix_ms >= ? AND unix_ms < ? GROUP BY bucket"
    + _KEEP_BETTER
)
_DAYS = (
    "INSERT INTO rollup_1d SELECT series, unix_ms / 86400000 * 86400000 AS bucket, sum(count),"
    " min(low), max(high), sum(total), (SELECT last FROM rollup_15m AS q"
    "  WHERE q.series = r.series AND q.unix_ms < r.unix_ms / 86400000 * 86400000 + 86400000"
    "  ORDER BY q.unix_ms DESC LIMIT 1)"
    " FROM rollup_15m AS r WHERE series = ? AND unix_ms >= ? AND unix_ms < ? GROUP BY bucket"
    + _KEEP_BETTER
)


def place(series: int, unix_ms: int) -> int:
    """Return the place of the packed hour of a series that contains `unix_ms`."""
    return unix_ms // HOUR_MS << PLACE_BITS | series


def insert_samples(database: sqlite3.Connection, rows: Sequence[Row]) -> list[Row]:
    """Insert points and update their roll-ups in the caller's transaction; return the points that
    are dropped, because their quarter of an hour is full. Raises Damaged."""
    full = _full_quarters(database, rows)
    dropped = [row for row in rows if (row[0], row[1] // QUARTER_MS) in full]
    if dropped:
        rows = [row for row in rows if (row[0], row[1] // QUARTER_MS) not in full]
    rows = _open_packed(database, rows)
    database.executemany("INSERT OR REPLACE INTO samples VALUES (?,?,?)", rows)
    database.executemany(_QUARTERS, _spans(rows, QUARTER_MS))
    database.executemany(_DAYS, _spans(rows, DAY_MS))
    return dropped


def insert_events(
    database: sqlite3.Connection, events: Iterable[EventPoint]
) -> list[EventPoint]:
    """Insert events in the caller's transaction; return those that are dropped, because their node
    has enough in their quarter of an hour."""
    room: dict[tuple[str, int, bool], int] = {}
    kept, dropped = [], []
    for event in events:
        quarter = event.node, event.unix_us // QUARTER_US, event.kind in SAFETY_EVENTS
        if quarter not in room:
            room[quarter] = MOST_QUARTER_EVENTS - _count_events(database, *quarter)
        if room[quarter] > 0:
            room[quarter] -= 1
        elif not _has_event(database, event):
            dropped.append(event)
            continue
        kept.append(event)
    database.executemany(
        "INSERT OR REPLACE INTO events VALUES (?,?,?,?,?,?)",
        [
            (e.node, e.boot_id, e.seq, e.unix_us, e.kind, json.dumps(dict(e.detail)))
            for e in kept],
    )
    return dropped


def _count_events(
    database: sqlite3.Connection, node: str, number: int, is_of_safety: bool  # noqa: FBT001
) -> int:
    """Return the number of events of a node in a quarter of an hour, of safety or not."""
    within = node, number * QUARTER_US, (number + 1) * QUARTER_US
    marks = ",".join("?" * len(SAFETY_EVENTS))
    of_safety = database.execute(
        "SELECT count(*) FROM events WHERE node = ? AND unix_us >= ? AND unix_us < ?"
        f" AND kind IN ({marks})", (*within, *SAFETY_EVENTS)).fetchone()[0]
    if is_of_safety:
        return int(of_safety)
    total = database.execute(
        "SELECT count(*) FROM events WHERE node = ? AND unix_us >= ? AND unix_us < ?",
        within).fetchone()[0]
    return int(total - of_safety)


def _has_event(database: sqlite3.Connection, event: EventPoint) -> bool:
    return database.execute(
        "SELECT 1 FROM events WHERE node = ? AND boot_id = ? AND seq = ?",
        (event.node, event.boot_id, event.seq)).fetchone() is not None


def _full_quarters(database: sqlite3.Connection, rows: Iterable[Row]) -> set[tuple[int, int]]:
    """Return (series, unix_ms // QUARTER_MS) of the quarters of rows that have enough points."""
    return {
        (series, number)
        for series, number in {(series, unix_ms // QUARTER_MS) for series, unix_ms, _ in rows}
        if database.execute(
            "SELECT 1 FROM rollup_15m WHERE series = ? AND unix_ms = ? AND count >= ?",
            (series, number * QUARTER_MS, MOST_QUARTER_POINTS)).fetchone()}


def _open_packed(database: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """Reopen packed hours that get new points; return the new rows. Raises Damaged."""
    newest = database.execute("SELECT max(place) FROM packed").fetchone()[0]
    if newest is None:
        return rows
    late: dict[int, dict[int, Row]] = {}
    fresh: list[Row] = []
    for row in rows:
        at = place(row[0], row[1])
        if at > newest:
            fresh.append(row)
        else:
            late.setdefault(at, {})[row[1]] = row
    for at, of_hour in late.items():
        found = database.execute("SELECT body FROM packed WHERE place = ?", (at,)).fetchone()
        if found is None:
            fresh += of_hour.values()
            continue
        points = unpack_points(found[0], (at >> PLACE_BITS) * HOUR_MS)
        known = dict(zip(*points, strict=True))
        changed = [row for row in of_hour.values() if known.get(row[1]) != row[2]]
        if not changed:
            continue  # a replay
        series = changed[0][0]
        database.execute("DELETE FROM packed WHERE place = ?", (at,))
        database.executemany("INSERT INTO samples VALUES (?,?,?)",
                             [(series, unix_ms, scaled) for unix_ms, scaled in known.items()])
        fresh += changed
    return fresh


def _spans(rows: Iterable[Row], width_ms: int) -> list[Span]:
    """Return the spans of `width_ms` that contain rows, adjacent ones joined."""
    touched = sorted({(series, unix_ms // width_ms) for series, unix_ms, _ in rows})
    spans: list[Span] = []
    for series, number in touched:
        start, end = number * width_ms, (number + 1) * width_ms
        if spans and spans[-1][0] == series and spans[-1][2] == start:
            spans[-1] = (series, spans[-1][1], end)
        else:
            spans.append((series, start, end))
    return spans
