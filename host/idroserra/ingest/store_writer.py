"""Moves records from the spool to the store, block by block and in order.

During an outage of the store the spool grows; afterwards it drains in order. Points that the store
refuses permanently are found by bisecting the block and stored in the spool as rejected.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from idroserra.core.errors import SpoolError, StoreRejected, StoreUnavailable
from idroserra.history.models import Durability, EventPoint, Instant, Receipt, SamplePoint, Store
from idroserra.ingest.receipts import Rejected
from idroserra.ingest.spool import PendingBatch, Spool

BLOCK_RECORDS = 3_000  # about 10,000 lines of InfluxDB, in two bodies
LINGER_S = 0.5
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
# A store that refuses this many points and accepts none is misconfigured: nothing is discarded.
HOPELESS_POINTS = 64

_log = logging.getLogger("idroserra")

Point = SamplePoint | EventPoint


class _Unsaved(NamedTuple):
    """A written block that the store may still lose. Its rows have no bodies."""

    rows: list[PendingBatch]
    refused: list[Rejected]
    receipts: list[Receipt]



class StoreWriter:
    """Moves records from the spool to the store. run() is the loop of one thread."""

    def __init__(self, spool: Spool, store: Store, now_unix_ms: Callable[[], int]) -> None:
        self._spool = spool
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()
        self._has_accepted = False
        self._block_accepted = False
        self._unsaved: deque[_Unsaved] = deque()
        self._state = "ok"

    @property
    def state(self) -> str:
        """Return "ok", or why the last block could not be written."""
        return self._state

    def run(self) -> None:
        """Move blocks until stop(), with retries after errors of spool and store."""
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                moved = self.move_block()
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
            if moved < BLOCK_RECORDS:
                self._spool.wait_pending(1.0)
                self._stopping.wait(LINGER_S)

    def stop(self) -> None:
        """End run() after the current block."""
        self._stopping.set()
        self._spool.wake()

    def drain(self, timeout_s: float) -> bool:
        """Move blocks until the spool is empty; False on an error or timeout.

        Call it only after run() has ended."""
        deadline = time.monotonic() + timeout_s
        while self._spool.depth and time.monotonic() < deadline:
            try:
                if self.move_block() == 0:  # the rest is written, but not yet durable
                    return False
            except (StoreUnavailable, SpoolError) as error:
                self._state = error.why
                return False
        return self._spool.depth == 0

    def move_block(self) -> int:
        """Move one block and return its number of records. Raises StoreUnavailable, SpoolError."""
        self._forget_saved()
        after = self._unsaved[-1].rows[-1].id if self._unsaved else 0
        rows = self._spool.pending(BLOCK_RECORDS, after)
        if not rows:
            return 0
        instants: list[Instant] = []
        events: list[EventPoint] = []
        for row in rows:
            if row.leaf == "event":
                events += events_of(row)
            else:
                instants += instants_of(row)
        refused, receipts = self._write(instants, events)
        if receipts:
            bare = [row._replace(body=b"") for row in rows]
            self._unsaved.append(_Unsaved(bare, refused, receipts))
        else:
            self._spool.done(rows, refused)
        return sum(row.record_count for row in rows)

    def _write(
        self, instants: Sequence[Instant], events: Sequence[EventPoint]
    ) -> tuple[list[Rejected], list[Receipt]]:
        """Write the points; return the permanently refused ones, and receipts of the others."""
        self._block_accepted = False
        refused: list[Rejected] = []
        receipts: list[Receipt] = []
        self._write_part(instants, events, refused, receipts)
        if refused and not self._has_accepted:
            raise StoreUnavailable(f"the store has accepted nothing yet: {refused[0].reason}")
        return refused, receipts

    def _forget_saved(self) -> None:
        """Delete durable blocks from the spool. If the store lost data, write all blocks again
        that it may have lost. Raises StoreUnavailable, SpoolError."""
        while self._unsaved:
            block = self._unsaved[0]
            states = {receipt.durability() for receipt in block.receipts}
            if Durability.NO in states:
                count = sum(row.record_count for each in self._unsaved for row in each.rows)
                _log.warning("the store was restarted: %d records are written again", count)
                self._unsaved.clear()
            elif Durability.NOT_YET in states:
                return
            else:
                self._spool.done(block.rows, block.refused)
                self._unsaved.popleft()

    def _write_part(
        self, instants: Sequence[Instant], events: Sequence[EventPoint],
        refused: list[Rejected], receipts: list[Receipt],
    ) -> None:
        try:
            receipt = self._store.write_instants(instants, events)
        except StoreRejected as error:
            if len(instants) == 1 and not events and len(instants[0].values) > 1:
                instants = _each_alone(instants[0])
            half = (len(instants) + len(events)) // 2
            if half == 0:
                refused.append(self._rejected(instants[0] if instants else events[0], error.why))
            else:
                of_events = max(0, half - len(instants))
                self._write_part(instants[:half], events[:of_events], refused, receipts)
                self._write_part(instants[half:], events[of_events:], refused, receipts)
            if len(refused) >= HOPELESS_POINTS and not self._block_accepted:
                raise StoreUnavailable(f"the store refuses everything: {error.why}") from error
        else:
            self._block_accepted = self._has_accepted = True
            if receipt is not None:
                receipts.append(receipt)

    def _rejected(self, one: Instant | EventPoint, why: str) -> Rejected:
        point: Point
        if isinstance(one, Instant):
            (channel, value), = one.values.items()
            point = SamplePoint(one.node, channel, one.unix_ms, value)
        else:
            point = one
        payload = msgspec.json.encode(point)
        return Rejected(point.node, "store", payload, why, self._now_unix_ms())


def _each_alone(instant: Instant) -> list[Instant]:
    node, unix_ms, values = instant
    return [Instant(node, unix_ms, {channel: value}) for channel, value in values.items()]


def instants_of(row: PendingBatch) -> list[Instant]:
    """Return the instants of spooled telemetry; records with faults only have none."""
    return [Instant(row.node, row.epoch_unix_ms + at_ms, values)
            for _, at_ms, values, _ in msgspec.json.decode(row.body) if values]


def events_of(row: PendingBatch) -> list[EventPoint]:
    """Return the points of spooled events."""
    return [
        EventPoint(row.node, (row.epoch_unix_ms + at_ms) * 1_000 + seq % 1_000, seq,
                   row.boot_id, kind, detail)
        for seq, at_ms, kind, detail in msgspec.json.decode(row.body)
    ]
