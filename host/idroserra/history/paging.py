"""Iterates over the history of a node in pages, so that any number of events and readings fits in
memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from idroserra.core.errors import InvalidInput
from idroserra.core.text import Text
from idroserra.history.models import EventPoint, Instant, Store
from idroserra.i18n.marker import N_

PAGE = 2_000  # events or instants in memory at once
# Read for one sum or summary: years of a node, and seconds of the host.
MOST_EVENTS = 500_000


class TooManyEvents(InvalidInput):
    """A node has more events in a period than are read for one result."""


def event_pages(
    store: Store, node: str, from_unix_ms: int, to_unix_ms: int,
    kinds: Sequence[str] | None = None,
) -> Iterator[list[EventPoint]]:
    """Yield the events of [from, to), oldest first, in lists that are not empty.

    Of one ms the first PAGE are read and more are left out: a node that works has a few. Raises
    StoreUnavailable, StoreRejected."""
    start = from_unix_ms
    while True:
        found = store.events(node, start, to_unix_ms, kinds, oldest=PAGE)
        if len(found) < PAGE:
            if found:
                yield found
            return
        # The last ms may have more events: it begins the next page, unless it is the whole page.
        start = found[-1].unix_us // 1_000
        whole = [event for event in found if event.unix_us // 1_000 < start]
        start += not whole
        yield whole or found


def instant_pages(
    store: Store, node: str, from_unix_ms: int, to_unix_ms: int
) -> Iterator[list[Instant]]:
    """Yield the readings of all channels of [from, to), oldest first, in lists that are not empty.

    Raises StoreUnavailable, StoreRejected."""
    start = from_unix_ms
    while True:
        found = store.instants(node, start, to_unix_ms, PAGE)
        if found:
            yield found
        if len(found) < PAGE:
            return
        start = found[-1].unix_ms + 1


def events(
    store: Store, node: str, from_unix_ms: int, to_unix_ms: int,
    kinds: Sequence[str] | None = None,
) -> Iterator[EventPoint]:
    """Yield the events of event_pages()."""
    return chain.from_iterable(event_pages(store, node, from_unix_ms, to_unix_ms, kinds))


def bounded_events(
    store: Store, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str]
) -> Iterator[EventPoint]:
    """Yield the events of event_pages() for one result.

    Raises TooManyEvents above MOST_EVENTS, StoreUnavailable, StoreRejected."""
    count = 0
    for page in event_pages(store, node, from_unix_ms, to_unix_ms, kinds):
        count += len(page)
        if count > MOST_EVENTS:
            raise TooManyEvents(Text(
                N_("{node}: more than {most} events in this period: choose a shorter one"),
                node=node, most=MOST_EVENTS))
        yield from page
