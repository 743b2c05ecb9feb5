"""Sends what the store has to one database, newest first, until that has everything too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from idroserra.core.config import FeedConfig
from idroserra.core.errors import StoreError, StoreUnavailable
from idroserra.feeds.pending_spans import PendingSpans, Span
from idroserra.feeds.victoria import Durability, ProcessState, VictoriaMonitor
from idroserra.history.block_writer import BlockWriter
from idroserra.history.influx.http import Http
from idroserra.history.influx.writer import LineWriter
from idroserra.history.models import EventPoint, Instant, Store
from idroserra.history.paging import event_pages, instant_pages

BLOCK_POINTS = 3_000  # instants and events, as in the store's writer
LINGER_S = 2.0
IDLE_S = 60.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LOOK_S = 1.0  # between two looks whether points are saved
MOST_UNREADABLE = 8  # spans of one round: more are an outage of the store

_Part = tuple[list[Span], list[Instant], list[EventPoint]]

_log = logging.getLogger("idroserra")


class _Sent(NamedTuple):
    """Spans that were sent, with the number of instants and events that were taken and refused."""

    spans: list[Span]
    written: int
    refused: int


class Feeder:
    """Feeds one database. run() is the loop of one thread."""

    def __init__(
        self, config: FeedConfig, site: str, spans: PendingSpans, store: Callable[[], Store],
        now_unix_ms: Callable[[], int],
    ) -> None:
        self.name = config.name
        self.where = f"{config.url}, database {config.database}"
        self._spans = spans
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._lines = LineWriter(config, site)
        self._writer = BlockWriter(self._lines.write)
        self._monitor = VictoriaMonitor(config.url, Http(config))
        self._stopping = threading.Event()
        self._is_marked = threading.Event()
        self._is_marked.set()
        self._failure: tuple[int, str] | None = None

    @property
    def failure(self) -> tuple[int, str] | None:
        """Return since when the database takes nothing, in unix ms, and why; None if it does."""
        return self._failure

    def run(self) -> None:
        """Feed until stop(), with retries."""
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                count = self.move_round()
            except StoreError as error:
                self._fail(error.why)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                continue
            if self._failure is not None:
                _log.warning("feed %s works again", self.name)
            self._failure = None
            wait_s = FIRST_WAIT_S
            if count == 0:
                self._is_marked.wait(IDLE_S)
                self._is_marked.clear()
                self._stopping.wait(LINGER_S)

    def wake(self) -> None:
        """Let run() look for spans."""
        self._is_marked.set()

    def stop(self) -> None:
        """End run() after the current request."""
        self._stopping.set()
        self._is_marked.set()

    def close(self) -> None:
        """Close the connections."""
        self._lines.close()
        self._monitor.close()

    def move_round(self) -> int:
        """Send the newest spans; return their number, 0 after stop().

        A span that cannot be read keeps no other from being sent. Raises StoreUnavailable."""
        claimed = self._spans.claim(self.name)
        unreadable: list[str] = []
        try:
            before = self._monitor.before()
            sent = _Sent([], 0, 0)
            for part in self._sent(claimed, unreadable):
                if before is None:
                    self._spans.done(self.name, *part)
                else:
                    sent = _Sent(sent.spans + part.spans, sent.written + part.written,
                                 sent.refused + part.refused)
            if sent.written == 0 or before is None or self._wait_saved(before):
                self._spans.done(self.name, *sent)
        finally:
            self._spans.release(self.name)
        if unreadable:
            raise StoreUnavailable(f"the store cannot be read: {unreadable[0]}")
        return 0 if self._stopping.is_set() else len(claimed)

    def _sent(self, claimed: list[Span], unreadable: list[str]) -> Iterator[_Sent]:
        """Send spans in blocks until stop(); yield each block that was taken."""
        for block in _blocks(self._read(claimed, unreadable)):
            if self._stopping.is_set():
                return
            began_s = time.monotonic()
            yield self._send(*block)
            # The pause is as long as the step, so that the ingest gets half the time.
            self._stopping.wait(time.monotonic() - began_s)

    def _read(self, claimed: list[Span], unreadable: list[str]) -> Iterator[_Part]:
        """Yield the content of spans in pages, each span after the last of its pages; add the
        errors of spans that cannot be read to `unreadable`."""
        for span in claimed:
            if len(unreadable) >= MOST_UNREADABLE:
                return
            try:
                store = self._store()
                for instants in instant_pages(store, *span):
                    yield [], instants, []
                for events in event_pages(store, *span):
                    yield [], [], events
                yield [span], [], []
            except StoreError as error:
                unreadable.append(error.why)

    def _send(
        self, spans: list[Span], instants: list[Instant], events: list[EventPoint]
    ) -> _Sent:
        """Send a block. Raises StoreUnavailable; also if nothing of it is taken."""
        if not instants and not events:
            return _Sent(spans, 0, 0)
        outcome = self._writer.write(instants, events)
        refused = outcome.missing.total()
        written = len(instants) + len(events) - refused
        if outcome.refused:
            why = outcome.refused[0][1]
            if not written:  # more likely a wrong configuration than a block of bad points
                raise StoreUnavailable(f"the database refuses everything: {why}")
            _log.warning("feed %s refuses %d points: %s", self.name, len(outcome.refused), why)
        return _Sent(spans, written, refused)

    def _wait_saved(self, before: ProcessState) -> bool:
        """Wait until VictoriaMetrics has saved what was sent; False at stop().

        Raises StoreUnavailable if it was restarted meanwhile and may have lost it."""
        receipt = self._monitor.receipt(before)
        while not self._stopping.is_set():
            state = receipt.durability()
            if state is Durability.YES:
                return True
            if state is Durability.NO:
                raise StoreUnavailable("the database was restarted: what it may have lost is sent"
                                       " again")
            self._stopping.wait(LOOK_S)
        return False

    def _fail(self, why: str) -> None:
        if self._failure is None:
            _log.warning("feed %s takes nothing: %s", self.name, why)
            self._failure = (self._now_unix_ms(), why)
        else:
            self._failure = (self._failure[0], why)


def _blocks(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Join parts to blocks of BLOCK_POINTS or more. Last pages without a span are left out: that
    span cannot be read, and is sent again."""
    spans: list[Span] = []
    instants: list[Instant] = []
    events: list[EventPoint] = []
    for more_spans, more_instants, more_events in parts:
        spans, instants, events = (
            spans + more_spans, instants + more_instants, events + more_events)
        if len(instants) + len(events) >= BLOCK_POINTS:
            yield spans, instants, events
            spans, instants, events = [], [], []
    if spans:
        yield spans, instants, events
