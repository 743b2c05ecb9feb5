"""Statistics of the SQLite store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from idroserra.core.config import KeepConfig
from idroserra.history.models import ResolutionInfo, StoreInfo
from idroserra.history.sqlite.codec import HOUR_MS
from idroserra.history.sqlite.read import newest, oldest
from idroserra.history.sqlite.schema import PLACE_BITS


def info(database: sqlite3.Connection, path: Path, keep: KeepConfig) -> StoreInfo:
    """Return the contents of the store; the connection must be in a transaction."""
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
    found: dict[str, tuple[int, int]] = {}

    def take(node: str, first_ms: int, last_ms: int) -> None:
        known = found.get(node, (first_ms, last_ms))
        found[node] = (min(known[0], first_ms), max(known[1], last_ms))

    for node, series in database.execute("SELECT node, series FROM series").fetchall():
        last = newest(database, series)
        if last is not None:
            take(node, oldest(database, series), last[0])
    for row in database.execute(
            "SELECT node, min(unix_us) / 1000, max(unix_us) / 1000 FROM events GROUP BY node"):
        take(*row)
    return found


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
