"""Iterates over a node's history in time order, holding one hour in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from idroserra.core import protocol
from idroserra.history.models import EventPoint, Store

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# A fault that began before the span is found if it began at most this long before.
LOOK_BACK_MS = 31 * DAY_MS
PAGE_EVENTS = 2_000  # in memory at once: a node may have any number of events in a day
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
    for event in events(store, node, from_unix_ms - LOOK_BACK_MS, from_unix_ms, FAULT_KINDS):
        _update_faults(open_faults, event)
    for start, end in _windows(from_unix_ms, to_unix_ms, HOUR_MS):
        values = _values(store, node, channels, start, end)
        changes: dict[int, list[EventPoint]] = {}
        for event in store.events(node, start, end, FAULT_KINDS):
            changes.setdefault(event.unix_us // 1_000, []).append(event)
        for unix_ms in sorted(values.keys() | changes.keys()):
            for event in changes.get(unix_ms, ()):
                _update_faults(open_faults, event)
            here = values.get(unix_ms, {})
            for channel in here:
                open_faults.pop(channel, None)
            if here or open_faults:
                yield Instant(unix_ms, here, dict(sorted(open_faults.items())))


def events(
    store: Store, node: str, from_unix_ms: int, to_unix_ms: int,
    kinds: Sequence[str] | None = None,
) -> Iterator[EventPoint]:
    """Yield the events of [from, to), oldest first; of one ms the newest PAGE_EVENTS.

    Raises StoreUnavailable, StoreRejected."""
    for start, end in _windows(from_unix_ms, to_unix_ms, DAY_MS):
        yield from _events_within(store, node, start, end, kinds)


def _events_within(
    store: Store, node: str, start: int, end: int, kinds: Sequence[str] | None
) -> Iterator[EventPoint]:
    """Yield the events of [start, end), by halves if there are more than PAGE_EVENTS."""
    found = store.events(node, start, end, kinds, PAGE_EVENTS)
    if len(found) < PAGE_EVENTS or end - start == 1:
        yield from found
        return
    del found
    middle = (start + end) // 2
    yield from _events_within(store, node, start, middle, kinds)
    yield from _events_within(store, node, middle, end, kinds)


def _windows(from_unix_ms: int, to_unix_ms: int, width_ms: int) -> Iterator[tuple[int, int]]:
    start = max(0, from_unix_ms)
    while start < to_unix_ms:
        end = min(start + width_ms, to_unix_ms)
        yield start, end
        start = end


def _values(
    store: Store, node: str, channels: list[str], from_unix_ms: int, to_unix_ms: int
) -> dict[int, dict[str, float]]:
    """Return {unix_ms: {channel: value}}."""
    return {unix_ms: {channel: values[channel] for channel in channels if channel in values}
            for _, unix_ms, values in store.instants(node, from_unix_ms, to_unix_ms)}


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
    else:
        open_faults.pop(channel, None)


def is_channel(text: str) -> bool:
    """Return True if `text` is a channel of the protocol."""
    try:
        protocol.split_channel(text)
    except protocol.ProtocolError:
        return False
    return True
