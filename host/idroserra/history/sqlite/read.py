"""Reads the SQLite store: points, chart columns from the coarsest sufficient resolution, and
statistics.

Every function needs a connection in a transaction, so that an hour packed meanwhile is read once:
as rows or packed.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from idroserra.core.config import KeepConfig
from idroserra.history.models import ResolutionInfo, StoreInfo
from idroserra.history.sqlite.codec import (
    HOUR_MS,
    MINUTE_MS,
    Points,
    Roll,
    better,
    unpack_minutes,
    unpack_points,
)
from idroserra.history.sqlite.schema import PLACE_BITS
from idroserra.history.sqlite.write import DAY_MS, QUARTER_MS

Total = tuple[int, int, int, int, int]  # (unix_ms, low, high, total, count)


class Resolution(NamedTuple):
    """A source of charts: raw points or roll-ups."""

    name: str
    bucket_ms: int


# Seeks in the index for each node: DISTINCT and GROUP BY go through all events.
NODES_OF_EVENTS = """
    WITH RECURSIVE nodes (node) AS (
        SELECT min(node) FROM events UNION ALL
        SELECT (SELECT min(node) FROM events WHERE node > nodes.node) FROM nodes
        WHERE node IS NOT NULL)
"""
RAW = Resolution("raw", 1)
RESOLUTIONS = (
    RAW, Resolution("1m", MINUTE_MS), Resolution("15m", QUARTER_MS), Resolution("1d", DAY_MS))


def choose(width_ms: int, from_unix_ms: int, whole_from: dict[str, int]) -> Resolution:
    """Return the coarsest resolution for columns of `width_ms`.

    If that has expired at from_unix_ms, return the next coarser one that has not."""
    fit = [each for each in RESOLUTIONS if each.bucket_ms <= width_ms]
    rest = [fit[-1], *RESOLUTIONS[len(fit):]]
    for resolution in rest:
        if whole_from.get(resolution.name, 0) <= from_unix_ms:
            return resolution
    return min(rest, key=lambda each: whole_from.get(each.name, 0))


def whole_from(database: sqlite3.Connection) -> dict[str, int]:
    """Return {resolution: start in unix_ms} of the resolutions with expired data."""
    return dict(database.execute("SELECT resolution, from_unix_ms FROM kept"))


def points(
    database: sqlite3.Connection, series: int, start_ms: int, end_ms: int,
    oldest: int | None = None,
) -> Points:
    """Return the points of [start, end) in order of time; `oldest` limits their number."""
    found: dict[int, int] = dict(database.execute(
        "SELECT unix_ms, scaled FROM samples WHERE series = ? AND unix_ms >= ? AND unix_ms < ?"
        " ORDER BY unix_ms LIMIT ?", (series, start_ms, end_ms, -1 if oldest is None else oldest)))
    packed = (point for part in _packed_points(database, series, start_ms, end_ms)
              for point in zip(*part, strict=True))
    found.update(islice(packed, oldest))
    times = sorted(found)[:oldest]
    return Points(times, [found[unix_ms] for unix_ms in times])


def columns(
    database: sqlite3.Connection, resolution: Resolution, series: int, width_ms: int,
    start_ms: int, end_ms: int,
) -> list[Total]:
    """Return the columns of [start, end), without empty ones. Both ends are column edges."""
    if resolution.bucket_ms >= QUARTER_MS:
        return database.execute(
            f"SELECT unix_ms / {width_ms} * {width_ms}, min(low), max(high), sum(total),"
            f" sum(count) FROM rollup_{resolution.name}"
            " WHERE series = ? AND unix_ms >= ? AND unix_ms < ? GROUP BY 1 ORDER BY 1",
            (series, start_ms, end_ms)).fetchall()
    sums: dict[int, Total] = {}
    if resolution is RAW:
        _add(sums, _row_columns(database, series, width_ms, start_ms, end_ms))
        for part in _packed_points(database, series, start_ms, end_ms):
            _add(sums, _columns_of(part, width_ms))
    else:
        minutes = _minutes(database, series, start_ms, end_ms)
        _add(sums, ((r.unix_ms // width_ms * width_ms, r.low, r.high, r.total, r.points)
                    for r in minutes))
    return sorted(sums.values())


def newest(database: sqlite3.Connection, series: int) -> tuple[int, int] | None:
    """Return (unix_ms, scaled) of the newest point, or None.

    If the point has expired, return the start and last value of the newest roll-up."""
    row = database.execute(
        "SELECT unix_ms, scaled FROM samples WHERE series = ? ORDER BY unix_ms DESC LIMIT 1",
        (series,)).fetchone()
    rolled = database.execute(
        "SELECT unix_ms, last FROM rollup_15m WHERE series = ? ORDER BY unix_ms DESC LIMIT 1",
        (series,)).fetchone()
    if rolled is None or row is not None and row[0] >= rolled[0]:
        return row and (int(row[0]), int(row[1]))
    start_ms = rolled[0] // HOUR_MS * HOUR_MS
    for part in _packed_points(database, series, start_ms, start_ms + HOUR_MS):
        return part.unix_ms[-1], part.scaled[-1]
    return int(rolled[0]), int(rolled[1])


def oldest(database: sqlite3.Connection, series: int) -> int:
    """Return the time of the oldest point, or the start of its roll-up if the point has expired.

    The series must have a roll-up."""
    start_ms = int(database.execute(
        "SELECT unix_ms FROM rollup_15m WHERE series = ? ORDER BY unix_ms LIMIT 1",
        (series,)).fetchone()[0])
    inside = points(database, series, start_ms, start_ms + QUARTER_MS).unix_ms
    return inside[0] if inside else start_ms


def _row_columns(
    database: sqlite3.Connection, series: int, width_ms: int, start_ms: int, end_ms: int
) -> Iterable[Total]:
    return database.execute(
        f"SELECT unix_ms / {width_ms} * {width_ms}, min(scaled), max(scaled), sum(scaled),"
        " count(*) FROM samples WHERE series = ? AND unix_ms >= ? AND unix_ms < ? GROUP BY 1",
        (series, start_ms, end_ms))


def _minutes(
    database: sqlite3.Connection, series: int, start_ms: int, end_ms: int
) -> Iterable[Roll]:
    found: list[Roll] = []
    for hour_ms, body in _bodies(database, "packed_1m", series, start_ms, end_ms):
        rolls = unpack_minutes(body, hour_ms)
        if hour_ms < start_ms or hour_ms + HOUR_MS > end_ms:
            rolls = [roll for roll in rolls if start_ms <= roll.unix_ms < end_ms]
        found += rolls
    rows = [
        Roll(unix_ms, count, low, high, total, 0) for unix_ms, low, high, total, count
        in _row_columns(database, series, MINUTE_MS, start_ms, end_ms)]
    return better(found, rows) if rows else found


def _packed_points(
    database: sqlite3.Connection, series: int, start_ms: int, end_ms: int
) -> Iterator[Points]:
    """Yield the packed points of [start, end), an hour at a time, none empty."""
    for hour_ms, body in _bodies(database, "packed", series, start_ms, end_ms):
        part = unpack_points(body, hour_ms)
        if hour_ms < start_ms or hour_ms + HOUR_MS > end_ms:
            first = bisect_left(part.unix_ms, start_ms)
            last = bisect_left(part.unix_ms, end_ms)
            part = Points(part.unix_ms[first:last], part.scaled[first:last])
        if part.unix_ms:
            yield part


def _bodies(
    database: sqlite3.Connection, table: str, series: int, start_ms: int, end_ms: int
) -> list[tuple[int, bytes]]:
    """Return (hour, body) of the packed hours that overlap [start, end), oldest first.

    15-minute roll-ups are kept at least as long and show which hours have data."""
    return database.execute(
        f"SELECT hour * {HOUR_MS}, body FROM (SELECT DISTINCT unix_ms / {HOUR_MS} AS hour"
        " FROM rollup_15m WHERE series = :series AND unix_ms >= :start AND unix_ms < :end)"
        f" JOIN {table} ON place = hour << {PLACE_BITS} | :series ORDER BY hour",
        {"series": series, "start": start_ms // HOUR_MS * HOUR_MS, "end": end_ms}).fetchall()


def _columns_of(part: Points, width_ms: int) -> Iterator[Total]:
    """Yield the columns of points, which must be in order of time."""
    times, values = part
    first = 0
    while first < len(times):
        start_ms = times[first] // width_ms * width_ms
        last = bisect_left(times, start_ms + width_ms, first)
        inside = values[first:last]
        yield start_ms, min(inside), max(inside), sum(inside), last - first
        first = last


def _add(sums: dict[int, Total], more: Iterable[Total]) -> None:
    """Merge columns into `sums`."""
    for column in more:
        known = sums.get(column[0])
        if known is not None:
            column = (column[0], min(known[1], column[1]), max(known[2], column[2]),
                      known[3] + column[3], known[4] + column[4])
        sums[column[0]] = column


def info(database: sqlite3.Connection, path: Path, keep: KeepConfig) -> StoreInfo:
    """Return the contents of the store."""
    rows = _one(database, "SELECT count(*) FROM samples")
    packed = _one(database, "SELECT sum(count) FROM packed")
    spans = spans_of(database)
    size_bytes = sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal"))
                     if file.exists())
    raw_from = [from_ms for from_ms in (
        database.execute("SELECT min(unix_ms) FROM samples").fetchone()[0],
        _hour(database, "packed")) if from_ms is not None]
    return StoreInfo(
        kind="sqlite", where=str(path), points=rows + packed,
        events=_one(database, "SELECT count(*) FROM events"), size_bytes=size_bytes,
        oldest_unix_ms=min((span[0] for span in spans.values()), default=None),
        newest_unix_ms=max((span[1] for span in spans.values()), default=None),
        nodes=len(spans),
        resolutions=(
            ResolutionInfo("raw", rows + packed, min(raw_from, default=None), keep.raw_days),
            ResolutionInfo("1m", None, _hour(database, "packed_1m"), keep.minutes_days),
            _rolled(database, "15m", keep.quarters_days),
            _rolled(database, "1d", keep.daily_days),
        ),
        events_days=keep.events_days,
    )


def spans_of(database: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return {node: (oldest, newest)} in unix_ms of points and events."""
    names = database.execute(
        f"{NODES_OF_EVENTS} SELECT node FROM nodes WHERE node IS NOT NULL"
        " UNION SELECT node FROM series").fetchall()
    found = {node: span_of(database, node) for node, in names}
    return {node: span for node, span in found.items() if span is not None}


