"""Moves records from the spool to the store, block by block and in order.

During an outage of the store the spool grows; afterwards it drains in order. With a standby the
spool keeps what was moved until the standby's copy of the store has it: at every instant one of
its copies has each record. Points that the store
refuses permanently are stored in the spool as rejected. Records older than the store keeps are
counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import msgspec

from idroserra.core.errors import SpoolError, StoreUnavailable
from idroserra.history.block_writer import BlockWriter
from idroserra.history.models import EventPoint, Instant, Store
from idroserra.ingest.confirmations import Copies
from idroserra.ingest.refusals import Rejected
from idroserra.ingest.spool import PendingBatch, Spool

BLOCK_RECORDS = 3_000  # about 10,000 lines of InfluxDB, in two bodies
LINGER_S = 0.5
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
RETRY_STEP_S = 0.1  # between two steps of reading unreadable records again
RETRY_FUTURE_S = 3_600.0  # also after the start: the clock of the host is set meanwhile

OnStored = Callable[[Sequence[Instant], Sequence[EventPoint]], None]

_log = logging.getLogger("idroserra")


def _ignore(instants: Sequence[Instant], events: Sequence[EventPoint]) -> None:
    """Do nothing."""


class _Moved:
    """Rows whose records are in the store and that the spool still has."""

    def __init__(self) -> None:
        self.rows: list[PendingBatch] = []
        self.refused: list[Rejected] = []
        self.missing: Counter[str] = Counter()

    @property
    def last_id(self) -> int:
        return self.rows[-1].id if self.rows else 0

    def add(
        self, rows: Sequence[PendingBatch], refused: Sequence[Rejected], missing: Counter[str]
    ) -> None:
        self.rows += [row._replace(body=b"") for row in rows]
        self.refused += refused
        self.missing += missing


class StoreWriter:
    """Moves records from the spool to the store. run() is the loop of one thread."""

    def __init__(
        self, spool: Spool, store: Store, now_unix_ms: Callable[[], int],
        on_stored: OnStored = _ignore, copies: Copies | None = None,
    ) -> None:
        """`on_stored` receives what a block has stored, before the spool forgets it. It may raise
        StoreUnavailable: then the block is moved again. With `copies` the spool forgets what a
        standby has in the store."""
        self._spool = spool
        self._writer = BlockWriter(store.write)
        self._now_unix_ms = now_unix_ms
        self._on_stored = on_stored
        self._copies = copies
        self._moved = _Moved()
        self._stopping = threading.Event()
        self._state = "ok"
        self._unreadable: Iterator[int] | None = spool.retry_unreadable()
        self._readable = 0  # records that were unreadable

    @property
    def state(self) -> str:
        """Return "ok", or why the last block could not be written."""
        return self._state

    def run(self) -> None:
        """Move blocks until stop(), with retries after errors of spool and store."""
        wait_s = FIRST_WAIT_S
        retry_at_s = time.monotonic() + RETRY_FUTURE_S
        while not self._stopping.is_set():
            try:
                moved = self.move_block()
                if moved < BLOCK_RECORDS:  # no backlog: a step each time delays no commit much
                    self._spool.shrink()
                if time.monotonic() >= retry_at_s:
                    retry_at_s = time.monotonic() + RETRY_FUTURE_S
                    for _ in self._spool.retry_future(self._now_unix_ms()):
                        if self._stopping.is_set():
                            return
                is_retrying = self._retry_unreadable()
            except (StoreUnavailable, SpoolError) as error:
                if self._state == "ok":
                    _log.warning("the store cannot be written: %s", error.why)
                self._state = error.why
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                continue
            if self._state != "ok":
                _log.warning("the store works again, %d records wait", self._spool.depth)
            self._state = "ok"
            wait_s = FIRST_WAIT_S
            if is_retrying:
                self._stopping.wait(RETRY_STEP_S)
            elif moved < BLOCK_RECORDS:
                self._spool.wait_pending(1.0)
                self._stopping.wait(LINGER_S)

    def stop(self) -> None:
        """End run() after the current block."""
        self._stopping.set()
        self._spool.wake()

    def _retry_unreadable(self) -> bool:
        """Decode some unreadable records again, once for all of them after a start; return False
        after the last. A step each time delays no record much. Raises SpoolError."""
        if self._unreadable is None:
            return False
        try:
            readable = next(self._unreadable, None)
        except SpoolError:
            self._unreadable = self._spool.retry_unreadable()
            raise
        if readable is not None:
            self._readable += readable
            return True
        self._unreadable = None
        if self._readable:
            _log.info("%d records that were unreadable can now be read", self._readable)
        return False

    def drain(self, timeout_s: float) -> bool:
        """Move blocks until the spool is empty; False on an error or timeout.

        Call it only after run() has ended."""
        deadline = time.monotonic() + timeout_s
        while self._spool.depth and time.monotonic() < deadline:
            try:
                if not self.move_block():
                    break  # the standby lacks the rest
            except (StoreUnavailable, SpoolError) as error:
                self._state = error.why
                return False
        return self._spool.depth == 0

    def move_block(self) -> int:
        """Move one block and return its number of records. Raises StoreUnavailable, SpoolError."""
        rows = self._spool.pending(BLOCK_RECORDS, self._moved.last_id)
        if not rows or (self._copies is not None and not self._copies.may_move()):
            self._forget()
            return 0
        instants: list[Instant] = []
        events: list[EventPoint] = []
        for row in rows:
            if row.leaf == "event":
                events += events_of(row)
            else:
                instants += instants_of(row)
        outcome = self._writer.write(instants, events)
        self._on_stored(instants, events)
        self._moved.add(rows, [
            Rejected(point.node, "store", msgspec.json.encode(point), why, self._now_unix_ms())
            for point, why in outcome.refused], outcome.missing)
        self._forget()
        return sum(row.record_count for row in rows)

    def _forget(self) -> None:
        """Let the spool forget what was moved, if no standby lacks it. Raises SpoolError."""
        moved = self._moved
        if moved.rows and (self._copies is None or self._copies.has_store()):
            self._spool.done(moved.rows, moved.refused, moved.missing)
            self._moved = _Moved()


def instants_of(row: PendingBatch) -> list[Instant]:
    """Return the instants of spooled telemetry; records with faults only have none."""
    return [Instant(row.node, row.epoch_unix_ms + at_ms, values)
            for _, at_ms, values, _ in msgspec.json.decode(row.body) if values]


def known_events(
    spool: Spool, store: Store, node: str, from_unix_ms: int, to_unix_ms: int,
    kinds: Sequence[str] | None, newest: int,
) -> list[EventPoint]:
    """Return events as Store.events(), also those that still wait for the store.

    So a page that has just opened misses none: the live stream has those after it. If more than
    `newest` wait, those that came last are taken. Raises SpoolError, StoreError."""
    waiting: list[EventPoint] = []
    for row in spool.pending_events(node):
        waiting += [event for event in events_of(row)
                    if from_unix_ms * 1_000 <= event.unix_us < to_unix_ms * 1_000
                    and (kinds is None or event.kind in kinds)]
        if len(waiting) >= newest:
            break
    stored = store.events(node, from_unix_ms, to_unix_ms, kinds, newest)
    known = {(event.boot_id, event.seq) for event in stored}
    new = [event for event in waiting if (event.boot_id, event.seq) not in known]
    return sorted([*stored, *new], key=attrgetter("unix_us"))[-newest:]


def events_of(row: PendingBatch) -> list[EventPoint]:
    """Return the points of spooled events."""
    return [
        EventPoint(row.node, (row.epoch_unix_ms + at_ms) * 1_000 + seq % 1_000, seq,
                   row.boot_id, kind, detail)
        for seq, at_ms, kind, detail in msgspec.json.decode(row.body)
    ]
