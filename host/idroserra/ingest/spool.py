"""The spool: received records, durable on disk, until the store has them.

One commit (SQLite, WAL, synchronous=FULL) takes many messages; what it returns may be
acknowledged. Identity is (node, boot_id, seq): which numbers of a boot came is part of the same
transaction, so a process killed at any instant neither loses nor doubles a record.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.core.errors import SpoolError
from idroserra.core.sqlite import PAGE_BYTES, connect, connect_reader
from idroserra.ingest.decoder import read_records
from idroserra.ingest.receipts import (
    SCHEMA,
    LeastLessSent,
    NodeInfoMessage,
    ReceiptLog,
    Received,
    Rejected,
    least_arrived_less_sent,
)

SHRINK_PAGES = 1_024
ROW_RECORDS = 200  # records that wait as one row; a message may bring more

_SCHEMA = SCHEMA + """
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    epoch_unix_ms INTEGER NOT NULL, leaf TEXT NOT NULL, record_count INTEGER NOT NULL,
    body BLOB NOT NULL
);
"""

Item = Received | NodeInfoMessage | Rejected


class StoredBatch(NamedTuple):
    """New records of one boot that came together, with the epoch of the boot; `news`: the newest
    of each message."""

    node: str
    leaf: str
    boot_id: str
    epoch_unix_ms: int
    records: list[Any]
    news: list[Any]


@dataclass
class CommitResult:
    """What one commit made durable; stored_upto has an entry for each (node, boot_id) touched."""

    accepted: list[StoredBatch] = field(default_factory=list)
    stored_upto: dict[tuple[str, str], int] = field(default_factory=dict)


class PendingBatch(NamedTuple):
    """Records that came together and wait for the store; body is a JSON list of the records."""

    id: int
    node: str
    boot_id: str
    epoch_unix_ms: int
    leaf: str
    record_count: int
    body: bytes


class Spool:
    """The durable queue. Every method may be called from any thread; commits are serialised."""

    def __init__(
        self, path: Path, max_mb: int = 4_096, max_rejected: int = 1_000,
        max_unread: int = 100_000,
    ) -> None:
        """Open or create the file; it never grows past max_mb. Raises SpoolError."""
        self._lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._arrived = threading.Event()
        self._state = "ok"
        self._kept: list[tuple[str, str, int, str, int, bytes]] = []
        try:
            self._database = connect(path, _SCHEMA)
            self._database.execute(f"PRAGMA max_page_count={max_mb * 1024 * 1024 // PAGE_BYTES}")
            self._reader = connect_reader(path)
            self._receipts = ReceiptLog(self._database, max_rejected, max_unread)
            self._depth = int(self._database.execute(
                "SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0])
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
        """Make the items durable, all or none, and say what is new. Raises SpoolError.

        What was here already is counted as duplicate, and its stored_upto is told again: the
        node may have missed the first answer."""
        committed = CommitResult()
        least_less_sent = cache(partial(least_arrived_less_sent, items))

        def run() -> None:
            boots: dict[tuple[str, str], list[Received]] = {}
            for item in items:
                if isinstance(item, Received):
                    boots.setdefault((item.node, item.batch.boot_id), []).append(item)
                elif isinstance(item, NodeInfoMessage):
                    self._take(boots, least_less_sent, committed)  # what came before, before
                    self._receipts.announce(item)
                else:
                    self._receipts.reject(item)
            self._take(boots, least_less_sent, committed)

        self._transact(run)
        if committed.accepted:
            self._arrived.set()
        return committed

    def pending(self, max_records: int, after: int = 0) -> list[PendingBatch]:
        """Return the oldest that wait after an id, up to about max_records. Raises SpoolError."""
        rows: list[PendingBatch] = []
        total = 0
        query = "SELECT * FROM pending WHERE id > ? ORDER BY id LIMIT ?"
        try:
            with self._read_lock:
                cursor = self._reader.execute(query, (after, max_records))
                while total < max_records and (row := cursor.fetchone()) is not None:
                    rows.append(PendingBatch(*row))
                    total += rows[-1].record_count
                cursor.close()
        except sqlite3.Error as error:
            raise SpoolError(f"spool: {error}") from error
        return rows

    def done(self, rows: Sequence[PendingBatch], refused: Iterable[Rejected] = ()) -> None:
        """Forget what the store has, rows as pending() gave them; keep what it refused for good.

        Raises SpoolError."""

        def run() -> None:
            if rows:  # all there are from the first to the last: nobody else takes any away
                self._database.execute(
                    "DELETE FROM pending WHERE id BETWEEN ? AND ?", (rows[0].id, rows[-1].id))
            stored: dict[str, int] = {}
            for row in rows:
                stored[row.node] = stored.get(row.node, 0) + row.record_count
            for node, count in stored.items():
                self._receipts.count(node, "stored", count)
                self._depth -= count
            for item in refused:
                self._receipts.reject(item)

        self._transact(run)
        if self.depth == 0:
            self._shrink()

    def retry_unreadable(self) -> int:
        """Take what could not be read when it came and can be by now; return how many records.

        For the start of a host: an update may have taught it. Raises SpoolError."""
        known: list[tuple[int, Received]] = []
        with self._lock:
            for row, kept in self._receipts.unread():
                decoded = _decoded(kept)
                if decoded is not None:
                    known.append((row, replace(kept, batch=decoded, unread=())))

        def run() -> None:
            for row, item in known:
                epoch_unix_ms = self._receipts.epoch_for(item)
                self._receipts.count(item.node, "received", 1)
                self._keep(StoredBatch(item.node, item.leaf, item.batch.boot_id, epoch_unix_ms,
                                    list(item.batch.records), []))
                self._receipts.forget_unread(row)

        if known:
            self._transact(run)
            self._arrived.set()
        return len(known)

    def wait_pending(self, timeout_s: float) -> bool:
        """Wait until something was committed since the last call; False when nothing was."""
        arrived = self._arrived.wait(timeout_s)
        self._arrived.clear()
        return arrived

    def wake(self) -> None:
        """End a wait_pending() early."""
        self._arrived.set()

    def epoch(self, node: str, boot_id: str) -> int | None:
        """Return the wall time at the boot's at_ms 0 once it is decided, else None."""
        with self._lock:
            return self._receipts.epoch(node, boot_id)

    def stored_upto(self, node: str, boot_id: str) -> int:
        """Return the highest seq up to which nothing of the boot is outstanding."""
        with self._lock:
            return self._receipts.stored_upto(node, boot_id)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return {node: {received, stored, duplicates, lost, rejected}}; node "" is nobody known.

        In records: received counts each once, stored those the store has, lost those a node
        passed over for good. rejected counts messages, records that could not be read, and points
        the store refused: those read later are received as well."""
        with self._lock:
            return {node: dict(counts) for node, counts in self._receipts.counts.items()}

    def rejected(self, count: int = 100) -> list[Rejected]:
        """Return the newest rejected messages and records, newest first."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT node, topic, payload, reason, unix_ms FROM"
                " (SELECT * FROM rejected ORDER BY id DESC LIMIT :count)"
                " UNION ALL SELECT node, :up || node || '/up/' || leaf, payload, reason, unix_ms"
                " FROM (SELECT * FROM unread ORDER BY id DESC LIMIT :count)"
                " ORDER BY unix_ms DESC LIMIT :count",
                {"count": count, "up": f"{protocol.PREFIX}/"},
            ).fetchall()
        return [Rejected(*row) for row in rows]

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._lock, self._read_lock:
            self._reader.close()
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()

    def _take(
        self, boots: dict[tuple[str, str], list[Received]], least_less_sent: LeastLessSent,
        committed: CommitResult,
    ) -> None:
        """Book the messages of each boot and let what is new wait; leave `boots` empty."""
        for (node, boot_id), of_boot in boots.items():
            taken = self._receipts.take(of_boot, least_less_sent)
            committed.stored_upto[node, boot_id] = taken.stored_upto
            if taken.epoch_unix_ms is None:
                continue
            for leaf, (records, news) in taken.fresh.items():
                if not records:
                    continue
                accepted = StoredBatch(node, leaf, boot_id, taken.epoch_unix_ms, records, news)
                committed.accepted.append(accepted)
                if len(records) <= ROW_RECORDS:
                    self._keep(accepted)
                    continue
                for at in range(0, len(records), ROW_RECORDS):
                    self._keep(accepted._replace(records=records[at : at + ROW_RECORDS]))
        boots.clear()

    def _keep(self, row: StoredBatch) -> None:
        """Let records wait for the store, once the transaction writes what it has."""
        self._kept.append((row.node, row.boot_id, row.epoch_unix_ms, row.leaf, len(row.records),
                           msgspec.json.encode(row.records)))
        self._depth += len(row.records)

    def _flush(self) -> None:
        """Write what the transaction has gathered, its last act."""
        self._database.executemany(
            "INSERT INTO pending (node, boot_id, epoch_unix_ms, leaf, record_count, body)"
            " VALUES (?,?,?,?,?,?)", self._kept)
        self._kept.clear()
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
        """Be as before the transaction, on disk and in memory."""
        self._depth = depth
        self._kept.clear()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._receipts.reload()

    def _shrink(self) -> None:
        """Give the disk back what an outage of the store took."""
        with self._lock:
            free = int(self._database.execute("PRAGMA freelist_count").fetchone()[0])
            if free > SHRINK_PAGES:
                # A page a step, and no rows: execute() would free a single page.
                self._database.executescript(f"PRAGMA incremental_vacuum({free})")


def _decoded(kept: Received) -> protocol.Batch | None:
    """Return the record of a kept message, None where it cannot be read this time either."""
    try:
        decoded = read_records(kept.leaf, kept.unread[0].payload)
    except protocol.ProtocolError:
        return None
    return None if decoded.unread else decoded.batch
