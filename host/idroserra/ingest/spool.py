"""The spool: a durable queue of received records on disk, until the store has them.

One commit (SQLite, WAL, synchronous=FULL) holds many messages, which may be acknowledged after it.
A record is identified by (node, boot_id, seq). The received sequence numbers are written in the
same transaction, so a crash at any instant neither loses nor duplicates a record.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.core.errors import SpoolError, StoreUnavailable
from idroserra.core.sqlite import PAGE_BYTES, connect, connect_reader, fold_log
from idroserra.ingest.decoder import read_records
from idroserra.ingest.plausibility_filter import FUTURE_ERROR
from idroserra.ingest.receipts import SCHEMA, UPGRADES, ReceiptLog
from idroserra.ingest.received import MinTransit, NodeInfoMessage, Received, min_transits
from idroserra.ingest.refusals import Rejected

SHRINK_PAGES = 1_024  # freed in one transaction, and kept for reuse
NEWEST_ROWS = 2_000
ROW_RECORDS = 200  # maximum number of records in a row; a message may have more

_SCHEMA = SCHEMA + """
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    epoch_unix_ms INTEGER NOT NULL, leaf TEXT NOT NULL, record_count INTEGER NOT NULL,
    body BLOB NOT NULL
);
"""

Item = Received | NodeInfoMessage | Rejected


class StoredBatch(NamedTuple):
    """New records of one boot from one commit, with the epoch of the boot; `news`: the newest
    record of each message."""

    node: str
    leaf: str
    boot_id: str
    epoch_unix_ms: int
    records: list[Any]
    news: list[Any]


@dataclass
class CommitResult:
    """Result of a commit: the new records, and stored_upto of each (node, boot_id) in it."""

    accepted: list[StoredBatch] = field(default_factory=list)
    stored_upto: dict[tuple[str, str], int] = field(default_factory=dict)


class PendingBatch(NamedTuple):
    """A row of records that wait for the store; body is a JSON list."""

    id: int
    node: str
    boot_id: str
    epoch_unix_ms: int
    leaf: str
    record_count: int
    body: bytes


class Spool:
    """The durable queue. Thread-safe; commits are serialised."""

    def __init__(
        self, path: Path, max_mb: int = 4_096, max_rejected: int = 1_000,
        max_unread: int = 100_000,
    ) -> None:
        """Open or create the file, which is limited to max_mb. Raises SpoolError."""
        self._lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._arrived = threading.Event()
        self._state = "ok"
        self._new_rows: list[tuple[str, str, int, str, int, bytes]] = []
        try:
            self._database = connect(path, _SCHEMA, UPGRADES)
            self._database.execute(f"PRAGMA max_page_count={max_mb * 1024 * 1024 // PAGE_BYTES}")
            self._reader = connect_reader(path)
            self._receipts = ReceiptLog(self._database, max_rejected, max_unread)
            self._depth = int(self._database.execute(
                "SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0])
        except StoreUnavailable as error:
            raise SpoolError(error.why) from error
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"{path}: {error}") from error

    @property
    def depth(self) -> int:
        """Number of records that wait for the store."""
        with self._lock:
            return self._depth

    @property
    def state(self) -> str:
        """Return "ok", or why the last commit failed."""
        return self._state

    def commit(self, items: Sequence[Item]) -> CommitResult:
        """Make all items durable and return the new records. Raises SpoolError: none is.

        Known records count as duplicates, and their stored_upto is returned again: the node may
        have missed the first acknowledgement."""
        committed = CommitResult()
        min_transit = cache(partial(min_transits, items))

        def run() -> None:
            boots: dict[tuple[str, str], list[Received]] = {}
            for item in items:
                if isinstance(item, Received):
                    boots.setdefault((item.node, item.batch.boot_id), []).append(item)
                elif isinstance(item, NodeInfoMessage):
                    self._record(boots, min_transit, committed)  # earlier messages first
                    self._receipts.add_boot_hints(item)
                else:
                    self._receipts.reject(item)
            self._record(boots, min_transit, committed)

        self._transact(run)
        if committed.accepted:
            self._arrived.set()
        return committed

    def pending(self, max_records: int, after_id: int = 0) -> list[PendingBatch]:
        """Return the oldest rows after one, about max_records records. Raises SpoolError."""
        rows: list[PendingBatch] = []
        total = 0
        query = "SELECT * FROM pending WHERE id > ? ORDER BY id LIMIT ?"
        try:
            with self._read_lock:
                cursor = self._reader.execute(query, (after_id, max_records))
                while total < max_records and (row := cursor.fetchone()) is not None:
                    rows.append(PendingBatch(*row))
                    total += rows[-1].record_count
                cursor.close()
        except sqlite3.Error as error:
            raise SpoolError(f"spool: {error}") from error
        return rows

    def pending_events(self, node: str) -> Iterator[PendingBatch]:
        """Yield the events of a node in the newest NEWEST_ROWS rows, newest first, each row when
        it is needed: a row is up to a megabyte. Raises SpoolError."""
        for row_id, in self._read(
                "SELECT id FROM pending WHERE id > (SELECT max(id) FROM pending) - ?"
                " AND node=? AND leaf='event' ORDER BY id DESC", (NEWEST_ROWS, node)):
            for row in self._read("SELECT * FROM pending WHERE id=?", (row_id,)):
                yield PendingBatch(*row)

    def done(
        self, rows: Sequence[PendingBatch], refused: Iterable[Rejected] = (),
        missing: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Delete rows that were written, as returned by pending(); store refused points.

        missing: {node: records of which the store has nothing}. Raises SpoolError."""

        def run() -> None:
            if rows:  # contiguous: only this method deletes rows
                self._database.execute(
                    "DELETE FROM pending WHERE id BETWEEN ? AND ?", (rows[0].id, rows[-1].id))
            stored: dict[str, int] = {}
            for row in rows:
                stored[row.node] = stored.get(row.node, 0) + row.record_count
            for node, count in stored.items():
                self._receipts.count(node, "stored", count - missing.get(node, 0))
                self._receipts.count(node, "refused", missing.get(node, 0))
                self._depth -= count
            for item in refused:
                self._receipts.reject(item)

        self._transact(run)

    def shrink(self) -> bool:
        """Free SHRINK_PAGES of the disk space of an outage of the store; False if no more than
        that is unused. Commits wait meanwhile, so this is a step. Raises SpoolError."""
        with self._lock:
            try:
                free = int(self._database.execute("PRAGMA freelist_count").fetchone()[0])
                if free <= SHRINK_PAGES:
                    return False
                # One page per step, and no rows: execute() would free one page only.
                self._database.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")
            except sqlite3.Error as error:
                self._state = str(error)
                raise SpoolError(f"spool: {error}") from error
        return True

    def retry_unreadable(self) -> Iterator[int]:
        """Decode stored unreadable records again, in steps; yield the number of readable ones of
        each.

        Called after the start of the host, which may have been updated. Raises SpoolError."""
        return self._retry("", 0)

    def retry_future(self, now_unix_ms: int) -> Iterator[int]:
        """Check records again that were refused as being in the future, in steps; yield how many
        of each are not.

        The clock of the host was behind when they came, or ahead when their boot was dated: such
        an epoch is decided again. Called when the clock has had time to be set. Raises
        SpoolError."""
        return self._retry(FUTURE_ERROR, now_unix_ms)

    def _retry(self, error_end: str, now_unix_ms: int) -> Iterator[int]:
        """Retry unreadable records whose error ends with a text, in steps."""
        after_row = 0
        while True:
            with self._lock:
                found = self._receipts.unread(after_row, error_end)
            if not found:
                return
            after_row = found[-1][0]
            yield self._retry_some(found, now_unix_ms)

    def _retry_some(self, found: Sequence[tuple[int, Received]], now_unix_ms: int) -> int:
        readable = [(row, replace(item, batch=decoded, unread=())) for row, item in found
                    if (decoded := _decoded(item)) is not None]

        def run() -> None:
            self._receipts.decide_again([item for _, item in readable], now_unix_ms)
            for row, item in list(readable):
                if not self._receipts.is_plausible(item, now_unix_ms):
                    readable.remove((row, item))
                    continue
                epoch_unix_ms = self._receipts.epoch_for(item)
                self._receipts.count(item.node, "received", 1)
                self._queue(StoredBatch(item.node, item.leaf, item.batch.boot_id, epoch_unix_ms,
                                        list(item.batch.records), []))
                self._receipts.forget_unread(row)

        if readable:
            self._transact(run)
            self._arrived.set()
        return len(readable)

    def wait_pending(self, timeout_s: float) -> bool:
        """Wait for a commit since the last call; return False on timeout."""
        arrived = self._arrived.wait(timeout_s)
        self._arrived.clear()
        return arrived

    def wake(self) -> None:
        """Wake up wait_pending()."""
        self._arrived.set()

    def epoch(self, node: str, boot_id: str) -> int | None:
        """Return the wall time at the boot's at_ms 0, or None if it is not decided."""
        with self._lock:
            return self._receipts.epoch(node, boot_id)

    def stored_upto(self, node: str, boot_id: str) -> int:
        """Return the highest seq up to which no record of the boot is outstanding."""
        with self._lock:
            return self._receipts.stored_upto(node, boot_id)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return {node: {received, stored, refused, duplicates, lost, rejected}}; "" for an
        unknown node.

        In records: received counts each once, stored those in the store, refused those of which
        the store keeps nothing (Store.write() dropped or rejected it whole), lost those a node
        has skipped for good, and unreadable ones that were deleted. The others wait. rejected
        counts invalid messages, unreadable records and points the store refused; a record that is
        read later also counts as received."""
        with self._lock:
            return {node: dict(counts) for node, counts in self._receipts.counts.items()}

    def depth_and_counts(self) -> tuple[int, dict[str, dict[str, int]]]:
        """Return (depth, counts()) of one moment: received = stored + refused + depth, summed."""
        with self._lock:
            return self._depth, self.counts()

    def rejected(self, count: int = 100) -> list[Rejected]:
        """Return the newest rejected messages and records, newest first."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT node, topic, payload, error, unix_ms FROM"
                " (SELECT * FROM rejected ORDER BY id DESC LIMIT :count)"
                " UNION ALL SELECT node, :up || node || '/up/' || leaf, payload, error, unix_ms"
                " FROM (SELECT * FROM unread ORDER BY id DESC LIMIT :count)"
                " ORDER BY unix_ms DESC LIMIT :count",
                {"count": count, "up": f"{protocol.PREFIX}/"},
            ).fetchall()
        return [Rejected(*row) for row in rows]

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._lock, self._read_lock:
            self._reader.close()
            fold_log(self._database)
            self._database.close()

    def _read(self, query: str, values: Sequence[object]) -> list[Any]:
        """Return the rows of a query. Raises SpoolError."""
        try:
            with self._read_lock:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SpoolError(f"spool: {error}") from error

    def _record(
        self, boots: dict[tuple[str, str], list[Received]], min_transit: MinTransit,
        committed: CommitResult,
    ) -> None:
        """Record the messages of each boot, queue new records, and clear `boots`."""
        for (node, boot_id), messages in boots.items():
            result = self._receipts.record(messages, min_transit)
            committed.stored_upto[node, boot_id] = result.stored_upto
            if result.epoch_unix_ms is None:
                continue
            for leaf, (records, news) in result.fresh.items():
                if not records:
                    continue
                accepted = StoredBatch(node, leaf, boot_id, result.epoch_unix_ms, records, news)
                committed.accepted.append(accepted)
                for at in range(0, len(records), ROW_RECORDS):
                    self._queue(accepted._replace(records=records[at : at + ROW_RECORDS]))
        boots.clear()

    def _queue(self, row: StoredBatch) -> None:
        """Queue records for the store; _flush() writes them."""
        self._new_rows.append((row.node, row.boot_id, row.epoch_unix_ms, row.leaf,
                               len(row.records), msgspec.json.encode(row.records)))
        self._depth += len(row.records)

    def _flush(self) -> None:
        """Write the rows and receipts of the transaction, before COMMIT."""
        self._database.executemany(
            "INSERT INTO pending (node, boot_id, epoch_unix_ms, leaf, record_count, body)"
            " VALUES (?,?,?,?,?,?)", self._new_rows)
        self._new_rows.clear()
        self._receipts.flush()

    def _transact(self, run: Callable[[], None]) -> None:
        with self._lock:
            depth = self._depth
            is_committed = False
            try:
                self._database.execute("BEGIN IMMEDIATE")
                run()
                self._flush()
                self._database.execute("COMMIT")
                is_committed = True
                self._state = "ok"
            except sqlite3.Error as error:
                self._state = str(error)
                raise SpoolError(f"spool: {error}") from error
            finally:
                if not is_committed:
                    self._undo(depth)

    def _undo(self, depth: int) -> None:
        """Roll back the transaction on disk and in memory."""
        self._depth = depth
        self._new_rows.clear()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._receipts.reload()


def _decoded(item: Received) -> protocol.Batch | None:
    """Return the record of a stored message, or None if it is still unreadable."""
    try:
        decoded = read_records(item.leaf, item.unread[0].payload)
    except protocol.ProtocolError:
        return None
    return None if decoded.unread else decoded.batch
