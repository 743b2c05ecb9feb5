"""Keeps the receipt log: boots of each node, their received sequence numbers, and counters.

Works within transactions of the spool on its connection and never commits. Boots, ranges and
counters change with many messages, so flush() writes them once per transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.core.plausibility import HIGHEST_UNIX_MS, latest_unix_ms
from idroserra.core.sqlite import Upgrades
from idroserra.ingest import refusals
from idroserra.ingest.boot_time import boot_hints, boot_start
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.plausibility_filter import PlausibilityFilter
from idroserra.ingest.received import MinTransit, NodeInfoMessage, Received
from idroserra.ingest.refusals import Refusals, Rejected, Unread
from idroserra.ingest.sequence_ranges import SequenceRanges

COUNTERS = ("received", "stored", "refused", "duplicates", "lost", "rejected")
# Limits of one node. The outbox of a real one has at most 100 boots and 10,000 records, each of
# which may follow a gap.
MAX_BOOTS = 2_000
MAX_LOADED_BOOTS = 8  # in memory; others are read again
MAX_RANGES = 10_000  # of one boot
MAX_NODE_RANGES = 24_000  # of all boots of a node; above, the oldest are closed to half of it
# An epoch and the host's clock that contradict each other this long: the epoch is wrong.
SETTLED_MS = 3_600_000

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
CREATE TABLE IF NOT EXISTS counters (
    node TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (node, name)
) WITHOUT ROWID;
""" + refusals.SCHEMA
# The technical texts were called reasons before reasons had codes; `unread` came after `rejected`.
UPGRADES = Upgrades("rejected", ((
    "CREATE TABLE IF NOT EXISTS unread (id INTEGER PRIMARY KEY, node TEXT NOT NULL,"
    " boot_id TEXT NOT NULL, leaf TEXT NOT NULL, payload BLOB NOT NULL, reason TEXT NOT NULL,"
    " unix_ms INTEGER NOT NULL)",
    "ALTER TABLE rejected RENAME COLUMN reason TO error",
    "ALTER TABLE unread RENAME COLUMN reason TO error",
),))


