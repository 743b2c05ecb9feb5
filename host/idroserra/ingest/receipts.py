"""What has come from each node: boots, the sequence numbers seen of each, and the counters.

Works inside the transactions of the spool, on its connection; nothing here commits. What many
messages change again and again (boots, ranges, counters) is written once, by flush().
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.ingest.boot_time import boot_hints, boot_start
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.sequence_ranges import SequenceRanges

# Gives {(node, boot_id): least arrival less sent_at_ms} of the messages of one commit.
LeastLessSent = Callable[[], dict[tuple[str, str], int]]

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

    Of one message, or of several of which each goes on where the one before it ended. `news`: the
    newest record of each; min_transit_ms: least arrival less sent_at_ms."""

    node: str
    leaf: str
    batch: protocol.Batch
    unix_ms: int
    unread: tuple[UnreadableRecord, ...] = ()
    news: list[Any] = field(default_factory=list)
    min_transit_ms: int | None = None

    def __post_init__(self) -> None:
        """Begin with one message."""
        self.news += self.batch.records[-1:]
        if self.batch.sent_at_ms is not None:
            self.min_transit_ms = self.unix_ms - self.batch.sent_at_ms

    def extend_with(self, batch: protocol.Batch, unix_ms: int) -> bool:
        """Take in the records of the next message where it says nothing else of the boot."""
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
        """The lowest sequence number of what came, read or not."""
        records, unread = self.batch.records, self.unread
        if not unread:
            return int(records[0].seq)
        return min(unread[0].seq, int(records[0].seq)) if records else unread[0].seq


class NodeInfoMessage(NamedTuple):
    """What a node said in up/info; unix_ms of arrival, None for a retained copy."""

    node: str
    info: protocol.Info
    unix_ms: int | None


class Rejected(NamedTuple):
    """A message that is none of the contract's; node is "" where even that is unknown."""

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
    seen: SequenceRanges
    saved: tuple[int | None, ...] = ()  # what of it is on disk


class NewRecords(NamedTuple):
    """Records of one boot and leaf not seen before; `news`: the newest of each message."""

    records: list[Any]
    news: list[Any]


class ReceiptResult(NamedTuple):
    """What messages of one boot brought: new records by leaf, and how far the boot is complete.

    epoch_unix_ms is None only where none of them could be read.
    """

    epoch_unix_ms: int | None
    fresh: dict[str, NewRecords]
    stored_upto: int


