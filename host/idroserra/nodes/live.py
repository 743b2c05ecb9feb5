"""Live state in memory: the newest values of each node, and a message stream for the pages.

Messages are dicts with a "type" (record, event, command, config, progress or journal) and a
"node". A slow subscriber loses the oldest messages, which are counted; it never blocks the ingest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

Message = dict[str, Any]

MAX_WAITING = 1_000
MAX_RECENT = 16  # records of a node not merged yet

Recent = tuple[int, Mapping[str, float], Mapping[str, str]]


class Subscription:
    """One subscriber of the stream: to all types, or to those in `kinds`. Used by one asyncio
    task, or polled with take()."""

    def __init__(self, max_waiting: int = MAX_WAITING, kinds: Iterable[str] | None = None) -> None:
        self._kinds = None if kinds is None else frozenset(kinds)
        self._waiting: deque[Message] = deque(maxlen=max_waiting)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: asyncio.Event | None = None
        self.discarded_count = 0

    def wants(self, kind: str) -> bool:
        """Return True if this subscriber receives messages of this type."""
        return self._kinds is None or kind in self._kinds

    def put(self, message: Message) -> None:
        """Add a message; called from any thread."""
        with self._lock:
            if len(self._waiting) == self._waiting.maxlen:
                self.discarded_count += 1
            self._waiting.append(message)
            loop, ready = self._loop, self._ready
        if loop is not None and ready is not None and not loop.is_closed():
            loop.call_soon_threadsafe(ready.set)

    def take(self) -> list[Message]:
        """Return all waiting messages, oldest first, without waiting."""
        with self._lock:
            messages = list(self._waiting)
            self._waiting.clear()
        return messages

    async def next(self, timeout_s: float) -> list[Message]:
        """Return the waiting messages, or [] if none arrived within timeout_s."""
        with self._lock:
            if self._ready is None:
                self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
            ready = self._ready
            ready.clear()
            if self._waiting:
                ready.set()
        try:
            async with asyncio.timeout(timeout_s):  # wait_for() of Python 3.11 loses a cancel()
                await ready.wait()
        except TimeoutError:
            return []
        return self.take()


class LiveState:
    """Newest channel values per node, and the subscriptions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, dict[str, Message]] = {}
        # Of each node: the newest time of any record, and the records since, for channels().
        self._newest_unix_ms: dict[str, int] = {}
        self._recent: dict[str, list[Recent]] = {}
        self._progress: dict[str, Message] = {}
        self._subscriptions: tuple[Subscription, ...] = ()

    def channels(self, node: str) -> dict[str, Message]:
        """Return {channel: {"value", "fault", "unix_ms"}}; exactly one of value and fault."""
        with self._lock:
            self._take_recent(node)
            return {key: dict(entry) for key, entry in self._channels.get(node, {}).items()}

    def record(
        self, node: str, unix_ms: int, values: dict[str, float], faults: dict[str, str]
    ) -> None:
        """Add a record. One older than the known values is no news: it may be a backlog."""
        if not values and not faults:
            return
        with self._lock:
            fresh = unix_ms >= self._newest_unix_ms.get(node, unix_ms)
            if fresh:
                self._newest_unix_ms[node] = unix_ms
                recent = self._recent.setdefault(node, [])
                recent.append((unix_ms, values, faults))
                if len(recent) > MAX_RECENT:
                    self._take_recent(node)
            else:
                fresh = self._take_late(node, unix_ms, values, faults)
            wanted = fresh and any(each.wants("record") for each in self._subscriptions)
        if wanted:
            self.publish({"type": "record", "node": node, "unix_ms": unix_ms,
                          "values": values, "faults": faults})

    def forget(self, node: str) -> None:
        """Discard everything of a node."""
        with self._lock:
            self._channels.pop(node, None)
            self._newest_unix_ms.pop(node, None)
            self._recent.pop(node, None)
            self._progress.pop(node, None)

    def set_progress(self, node: str, progress: Message | None) -> None:
        """Publish the progress of loading a node's history; None when it is done."""
        with self._lock:
            if progress is None:
                self._progress.pop(node, None)
            else:
                self._progress[node] = progress
        self.publish({"type": "progress", "node": node, "progress": progress})

    def progress(self, node: str) -> Message | None:
        """Return the last value of set_progress, or None."""
        with self._lock:
            return self._progress.get(node)

    def publish(self, message: Message) -> None:
        """Send a message to every matching subscription."""
        for subscription in self._subscriptions:
            if subscription.wants(message["type"]):
                subscription.put(message)

    def subscribe(self, kinds: Iterable[str] | None = None) -> Subscription:
        """Return a new subscription to the types in `kinds`, or to all; end with unsubscribe()."""
        subscription = Subscription(kinds=kinds)
        with self._lock:
            self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""
        with self._lock:
            self._subscriptions = tuple(
                each for each in self._subscriptions if each is not subscription)

    def _take_recent(self, node: str) -> None:
        """Merge the recent records into the newest values of each channel; under the lock."""
        known = self._channels.setdefault(node, {})
        done: set[str] = set()
        for unix_ms, values, faults in reversed(self._recent.pop(node, ())):
            if faults or not values.keys() <= done:
                _take(known, done, unix_ms, values, faults)
        if not known:
            del self._channels[node]

    def _take_late(
        self, node: str, unix_ms: int, values: Mapping[str, float], faults: Mapping[str, str]
    ) -> bool:
        """Merge an out-of-order record; return whether it updates a channel."""
        self._take_recent(node)
        known = self._channels.setdefault(node, {})
        done = {channel for channel, entry in known.items() if entry["unix_ms"] > unix_ms}
        before = len(done)
        _take(known, done, unix_ms, values, faults)
        return len(done) > before


def _take(
    known: dict[str, Message], done: set[str], unix_ms: int, values: Mapping[str, float],
    faults: Mapping[str, str],
) -> None:
    """Update the channels that are not in `done`, and add them to it."""
    for channel, fault in faults.items():
        if channel not in done:
            known[channel] = {"value": None, "fault": fault, "unix_ms": unix_ms}
            done.add(channel)
    for channel, value in values.items():
        if channel not in done:
            known[channel] = {"value": value, "fault": None, "unix_ms": unix_ms}
            done.add(channel)
