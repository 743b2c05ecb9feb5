"""A store in one SQLite file: rows of open hours, packed closed hours, and roll-ups.

docs/store.md describes the tables.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from idroserra.core import protocol
from idroserra.core.config import KeepConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.sqlite import connect_reader, fold_log, transaction
from idroserra.history.models import (
    Column,
    EventPoint,
    Instant,
    ProgressCallback,
    StoreInfo,
    column_width_ms,
)
from idroserra.history.sqlite import maintenance, read
from idroserra.history.sqlite.codec import MAX_NUMBER, Damaged
from idroserra.history.sqlite.schema import open_database
from idroserra.history.sqlite.write import insert_events, insert_samples

# Far above any measurable value, and small enough for the sum of a day of milliseconds.
MAX_SCALED = 2**36

_EVENTS_WITHIN = ("SELECT node, unix_us, seq, boot_id, kind, detail FROM events"
                  " WHERE node=? AND unix_us >= ? AND unix_us < ?")
_OLDEST_FIRST = " ORDER BY unix_us, boot_id, seq LIMIT ?"
_NEWEST_FIRST = " ORDER BY unix_us DESC, boot_id DESC, seq DESC LIMIT ?"

_Found = TypeVar("_Found")


class SqliteStore:
    """The SQLite store, with one connection for writes and one for reads. Thread-safe."""

    def __init__(self, path: Path, keep: KeepConfig | None = None) -> None:
        """Open, create or migrate the file. Raises StoreUnavailable."""
        self._path = path
        self._keep = keep or KeepConfig()
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._numbers: dict[tuple[str, str], int] = {}
        try:
            self._writer = open_database(path)
            self._reader = connect_reader(path)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{path}: {error}") from error

    def write(self, instants: Sequence[Instant], events: Sequence[EventPoint]) -> Counter[str]:
        """Make data of nodes durable; return the number of events, and of instants with points,
        that were dropped, because a node has too many in a quarter of an hour. Raises
        StoreUnavailable; StoreRejected for a bad point."""
        points = [(node, channel, unix_ms, _scaled(channel, unix_ms, value))
                  for node, unix_ms, values in instants for channel, value in values.items()]

        def run() -> Counter[str]:
            with transaction(self._writer):
                rows = [(self._number(node, channel), unix_ms, scaled)
                        for node, channel, unix_ms, scaled in points]
                dropped = set(insert_samples(self._writer, rows))
                found = Counter(event.node for event in insert_events(self._writer, events))
            if dropped:
                found.update(node for node, _ in {
                    (point[0], point[2]) for point, row in zip(points, rows, strict=True)
                    if row in dropped})
            return found

        return self._change(run)

    def series(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int, columns: int
    ) -> dict[str, list[Column]]:
        """Return up to `columns` columns per channel of [from, to), without empty ones.

        Columns at least as wide as a roll-up are computed from roll-ups."""
        width_ms = column_width_ms(from_unix_ms, to_unix_ms, columns)
        found: dict[str, list[Column]] = {channel: [] for channel in channels}
        if width_ms == 0:
            return found
        with self._reading() as reader:
            source = read.choose(width_ms, from_unix_ms, read.whole_from(reader))
            width_ms = -(-width_ms // source.bucket_ms) * source.bucket_ms
            start_ms = from_unix_ms // source.bucket_ms * source.bucket_ms
            for channel, series in _numbers_of(reader, node).items():
                if channel in found:
                    rows = read.columns(reader, source, series, width_ms, start_ms, to_unix_ms)
                    found[channel] = _columns(channel, rows)
        return found

    def instants(
        self, node: str, from_unix_ms: int, to_unix_ms: int, oldest: int | None = None
    ) -> list[Instant]:
        """Return the readings of all channels of [from, to), oldest first; `oldest` limits the
        number of instants."""
        values: dict[int, dict[str, float]] = {}
        with self._reading() as reader:
            for channel, series in _numbers_of(reader, node).items():
                quantity = protocol.split_channel(channel)[1]
                points = read.points(reader, series, from_unix_ms, to_unix_ms, oldest)
                for unix_ms, scaled in zip(*points, strict=True):
                    values.setdefault(unix_ms, {})[channel] = protocol.from_scaled(
                        quantity, scaled)
        return [Instant(node, unix_ms, values[unix_ms]) for unix_ms in sorted(values)[:oldest]]

    def events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str] | None = None,
        newest: int | None = None, oldest: int | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first; `kinds` limits their kinds, `newest` or
        `oldest` their number."""
        if kinds is not None and not kinds:
            return []
        kinds = kinds and list(dict.fromkeys(kinds))
        span = (node, from_unix_ms * 1_000, to_unix_ms * 1_000)
        order, count = (_OLDEST_FIRST, oldest) if newest is None else (_NEWEST_FIRST, newest)
        # SQLite merges the rows of the kinds from an index: it reads no others, and sorts none.
        select, values = (_EVENTS_WITHIN, list[Any](span)) if kinds is None else (
            " UNION ALL ".join([f"{_EVENTS_WITHIN} AND kind=?"] * len(kinds)),
            [value for kind in kinds for value in (*span, kind)])
        with self._reading() as reader:
            rows = reader.execute(
                select + order, (*values, -1 if count is None else count)).fetchall()
        return _events(rows if newest is None else reversed(rows))

    def newest_events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str], count: int
    ) -> list[EventPoint]:
        """Return the newest `count` events of each kind of [from, to), oldest first."""
        span = (node, from_unix_ms * 1_000, to_unix_ms * 1_000)
        with self._reading() as reader:
            rows = [row for kind in kinds for row in reader.execute(
                f"{_EVENTS_WITHIN} AND kind=?{_NEWEST_FIRST}", (*span, kind, count))]
        return _events(sorted(rows, key=itemgetter(1)))

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""
        found = {}
        with self._reading() as reader:
            for channel, series in _numbers_of(reader, node).items():
                point = read.newest(reader, series)
                if point is not None:
                    quantity = protocol.split_channel(channel)[1]
                    found[channel] = (point[0], protocol.from_scaled(quantity, point[1]))
        return found

    def init(self, on_progress: ProgressCallback) -> list[str]:
        """Do nothing: opening the file has set it up."""
        return [f"{self._path}: ready; the host packs, rolls up and deletes data automatically"]

    def maintain(self, now_unix_ms: int) -> bool:
        """Do one maintenance step of a fraction of a second; False if nothing was left to do."""
        return self._change(lambda: (
            maintenance.pack_oldest(self._writer, now_unix_ms)
            or maintenance.forget(self._writer, self._keep, now_unix_ms)
            or maintenance.shrink(self._writer)))

    def compact(self) -> None:
        """Rewrite the file at its minimum size; needs as much free disk space again."""
        self._change(lambda: self._writer.execute("VACUUM"))
        self._change(lambda: fold_log(self._writer))

    def span(self, node: str) -> tuple[int, int] | None:
        """Return (oldest, newest) in unix_ms of the points and events of a node; None without."""
        with self._reading() as reader:
            return read.span_of(reader, node)

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of points and events."""
        with self._reading() as reader:
            return read.spans_of(reader)

    def info(self) -> StoreInfo:
        """Return the contents of the store."""
        with self._reading() as reader:
            return read.info(reader, self._path, self._keep)

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            fold_log(self._writer)
            self._writer.close()

    def _number(self, node: str, channel: str) -> int:
        """Return the number of a series, inserted if missing."""
        number = self._numbers.get((node, channel))
        if number is None:
            key = (node, channel)
            self._writer.execute("INSERT OR IGNORE INTO series (node, channel) VALUES (?,?)", key)
            number = self._numbers[key] = int(self._writer.execute(
                "SELECT series FROM series WHERE node = ? AND channel = ?", key).fetchone()[0])
        return number

    def _change(self, run: Callable[[], _Found]) -> _Found:
        """Run a write under the lock. Raises StoreUnavailable, StoreRejected."""
        with self._write_lock:
            try:
                return run()
            except sqlite3.Error as error:
                self._numbers = {}  # new series were rolled back
                raise StoreUnavailable(f"sqlite: {error}") from error
            except Damaged as error:
                self._numbers = {}
                raise StoreRejected(f"{self._path}: packed hour of a late point: {error}"
                                    ) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the reading connection in a transaction: all reads see one state."""
        with self._read_lock:
            try:
                self._reader.execute("BEGIN")
                try:
                    yield self._reader
                finally:
                    self._reader.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StoreUnavailable(f"sqlite: {error}") from error
            except Damaged as error:
                raise StoreUnavailable(f"{self._path}: {error}: restore a backup, or select "
                                       "another period") from error