@dataclass
class _Boot:
    node: str
    number: int
    epoch_unix_ms: int | None
    hint_unix_ms: int | None
    floor_seq: int
    lost: int
    received: SequenceRanges | None = None  # None: not loaded; most messages need the rest only
    closed: int = 0  # lost records in gaps that `received` no longer has
    saved: tuple[int | None, ...] = ()  # the values on disk
    saved_ranges: int = 0  # the number of ranges on disk


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
        self._refusals = Refusals(database, max_rejected, max_unread)
        self._boots: dict[str, dict[str, _Boot]] = {}  # by node; the last used last
        self._grown: set[str] = set()  # nodes with boots or ranges that were loaded or made
        self._range_counts: dict[str, int] = {}  # of all boots of a node, on disk
        self._filter = PlausibilityFilter()
        self._touched: dict[int, _Boot] = {}
        self._added: dict[tuple[str, str], int] = {}
        self._counts: dict[str, dict[str, int]] | None = None  # None: not loaded

    def reload(self) -> None:
        """Discard the state in memory after a roll-back; it is read from disk again."""
        self._boots.clear()
        self._grown.clear()
        self._range_counts.clear()
        self._touched.clear()
        self._added.clear()
        self._refusals.reload()
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
        ranges, floor_seq, lowest_seq = self._ranges(boot), boot.floor_seq, protocol.MAX_INT
        total = new_count = readable_count = 0
        for item in items:
            if boot.epoch_unix_ms is not None:
                self._filter.apply(item, boot.epoch_unix_ms)
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
        if len(ranges) > MAX_RANGES:  # the records before the newest half will not come
            floor_seq = max(floor_seq, ranges.first_of(len(ranges) - MAX_RANGES // 2) - 1)
            boot.closed += ranges.close_gaps(floor_seq)
        if floor_seq != boot.floor_seq or lowest_seq <= floor_seq:
            self._set_floor(boot, floor_seq)
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
        """Store a rejected message and count it."""
        self._refusals.reject(item)
        self.count(item.node, "rejected", 1)

    def unread(self, after_row: int, error_end: str) -> list[tuple[int, Received]]:
        """Return (id, message) of some unreadable records after one, oldest first, of those whose
        error ends with a text.

        The message is as received: its batch is empty, and `unread` has the record.
        """
        return [
            (row, Received(one.node, one.leaf, protocol.Batch(one.boot_id, None, None, 0, []),
                           one.unix_ms, (UnreadableRecord(0, one.payload, one.error),)))
            for row, one in self._refusals.unread(after_row, error_end)]

    def forget_unread(self, row: int) -> None:
        """Delete a stored record that is readable now."""
        self._refusals.forget_unread(row)

    def is_plausible(self, item: Received, now_unix_ms: int = 0) -> bool:
        """Return whether the record of a message that is readable now has a plausible time, as of
        its arrival or now, and channels."""
        epoch_unix_ms = self.epoch_for(item)
        item.unix_ms = max(item.unix_ms, now_unix_ms)
        self._filter.apply(item, epoch_unix_ms)
        return not item.unread

    def decide_again(self, items: Sequence[Received], now_unix_ms: int) -> None:
        """Decide epochs again that are in the future SETTLED_MS after messages arrived.

        The clock of the host was ahead when they were decided. Before that time it may be the
        clock that is wrong, as after a start without network."""
        wrong: dict[int, tuple[_Boot, list[Received]]] = {}
        for item in items:
            boot = self._boot(item.node, item.batch.boot_id)
            up_ms = min(item.batch.sent_at_ms or 0, item.batch.records[-1].at_ms)
            if (boot is not None and boot.epoch_unix_ms is not None
                    and now_unix_ms - item.unix_ms >= SETTLED_MS
                    and boot.epoch_unix_ms + up_ms > latest_unix_ms(now_unix_ms)):
                wrong.setdefault(boot.number, (boot, []))[1].append(item)
        for boot, found in wrong.values():
            boot.epoch_unix_ms = boot_start(found[0].batch, boot.hint_unix_ms, min(
                item.unix_ms - (item.batch.sent_at_ms or item.batch.records[-1].at_ms)
                for item in found), now_unix_ms)
            self._touched[boot.number] = boot

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
        for node in self._refusals.add_unread(Unread(
                item.node, item.batch.boot_id, item.leaf, one.payload, one.error, item.unix_ms)):
            self.count(node, "lost", 1)
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
        self._write_boots()
        for node in list(self._grown):
            self._limit_boots(node)
        self._grown.clear()
        self._database.executemany(
            "INSERT INTO counters VALUES (?,?,?)"
            " ON CONFLICT (node, name) DO UPDATE SET count = count + excluded.count",
            [(node, name, by) for (node, name), by in self._added.items()])
        self._added.clear()

    def _write_boots(self) -> None:
        boots, ranges, removed = [], [], []
        for boot in self._touched.values():
            head = boot.epoch_unix_ms, boot.hint_unix_ms, boot.floor_seq, boot.lost, boot.number
            if head != boot.saved:
                boots.append(head)
                boot.saved = head
            if boot.received is None:
                continue
            if len(boot.received) != boot.saved_ranges:
                self._count_ranges(boot.node, len(boot.received) - boot.saved_ranges)
                boot.saved_ranges = len(boot.received)
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
        self._touched.clear()

    def _count_ranges(self, node: str, by: int) -> None:
        """Count ranges of a node before they are written."""
        if node not in self._range_counts:
            self._range_counts[node] = self._database.execute(
                "SELECT count(*) FROM seen WHERE boot IN (SELECT boot FROM boots WHERE node=?)",
                (node,)).fetchone()[0]
        self._range_counts[node] += by
        self._grown.add(node)

    def _limit_boots(self, node: str) -> None:
        """Forget the oldest boots of a node above MAX_BOOTS, and in memory the least used; close
        the gaps of the oldest ones above MAX_NODE_RANGES."""
        loaded = self._boots[node]
        old = self._database.execute(
            "SELECT boot, boot_id FROM boots WHERE node=? ORDER BY boot DESC"
            " LIMIT -1 OFFSET ?", (node, MAX_BOOTS)).fetchall()
        for number, boot_id in old:
            removed = self._database.execute("DELETE FROM seen WHERE boot=?", (number,)).rowcount
            if node in self._range_counts:
                self._range_counts[node] -= removed
            self._database.execute("DELETE FROM boots WHERE boot=?", (number,))
            loaded.pop(boot_id, None)
        if self._range_counts.get(node, 0) > MAX_NODE_RANGES:
            self._close_oldest(node)
        for boot_id in list(loaded)[:-MAX_LOADED_BOOTS]:
            del loaded[boot_id]

    def _close_oldest(self, node: str) -> None:
        """Close the gaps of the oldest boots: the records in them will not come."""
        for boot_id, count in self._database.execute(
                "SELECT boot_id, (SELECT count(*) FROM seen WHERE seen.boot=boots.boot)"
                " FROM boots WHERE node=? ORDER BY boot", (node,)).fetchall():
            if self._range_counts[node] <= MAX_NODE_RANGES // 2:
                break
            boot = self._boot(node, boot_id) if count > 1 else None
            if boot is not None:
                ranges = self._ranges(boot)
                floor_seq = max(boot.floor_seq, ranges.highest)
                boot.closed += ranges.close_gaps(floor_seq)
                self._set_floor(boot, floor_seq)
                self._touched[boot.number] = boot
                self._write_boots()

    def _set_floor(self, boot: _Boot, floor_seq: int) -> None:
        """Set the floor of a boot and count what is lost below it."""
        lost = self._ranges(boot).missing_upto(floor_seq) + boot.closed
        boot.floor_seq = floor_seq
        self.count(boot.node, "lost", lost - boot.lost)
        boot.lost = lost

    def epoch(self, node: str, boot_id: str) -> int | None:
        """Return the epoch of a boot, or None if it is not decided."""
        boot = self._boot(node, boot_id)
        return None if boot is None else boot.epoch_unix_ms

    def stored_upto(self, node: str, boot_id: str) -> int:
        """Return the highest seq up to which no record of the boot is outstanding."""
        boot = self._boot(node, boot_id)
        return 0 if boot is None else self._ranges(boot).prefix(boot.floor_seq)

    def _boot(self, node: str, boot_id: str) -> _Boot | None:
        loaded = self._boots.setdefault(node, {})
        known = loaded.pop(boot_id, None)
        if known is not None:
            loaded[boot_id] = known
            return known
        row = self._database.execute(
            "SELECT boot, epoch_unix_ms, hint_unix_ms, floor_seq, lost FROM boots"
            " WHERE node=? AND boot_id=?", (node, boot_id)).fetchone()
        if row is None:
            return None
        number, epoch_unix_ms, hint_unix_ms, floor_seq, lost = row
        if epoch_unix_ms is not None and not 0 <= epoch_unix_ms <= HIGHEST_UNIX_MS:
            epoch_unix_ms = None  # believed by an earlier version of the host
        return self._load(node, boot_id, _Boot(
            node, number, epoch_unix_ms, hint_unix_ms, floor_seq, lost))

    def _ranges(self, boot: _Boot) -> SequenceRanges:
        """Return the received numbers of a boot; load them if necessary."""
        if boot.received is None:
            boot.received = SequenceRanges(self._database.execute(
                "SELECT first, last FROM seen WHERE boot=?", (boot.number,)))
            boot.saved_ranges = len(boot.received)
            boot.closed = boot.lost - boot.received.missing_upto(boot.floor_seq)
            self._count_ranges(boot.node, 0)
        return boot.received

    def _new_boot(self, node: str, boot_id: str) -> _Boot:
        number = self._database.execute(
            "INSERT INTO boots (node, boot_id) VALUES (?,?)", (node, boot_id)).lastrowid
        return self._load(node, boot_id, _Boot(
            node, number or 0, None, None, 0, 0, SequenceRanges()))

    def _load(self, node: str, boot_id: str, boot: _Boot) -> _Boot:
        self._boots.setdefault(node, {})[boot_id] = boot
        self._grown.add(node)
        return boot
