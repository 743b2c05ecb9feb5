"""What is happening now, in memory: the newest values of each node, and a stream for the pages.

Messages are dicts with a "type": record, event, status, info, command, config or progress, and
the "node" they are about. A slow reader loses the oldest messages, which are counted; it never
holds up the ingest.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any

Message = dict[str, Any]

MAX_WAITING = 1_000


class Subscription:
    """One reader of the stream. Used by one asyncio task, or polled with take()."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._waiting: deque[Message] = deque(maxlen=max_waiting)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: asyncio.Event | None = None
        self.discarded_count = 0

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
        """Return the waiting messages, or [] when none came within timeout_s."""
        with self._lock:
            if self._ready is None:
                self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
            ready = self._ready
            ready.clear()
            if self._waiting:
                ready.set()
        try:
            await asyncio.wait_for(ready.wait(), timeout_s)
        except TimeoutError:
            return []
        return self.take()


class Live:
    """Newest channel values per node, and the subscriptions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, dict[str, Message]] = {}
        self._progress: dict[str, Message] = {}
        self._subscriptions: set[Subscription] = set()

    def channels(self, node: str) -> dict[str, Message]:
        """Return {channel: {"value", "fault", "unix_ms"}}; exactly one of value and fault."""
        with self._lock:
            return {key: dict(entry) for key, entry in self._channels.get(node, {}).items()}

    def record(
        self, node: str, unix_ms: int, values: dict[str, float], faults: dict[str, str]
    ) -> None:
        """Take a record in. Older than what is known: ignored, so a backlog is no news."""
        with self._lock:
            known = self._channels.setdefault(node, {})
            fresh = False
            for channel, value in values.items():
                fresh |= _newer(known, channel, value, None, unix_ms)
            for channel, fault in faults.items():
                fresh |= _newer(known, channel, None, fault, unix_ms)
        if fresh:
            self.publish({"type": "record", "node": node, "unix_ms": unix_ms,
                          "values": values, "faults": faults})

    def forget(self, node: str) -> None:
        """Know nothing of a node any more."""
        with self._lock:
            self._channels.pop(node, None)
            self._progress.pop(node, None)

    def set_progress(self, node: str, progress: Message | None) -> None:
        """Tell how far the loading of a node's history is; None when there is nothing to tell."""
        with self._lock:
            if progress is None:
                self._progress.pop(node, None)
            else:
                self._progress[node] = progress
        self.publish({"type": "progress", "node": node, "progress": progress})

    def progress(self, node: str) -> Message | None:
        """Return what set_progress told last."""
        with self._lock:
            return self._progress.get(node)

    def publish(self, message: Message) -> None:
        """Hand a message to every subscription."""
        with self._lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.put(message)

    def subscribe(self) -> Subscription:
        """Return a new subscription; end it with unsubscribe()."""
        subscription = Subscription()
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""
        with self._lock:
            self._subscriptions.discard(subscription)


def _newer(
    known: dict[str, Message], channel: str, value: float | None, fault: str | None, unix_ms: int
) -> bool:
    entry = known.get(channel)
    if entry is not None and entry["unix_ms"] > unix_ms:
        return False
    known[channel] = {"value": value, "fault": fault, "unix_ms": unix_ms}
    return True
