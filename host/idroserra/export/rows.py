"""Iterates over a node's history in time order, holding a page of it in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain, groupby
from typing import NamedTuple

from idroserra.core import protocol
from idroserra.history.models import EventPoint, Store
from idroserra.history.models import Instant as StoredInstant
from idroserra.history.paging import events, instant_pages

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# A fault that began before the span is found if it began at most this long before.
LOOK_BACK_MS = 31 * DAY_MS
MAX_FAULTS = 128  # at once, the newest: a node has 32 channels at most
FAULT_KINDS = ("fault_began", "fault_ended", "boot")


class Instant(NamedTuple):
    """The readings of a node at one instant: a channel is in values or in faults."""

    unix_ms: int
    values: dict[str, float]
    faults: dict[str, str]


def instants(
    store: Store, node: str, channels: list[str], from_unix_ms: int, to_unix_ms: int
) -> Iterator[Instant]:
    """Yield the instants of [from, to), oldest first: every record, and every change of a fault.

    The store has values; faults are in the events `fault_began` and `fault_ended`. A value of a
    channel overrides a fault. Raises StoreUnavailable, StoreRejected."""
    open_faults: dict[str, str] = {}
    since = max(0, from_unix_ms - LOOK_BACK_MS)
    for event in events(store, node, since, from_unix_ms, FAULT_KINDS):
        _update_faults(open_faults, event)
    for start, end in _windows(from_unix_ms, to_unix_ms, HOUR_MS):
        parts: tuple[Iterable[EventPoint | StoredInstant], ...] = (
            events(store, node, start, end, FAULT_KINDS),
            chain.from_iterable(instant_pages(store, node, start, end)))
        for unix_ms, found in groupby(merge(*parts, key=_unix_ms), _unix_ms):
            here: dict[str, float] = {}
            for one in found:
                if isinstance(one, EventPoint):
                    _update_faults(open_faults, one)
                else:
                    here = {channel: one.values[channel] for channel in channels
                            if channel in one.values}
            for channel in here:
                open_faults.pop(channel, None)
            if here or open_faults:
                yield Instant(unix_ms, here, dict(sorted(open_faults.items())))


def _unix_ms(one: EventPoint | StoredInstant) -> int:
    return one.unix_us // 1_000 if isinstance(one, EventPoint) else one.unix_ms


def _windows(from_unix_ms: int, to_unix_ms: int, width_ms: int) -> Iterator[tuple[int, int]]:
    start = max(0, from_unix_ms)
    while start < to_unix_ms:
        end = min(start + width_ms, to_unix_ms)
        yield start, end
        start = end


def _update_faults(open_faults: dict[str, str], event: EventPoint) -> None:
    """Apply one event to the open faults."""
    if event.kind == "boot":
        open_faults.clear()  # a node reports its faults again after a boot
        return
    channel = event.detail.get("channel")
    if not isinstance(channel, str) or not is_channel(channel):
        return
    if event.kind == "fault_began":
        open_faults[channel] = str(event.detail.get("fault", ""))
        if len(open_faults) > MAX_FAULTS:
            del open_faults[next(iter(open_faults))]
    else:
        open_faults.pop(channel, None)


def is_channel(text: str) -> bool:
    """Return True if `text` is a channel of the protocol."""
    try:
        protocol.split_channel(text)
    except protocol.ProtocolError:
        return False
    return True