def span_of(database: sqlite3.Connection, node: str) -> tuple[int, int] | None:
    """Return (oldest, newest) in unix_ms of the points and events of a node; None without."""
    # Two queries: each reads one end of the index.
    ends = [database.execute(f"SELECT {end}(unix_us) / 1000 FROM events WHERE node = ?",
                             (node,)).fetchone()[0] for end in ("min", "max")]
    times = [unix_ms for unix_ms in ends if unix_ms is not None]
    for series, in database.execute(
            "SELECT series FROM series WHERE node = ?", (node,)).fetchall():
        last = newest(database, series)
        if last is not None:
            times += [oldest(database, series), last[0]]
    return (min(times), max(times)) if times else None


def _rolled(database: sqlite3.Connection, name: str, keep_days: int) -> ResolutionInfo:
    count, oldest = database.execute(
        f"SELECT count(*), min(unix_ms) FROM rollup_{name}").fetchone()
    return ResolutionInfo(name, int(count), oldest, keep_days)


def _hour(database: sqlite3.Connection, table: str) -> int | None:
    """Return the oldest packed hour, unix_ms."""
    found = database.execute(f"SELECT min(place) FROM {table}").fetchone()[0]
    return None if found is None else (int(found) >> PLACE_BITS) * HOUR_MS


def _one(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0] or 0)
