"""Keeps the receipt log: boots of each node, their received sequence numbers, and counters.

Works within transactions of the spool on its connection and never commits. Boots, ranges and
counters change with many messages, so flush() writes them once per transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.ingest.boot_time import boot_hints, boot_start
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.sequence_ranges import SequenceRanges

# Returns {(node, boot_id): minimum of arrival less sent_at_ms} over the messages of one commit.
MinTransit = Callable[[], dict[tuple[str, str], int]]

REJECTED_PAYLOAD_BYTES = 8_192
COUNTERS = ("received", "stored", "duplicates", "lost", "rejected")

SCHEMA = """
CREATE TABLE IF NOT EXISTS boots (
    boot INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    epoch_unix_ms INTEGER, hint_unix_ms INTEGER,
    floor_seq INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
    UNIQUE (node, boot_id)
);
CREATE TABLE IF NOT EXISTS seen (
    boot INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (boot, first)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    reason TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS unread (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL, leaf TEXT NOT NULL,
    payload BLOB NOT NULL, reason TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counters (
    node TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (node, name)
) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Received:
    """Records of one boot: leaf "telemetry" or "event", and the host's time of arrival.

    They are from one message or from several consecutive ones. `news`: the newest record of each
    message; min_transit_ms: minimum of arrival less sent_at_ms."""

    node: str
    leaf: str
    batch: protocol.Batch
    unix_ms: int
    unread: tuple[UnreadableRecord, ...] = ()
    news: list[Any] = field(default_factory=list)
    min_transit_ms: int | None = None

    def __post_init__(self) -> None:
        """Initialize from one message."""
        self.news += self.batch.records[-1:]
        if self.batch.sent_at_ms is not None:
            self.min_transit_ms = self.unix_ms - self.batch.sent_at_ms

    def extend_with(self, batch: protocol.Batch, unix_ms: int) -> bool:
        """Append the records of the next message; False if it is not a plain continuation."""
        _, boot_unix_ms, sent_at_ms, oldest_seq, new = batch
        _, own_unix_ms, _, own_oldest_seq, records = self.batch
        if (
            self.min_transit_ms is None or sent_at_ms is None
            or own_oldest_seq != oldest_seq or own_unix_ms != boot_unix_ms
            or new[0].seq != records[-1].seq + 1
        ):
            return False
        records += new
        self.news.append(new[-1])
        if unix_ms - sent_at_ms < self.min_transit_ms:
            self.min_transit_ms = unix_ms - sent_at_ms
        return True

    @property
    def first_seq(self) -> int:
        """The lowest sequence number of the records, readable or not."""
        records, unread = self.batch.records, self.unread
        if not unread:
            return int(records[0].seq)
        return min(unread[0].seq, int(records[0].seq)) if records else unread[0].seq


class NodeInfoMessage(NamedTuple):
    """Content of up/info; unix_ms is the time of arrival, None for a retained message."""

    node: str
    info: protocol.Info
    unix_ms: int | None


class Rejected(NamedTuple):
    """An invalid message; node is "" if it is unknown."""

    node: str
    topic: str
    payload: bytes
    reason: str
    unix_ms: int


@dataclass
class _Boot:
    number: int
    epoch_unix_ms: int | None
    hint_unix_ms: int | None
    floor_seq: int
    lost: int
    received: SequenceRanges
    saved: tuple[int | None, ...] = ()  # the values on disk


class NewRecords(NamedTuple):
    """New records of one boot and leaf; `news`: the newest of each message."""

    records: list[Any]
    news: list[Any]


class ReceiptResult(NamedTuple):
    """New records of one boot by leaf, and the sequence number up to which it is complete.

    epoch_unix_ms is None only if no record was readable.
    """

    epoch_unix_ms: int | None
    fresh: dict[str, NewRecords]
    stored_upto: int


class ReceiptLog:
    """The receipt log. Not thread-safe: the spool holds its lock around every call."""

    def __init__(self, database: sqlite3.Connection, max_rejected: int, max_unread: int) -> None:
        self._database = database
        self._max_rejected = max_rejected
        self._max_unread = max_unread
        self._boots: dict[tuple[str, str], _Boot] = {}
        self._touched: dict[int, _Boot] = {}
        self._added: dict[tuple[str, str], int] = {}
        self._counts: dict[str, dict[str, int]] | None = None  # None: not loaded

    def reload(self) -> None:
        """Discard the state in memory after a roll-back; it is read from disk again."""
        self._boots.clear()
        self._touched.clear()
        self._added.clear()
        self._counts = None

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Return {node: {counter: count}}; only outside of transactions."""
        if self._counts is None:
            self._counts = {}
            for node, name, count in self._database.execute(
                "SELECT node, name, count FROM counters"
            ):
                self._counts.setdefault(node, dict.fromkeys(COUNTERS, 0))[name] = count
        return self._counts

    def record(self, items: Sequence[Received], min_transit: MinTransit) -> ReceiptResult:
        """Record messages of one boot, each with at least one record."""
        node, boot_id = items[0].node, items[0].batch.boot_id
        boot = self._boot(node, boot_id) or self._new_boot(node, boot_id)
        if boot.epoch_unix_ms is None:
            self._decide_epoch(boot, items, min_transit)
        fresh = {leaf: NewRecords([], []) for leaf in dict.fromkeys(item.leaf for item in items)}
        ranges, floor_seq, lowest_seq = boot.received, boot.floor_seq, protocol.MAX_INT
        total = new_count = readable_count = 0
        for item in items:
            batch, unread, news = item.batch, item.unread, item.news
            records = batch.records
            first_seq = item.first_seq if unread else records[0].seq
            total += len(records) + len(unread)
            last_seq = records[-1].seq if records else 0
            is_run = not unread and last_seq - first_seq + 1 == len(records)
            if is_run and ranges.extend(first_seq, last_seq):
                new = records  # all new and in order: the usual case
            else:
                news = []
                new = [record for record in records if ranges.add(record.seq)]
                for one in unread:
                    if ranges.add(one.seq):
                        self._store_unread(item, one)
                        new_count += 1
            if new:
                new_count += len(new)
                fresh[item.leaf].records.extend(new)
                fresh[item.leaf].news.extend(news or new[-1:])
                readable_count += len(new)
            lowest_seq = min(lowest_seq, first_seq)
            # oldest_seq cannot be above the records of this message: they are not lost.
            floor_seq = max(floor_seq, min(batch.oldest_seq, first_seq) - 1)
        if floor_seq != boot.floor_seq or lowest_seq <= floor_seq:
            boot.floor_seq = floor_seq
            lost = ranges.missing_upto(floor_seq)
            self.count(node, "lost", lost - boot.lost)
            boot.lost = lost
        self.count(node, "received", readable_count)
        self.count(node, "duplicates", total - new_count)
        self._touched[boot.number] = boot
        return ReceiptResult(boot.epoch_unix_ms, fresh, ranges.prefix(floor_seq))

    def _decide_epoch(
        self, boot: _Boot, items: Sequence[Received], min_transit: MinTransit
    ) -> None:
        item = next((item for item in items if item.batch.records), None)
        if item is not None:
            boot.epoch_unix_ms = boot_start(
                item.batch, boot.hint_unix_ms,
                min_transit().get((item.node, item.batch.boot_id)), item.unix_ms)

    def add_boot_hints(self, item: NodeInfoMessage) -> None:
        """Store the epochs in up/info as hints for boots whose epoch is not yet decided."""
        for boot_id, epoch_unix_ms in boot_hints(
                item.info, item.unix_ms, partial(self.epoch, item.node)).items():
            boot = self._boot(item.node, boot_id) or self._new_boot(item.node, boot_id)
            if boot.epoch_unix_ms is None and boot.hint_unix_ms != epoch_unix_ms:
                boot.hint_unix_ms = epoch_unix_ms
                self._touched[boot.number] = boot

    def reject(self, item: Rejected) -> None:
        """Store a rejected message, delete the oldest above the limit, and count it."""
        row = self._database.execute(
            "INSERT INTO rejected (node, topic, payload, reason, unix_ms) VALUES (?,?,?,?,?)",
            (item.node, item.topic, item.payload[:REJECTED_PAYLOAD_BYTES], item.reason,
             item.unix_ms),
        ).lastrowid
        self._database.execute(
            "DELETE FROM rejected WHERE id <= ?", ((row or 0) - self._max_rejected,))
        self.count(item.node, "rejected", 1)

    def unread(self) -> list[tuple[int, Received]]:
        """Return (id, message) of the unreadable records, oldest first.

        The message is as received: its batch is empty, and `unread` has the record.
        """
        found = []
        for row, node, boot_id, leaf, payload, reason, unix_ms in self._database.execute(
            "SELECT id, node, boot_id, leaf, payload, reason, unix_ms FROM unread ORDER BY id"
        ):
            batch = protocol.Batch(boot_id, None, None, 0, [])
            unread = (UnreadableRecord(0, payload, reason),)
            found.append((row, Received(node, leaf, batch, unix_ms, unread)))
        return found

    def forget_unread(self, row: int) -> None:
        """Delete a stored record that is readable now."""
        self._database.execute("DELETE FROM unread WHERE id=?", (row,))

    def epoch_for(self, item: Received) -> int:
        """Return the epoch of the boot of a message with records, deciding it if necessary."""
        boot = self._boot(item.node, item.batch.boot_id)
        if boot is None:
            boot = self._new_boot(item.node, item.batch.boot_id)
        if boot.epoch_unix_ms is None:
            boot.epoch_unix_ms = boot_start(item.batch, boot.hint_unix_ms, None, item.unix_ms)
            self._touched[boot.number] = boot
        return boot.epoch_unix_ms

    def _store_unread(self, item: Received, one: UnreadableRecord) -> None:
        row = self._database.execute(
            "INSERT INTO unread (node, boot_id, leaf, payload, reason, unix_ms)"
            " VALUES (?,?,?,?,?,?)",
            (item.node, item.batch.boot_id, item.leaf, one.payload, one.reason, item.unix_ms),
        ).lastrowid
        oldest = (row or 0) - self._max_unread
        self._database.execute("DELETE FROM unread WHERE id <= ?", (oldest,))
        self.count(item.node, "rejected", 1)

    def count(self, node: str, name: str, by: int) -> None:
        """Add to a counter of a node."""
        if by == 0:
            return
        if self._counts is not None:
            self._counts.setdefault(node, dict.fromkeys(COUNTERS, 0))[name] += by
        self._added[node, name] = self._added.get((node, name), 0) + by

    def flush(self) -> None:
        """Write the changes; called before each commit."""
        boots, ranges, removed = [], [], []
        for boot in self._touched.values():
            head = boot.epoch_unix_ms, boot.hint_unix_ms, boot.floor_seq, boot.lost, boot.number
            if head != boot.saved:
                boots.append(head)
                boot.saved = head
            for first, last in boot.received.pop_changes():
                if last is None:
                    removed.append((boot.number, first))
                else:
                    ranges.append((boot.number, first, last))
        many = self._database.executemany
        many("UPDATE boots SET epoch_unix_ms=?, hint_unix_ms=?, floor_seq=?, lost=? WHERE boot=?",
             boots)
        many("DELETE FROM seen WHERE boot=? AND first=?", removed)
        many("INSERT OR REPLACE INTO seen VALUES (?,?,?)", ranges)
        many("INSERT INTO counters VALUES (?,?,?)"
             " ON CONFLICT (node, name) DO UPDATE SET count = count + excluded.count",
             [(node, name, by) for (node, name), by in self._added.items()])
        self._touched.clear()
        self._added.clear()

    def epoch(self, node: str, boot_id: str) -> int | None:
        """Return the epoch of a boot, or None if it is not decided."""
        boot = self._boot(node, boot_id)
        return None if boot is None else boot.epoch_unix_ms

    def stored_upto(self, node: str, boot_id: str) -> int:
        """Return the highest seq up to which no record of the boot is outstanding."""
        boot = self._boot(node, boot_id)
        return 0 if boot is None else boot.received.prefix(boot.floor_seq)

    def _boot(self, node: str, boot_id: str) -> _Boot | None:
        known = self._boots.get((node, boot_id))
        if known is not None:
            return known
        row = self._database.execute(
            "SELECT boot, epoch_unix_ms, hint_unix_ms, floor_seq, lost FROM boots"
            " WHERE node=? AND boot_id=?", (node, boot_id)).fetchone()
        if row is None:
            return None
        ranges = self._database.execute("SELECT first, last FROM seen WHERE boot=?", row[:1])
        number, epoch_unix_ms, hint_unix_ms, floor_seq, lost = row
        boot = self._boots[node, boot_id] = _Boot(
            number, epoch_unix_ms, hint_unix_ms, floor_seq, lost, SequenceRanges(ranges))
        return boot

    def _new_boot(self, node: str, boot_id: str) -> _Boot:
        number = self._database.execute(
            "INSERT INTO boots (node, boot_id) VALUES (?,?)", (node, boot_id)).lastrowid
        boot = self._boots[node, boot_id] = _Boot(number or 0, None, None, 0, 0, SequenceRanges())
        return boot


def min_transits(items: Sequence[object]) -> dict[tuple[str, str], int]:
    """Return {(node, boot_id): minimum of arrival less sent_at_ms} over messages of a commit."""
    found: dict[tuple[str, str], int] = {}
    for item in items:
        if isinstance(item, Received) and item.min_transit_ms is not None:
            key = (item.node, item.batch.boot_id)
            found[key] = min(item.min_transit_ms, found.get(key, item.min_transit_ms))
    return found
