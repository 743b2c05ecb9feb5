"""The store in one SQLite file: raw samples as scaled integers, and roll-ups of 1 and 15 minutes.

The roll-ups are computed again from what is stored for every bucket a write touches, in the
same transaction, so a write may be repeated and may come in any order.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from idroserra import contract
from idroserra.database import connect, connect_reader
from idroserra.errors import StoreRejected, StoreUnavailable
from idroserra.store import Column, EventPoint, SamplePoint, column_width_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    series INTEGER PRIMARY KEY, node TEXT NOT NULL, channel TEXT NOT NULL, UNIQUE (node, channel)
);
CREATE TABLE IF NOT EXISTS samples (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL, scaled INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup_1m (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup_15m (
    series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, unix_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    node TEXT NOT NULL, boot_id TEXT NOT NULL, seq INTEGER NOT NULL, unix_us INTEGER NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (node, boot_id, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_time ON events (node, unix_us);
"""

_MINUTE_MS = 60_000
_QUARTER_MS = 900_000


class _Source(NamedTuple):
    """A table to draw from: its buckets, and its columns as low, high, total, count."""

    table: str
    bucket_ms: int
    columns: str


_RAW = _Source("samples", 1, "min(scaled), max(scaled), sum(scaled), count(*)")
_ROLLED = "min(low), max(high), sum(total), sum(count)"
_MINUTES = _Source("rollup_1m", _MINUTE_MS, _ROLLED)
_QUARTERS = _Source("rollup_15m", _QUARTER_MS, _ROLLED)