class ReceiptLog:
    """The books of the spool. Not thread-safe: the spool holds its lock around every call."""

    def __init__(self, database: sqlite3.Connection, max_rejected: int, max_unread: int) -> None:
        self._database = database
        self._max_rejected = max_rejected
        self._max_unread = max_unread
        self._boots: dict[tuple[str, str], _Boot] = {}
        self._touched: dict[int, _Boot] = {}
        self._added: dict[tuple[str, str], int] = {}
        self._counts: dict[str, dict[str, int]] | None = None  # None: to be read from disk

    def reload(self) -> None:
        """Take the books from disk again, after a roll-back."""
        self._boots.clear()
        self._touched.clear()
        self._added.clear()
        self._counts = None

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Return {node: {counter: count}}; outside of transactions."""
        if self._counts is None:
            self._counts = {}
            for node, name, count in self._database.execute(
                "SELECT node, name, count FROM counters"
            ):
                self._counts.setdefault(node, dict.fromkeys(COUNTERS, 0))[name] = count
        return self._counts

    def take(self, items: Sequence[Received], least_less_sent: LeastLessSent) -> ReceiptResult:
        """Book messages of one boot, each with at least one record."""
        node, boot_id = items[0].node, items[0].batch.boot_id
        boot = self._boot(node, boot_id) or self._new_boot(node, boot_id)
        if boot.epoch_unix_ms is None:
            self._decide_epoch(boot, items, least_less_sent)
        fresh = {leaf: NewRecords([], []) for leaf in dict.fromkeys(item.leaf for item in items)}
        seen, floor_seq, lowest_seq = boot.seen, boot.floor_seq, protocol.MAX_INT
        came = taken = received = 0
        for item in items:
            batch, unread, news = item.batch, item.unread, item.news
            records = batch.records
            first_seq = item.first_seq if unread else records[0].seq
            came += len(records) + len(unread)
            last_seq = records[-1].seq if records else 0
            is_run = not unread and last_seq - first_seq + 1 == len(records)
            if is_run and seen.extend(first_seq, last_seq):
                new = records  # all of them new, in order: nearly always
            else:
                news = []
                new = [record for record in records if seen.add(record.seq)]
                for one in unread:
                    if seen.add(one.seq):
                        self._keep_unread(item, one)
                        taken += 1
            if new:
                taken += len(new)
                fresh[item.leaf].records.extend(new)
                fresh[item.leaf].news.extend(news or new[-1:])
                received += len(new)
            lowest_seq = min(lowest_seq, first_seq)
            # oldest_seq may not reach past the message itself: what came was not lost.
            floor_seq = max(floor_seq, min(batch.oldest_seq, first_seq) - 1)
        if floor_seq != boot.floor_seq or lowest_seq <= floor_seq:
            boot.floor_seq = floor_seq
            lost = seen.missing_upto(floor_seq)
            self.count(node, "lost", lost - boot.lost)
            boot.lost = lost
        self.count(node, "received", received)
        self.count(node, "duplicates", came - taken)
        self._touched[boot.number] = boot
        return ReceiptResult(boot.epoch_unix_ms, fresh, seen.prefix(floor_seq))

    def _decide_epoch(
        self, boot: _Boot, items: Sequence[Received], least_less_sent: LeastLessSent
    ) -> None:
        item = next((item for item in items if item.batch.records), None)
        if item is not None:
            boot.epoch_unix_ms = boot_start(
                item.batch, boot.hint_unix_ms,
                least_less_sent().get((item.node, item.batch.boot_id)), item.unix_ms)

    def announce(self, item: NodeInfoMessage) -> None:
        """Keep what an up/info says about when its boots began, for boots not yet decided."""

        def known(boot_id: str) -> int | None:
            return self.epoch(item.node, boot_id)

        for boot_id, epoch_unix_ms in boot_hints(item.info, item.unix_ms, known).items():
            boot = self._boot(item.node, boot_id) or self._new_boot(item.node, boot_id)
            if boot.epoch_unix_ms is None and boot.hint_unix_ms != epoch_unix_ms:
                boot.hint_unix_ms = epoch_unix_ms
                self._touched[boot.number] = boot

    def reject(self, item: Rejected) -> None:
        """Keep a rejected message, dropping the oldest beyond the limit, and count it for ever."""
        row = self._database.execute(
            "INSERT INTO rejected (node, topic, payload, reason, unix_ms) VALUES (?,?,?,?,?)",
            (item.node, item.topic, item.payload[:REJECTED_PAYLOAD_BYTES], item.reason,
             item.unix_ms),
        ).lastrowid
        self._database.execute(
            "DELETE FROM rejected WHERE id <= ?", ((row or 0) - self._max_rejected,)
        )
        self.count(item.node, "rejected", 1)

    def unread(self) -> list[tuple[int, Received]]:
        """Return (id, message) of what could not be read when it came, oldest first.

        The message is as it came then: its batch has no records, its `unread` that one.
        """
        found = []
        for row, node, boot_id, leaf, payload, reason, unix_ms in self._database.execute(
            "SELECT id, node, boot_id, leaf, payload, reason, unix_ms FROM unread ORDER BY id"
        ):
            batch = protocol.Batch(boot_id, None, None, 0, [])
            kept = Received(node, leaf, batch, unix_ms, (UnreadableRecord(0, payload, reason),))
            found.append((row, kept))
        return found

    def forget_unread(self, row: int) -> None:
        """Drop what can be read by now."""
        self._database.execute("DELETE FROM unread WHERE id=?", (row,))

    def epoch_for(self, item: Received) -> int:
        """Return the epoch of the boot of a message with records; decide it where it is open."""
        boot = self._boot(item.node, item.batch.boot_id)
        if boot is None:
            boot = self._new_boot(item.node, item.batch.boot_id)
        if boot.epoch_unix_ms is None:
            boot.epoch_unix_ms = boot_start(item.batch, boot.hint_unix_ms, None, item.unix_ms)
            self._touched[boot.number] = boot
        return boot.epoch_unix_ms

    def _keep_unread(self, item: Received, one: UnreadableRecord) -> None:
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
        """Write what has changed; before each commit."""
        boots, ranges, gone = [], [], []
        for boot in self._touched.values():
            head = boot.epoch_unix_ms, boot.hint_unix_ms, boot.floor_seq, boot.lost, boot.number
            if head != boot.saved:
                boots.append(head)
                boot.saved = head
            for first, last in boot.seen.pop_changes():
                if last is None:
                    gone.append((boot.number, first))
                else:
                    ranges.append((boot.number, first, last))
        many = self._database.executemany
        many("UPDATE boots SET epoch_unix_ms=?, hint_unix_ms=?, floor_seq=?, lost=? WHERE boot=?",
             boots)
        many("DELETE FROM seen WHERE boot=? AND first=?", gone)
        many("INSERT OR REPLACE INTO seen VALUES (?,?,?)", ranges)
        many("INSERT INTO counters VALUES (?,?,?)"
             " ON CONFLICT (node, name) DO UPDATE SET count = count + excluded.count",
             [(node, name, by) for (node, name), by in self._added.items()])
        self._touched.clear()
        self._added.clear()

    def epoch(self, node: str, boot_id: str) -> int | None:
        """Return the decided epoch of a boot, or None."""
        boot = self._boot(node, boot_id)
        return None if boot is None else boot.epoch_unix_ms

    def stored_upto(self, node: str, boot_id: str) -> int:
        """Return the highest seq up to which nothing of the boot is outstanding."""
        boot = self._boot(node, boot_id)
        return 0 if boot is None else boot.seen.prefix(boot.floor_seq)

    def _boot(self, node: str, boot_id: str) -> _Boot | None:
        known = self._boots.get((node, boot_id))
        if known is not None:
            return known
        row = self._database.execute(
            "SELECT boot, epoch_unix_ms, hint_unix_ms, floor_seq, lost FROM boots"
            " WHERE node=? AND boot_id=?", (node, boot_id),
        ).fetchone()
        if row is None:
            return None
        ranges = self._database.execute("SELECT first, last FROM seen WHERE boot=?", row[:1])
        number, epoch_unix_ms, hint_unix_ms, floor_seq, lost = row
        boot = self._boots[node, boot_id] = _Boot(
            number, epoch_unix_ms, hint_unix_ms, floor_seq, lost, SequenceRanges(ranges)
        )
        return boot

    def _new_boot(self, node: str, boot_id: str) -> _Boot:
        number = self._database.execute(
            "INSERT INTO boots (node, boot_id) VALUES (?,?)", (node, boot_id)
        ).lastrowid
        boot = self._boots[node, boot_id] = _Boot(number or 0, None, None, 0, 0, SequenceRanges())
        return boot


def least_arrived_less_sent(items: Sequence[object]) -> dict[tuple[str, str], int]:
    """Return {(node, boot_id): least arrival less sent_at_ms} over the messages of one commit."""
    least: dict[tuple[str, str], int] = {}
    for item in items:
        if isinstance(item, Received) and item.min_transit_ms is not None:
            key = (item.node, item.batch.boot_id)
            least[key] = min(item.min_transit_ms, least.get(key, item.min_transit_ms))
    return least