def _events(rows: Iterable[Sequence[Any]]) -> list[EventPoint]:
    """Return the events of rows of _EVENTS_WITHIN."""
    return [EventPoint(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]))
            for row in rows]


def _numbers_of(reader: sqlite3.Connection, node: str) -> dict[str, int]:
    """Return {channel: number of its series} of a node."""
    return dict(reader.execute("SELECT channel, series FROM series WHERE node = ?", (node,)))


def _scaled(channel: str, unix_ms: int, value: float) -> int:
    try:
        scaled = protocol.to_scaled(protocol.split_channel(channel)[1], value)
    except (protocol.ProtocolError, OverflowError, ValueError) as error:
        raise StoreRejected(f"{channel}: {error}") from None
    if not -MAX_SCALED <= scaled <= MAX_SCALED:
        raise StoreRejected(f"{channel}: {value}: outside any measurable range")
    if not 0 <= unix_ms <= MAX_NUMBER:
        raise StoreRejected(f"{channel}: {unix_ms} ms is not a valid time")
    return scaled


def _columns(channel: str, rows: list[read.Total]) -> list[Column]:
    """Convert columns of scaled integers to the unit of the channel."""
    if not rows:
        return []
    scale = 10 ** protocol.split_channel(channel)[1].decimals
    return [
        Column(unix_ms, low / scale, total / count / scale, high / scale)
        for unix_ms, low, high, total, count in rows]