class SqliteStore:
    """The embedded store. One connection writes, one reads; any thread may call."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises StoreUnavailable."""
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        try:
            self._writer = connect(path, _SCHEMA)
            self._reader = connect_reader(path)
            rows = self._writer.execute("SELECT node, channel, series FROM series")
            self._series = {(node, channel): series for node, channel, series in rows}
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{path}: {error}") from error

    def write(self, samples: Sequence[SamplePoint], events: Sequence[EventPoint]) -> None:
        """Make the points durable. Raises StoreUnavailable; StoreRejected for a bad channel."""
        scaled = [_scaled(sample) for sample in samples]
        with self._write_lock:
            new: dict[tuple[str, str], int] = {}
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._insert_samples(samples, scaled, new)
                self._insert_events(events)
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                for key in new:
                    del self._series[key]
                raise StoreUnavailable(f"sqlite: {error}") from error

    def series(
        self,
        node: str,
        channels: Sequence[str],
        from_unix_ms: int,
        to_unix_ms: int,
        columns: int,
    ) -> dict[str, list[Column]]:
        """Return at most `columns` columns a channel of [from, to), empty ones left out.

        A column as wide as a roll-up is made of it."""
        width_ms = column_width_ms(from_unix_ms, to_unix_ms, columns)
        if width_ms == 0:
            return {channel: [] for channel in channels}
        source = _RAW
        for rolled in (_MINUTES, _QUARTERS):
            if width_ms >= rolled.bucket_ms:
                source = rolled
        width_ms = -(-width_ms // source.bucket_ms) * source.bucket_ms
        query = (
            f"SELECT unix_ms / {width_ms} * {width_ms}, {source.columns} FROM {source.table}"
            " WHERE series=? AND unix_ms >= ? AND unix_ms < ? GROUP BY 1 ORDER BY 1"
        )
        first_ms = from_unix_ms // source.bucket_ms * source.bucket_ms
        found: dict[str, list[Column]] = {}
        for channel in channels:
            key = self._series.get((node, channel))
            rows = [] if key is None else self._read(query, (key, first_ms, to_unix_ms))
            found[channel] = _columns(channel, rows)
        return found

    def events(
        self,
        node: str,
        from_unix_ms: int,
        to_unix_ms: int,
        kinds: Sequence[str] | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first, of all kinds or of `kinds`."""
        rows = self._read(
            "SELECT node, unix_us, seq, boot_id, kind, detail FROM events"
            " WHERE node=? AND unix_us >= ? AND unix_us < ? ORDER BY unix_us, boot_id, seq",
            (node, from_unix_ms * 1_000, to_unix_ms * 1_000),
        )
        wanted = None if kinds is None else set(kinds)
        return [
            EventPoint(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))
            for row in rows
            if wanted is None or row[4] in wanted
        ]

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""
        found = {}
        for (of_node, channel), series in list(self._series.items()):
            if of_node != node:
                continue
            for unix_ms, scaled in self._read(
                "SELECT unix_ms, scaled FROM samples WHERE series=? ORDER BY unix_ms DESC LIMIT 1",
                (series,),
            ):
                quantity = contract.split_channel(channel)[1]
                found[channel] = (int(unix_ms), contract.from_scaled(quantity, scaled))
        return found

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()

    def _read(self, query: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        try:
            with self._read_lock:
                return self._reader.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"sqlite: {error}") from error

    def _insert_samples(
        self, samples: Sequence[SamplePoint], scaled: list[int], new: dict[tuple[str, str], int]
    ) -> None:
        rows = []
        touched: dict[int, set[int]] = {}
        for sample, value in zip(samples, scaled, strict=True):
            key = (sample.node, sample.channel)
            series = self._series.get(key)
            if series is None:
                series = new[key] = self._series[key] = self._new_series(*key)
            rows.append((series, sample.unix_ms, value))
            touched.setdefault(series, set()).add(sample.unix_ms // _QUARTER_MS)
        self._writer.executemany("INSERT OR REPLACE INTO samples VALUES (?,?,?)", rows)
        for series, quarters in touched.items():
            for first, last in _runs(quarters):
                span = (series, first * _QUARTER_MS, (last + 1) * _QUARTER_MS)
                self._roll_up(_RAW, _MINUTES, span)
                self._roll_up(_MINUTES, _QUARTERS, span)

    def _new_series(self, node: str, channel: str) -> int:
        cursor = self._writer.execute(
            "INSERT INTO series (node, channel) VALUES (?,?)", (node, channel)
        )
        return cursor.lastrowid or 0

    def _roll_up(self, source: _Source, target: _Source, span: tuple[int, int, int]) -> None:
        width_ms = target.bucket_ms
        self._writer.execute(
            f"INSERT OR REPLACE INTO {target.table}"
            f" SELECT series, unix_ms / {width_ms} * {width_ms} AS bucket, {source.columns}"
            f" FROM {source.table} WHERE series=? AND unix_ms >= ? AND unix_ms < ?"
            " GROUP BY bucket",
            span,
        )

    def _insert_events(self, events: Sequence[EventPoint]) -> None:
        self._writer.executemany(
            "INSERT OR REPLACE INTO events VALUES (?,?,?,?,?,?)",
            [
                (e.node, e.boot_id, e.seq, e.unix_us, e.kind, json.dumps(dict(e.detail)))
                for e in events
            ],
        )


def _scaled(sample: SamplePoint) -> int:
    try:
        quantity = contract.split_channel(sample.channel)[1]
        return contract.to_scaled(quantity, sample.value)
    except (contract.ProtocolError, OverflowError, ValueError) as error:
        raise StoreRejected(f"{sample.channel}: {error}") from None


def _runs(numbers: set[int]) -> list[tuple[int, int]]:
    """Return the numbers as (first, last) of runs without a hole."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _columns(channel: str, rows: list[tuple[Any, ...]]) -> list[Column]:
    """Return rows of (unix_ms, low, high, total, count) in the unit of the channel."""
    if not rows:
        return []
    scale = 10 ** contract.split_channel(channel)[1].decimals
    return [
        Column(unix_ms, low / scale, total / count / scale, high / scale)
        for unix_ms, low, high, total, count in rows
    ]
