"""The live stream of the page: numbered server-sent events with replay after a reconnect.

An EventStream reads the live state, adds texts for people, compares each node's JSON once a second
and keeps the newest messages. Each page reads from its own position; a page whose position is gone
receives `missed` and requests everything again. There is one stream for each locale (sse_hub.py):
run() takes the locale of its context.

A page takes its first state from the host, not from a comparison. A state that came and went
between two comparisons would stay on it: handed_out() makes the next one send such fields again.

The ingest shares this process, so a message is encoded once for all pages, and pages are woken at
most four times a second.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice
from typing import Any

from idroserra.core.computed import with_vpd
from idroserra.core.errors import HostError
from idroserra.i18n.reasons import fault_text, reason_json
from idroserra.nodes.host_health import host_problems
from idroserra.nodes.live import Message
from idroserra.web.api.alarms import alarms_summary
from idroserra.web.api.sites import sites_of
from idroserra.web.context import WebContext
from idroserra.web.node_view import event_words, wall_unix_ms

KEPT_COUNT = 2_000
TICK_S = 1.0
HEARTBEAT_S = 5.0
REST = 3  # pause after a comparison, as a multiple of its duration, for each stream
WAKE_EVERY_S = 0.25
RECENT_MS = 86_400_000
# Fields of a node's JSON that record messages carry or that change with every message.
_VOLATILE = ("last_seen_unix_ms",)
_VOLATILE_IN_CHANNELS = ("value", "fault", "fault_text", "unix_ms")


class EventStream:
    """Numbered messages of one locale. Used from one event loop, while run() is running."""

    def __init__(
        self, context: WebContext, digest: str, streams: Callable[[], int] = lambda: 1
    ) -> None:
        """`streams` returns the number of streams, which share the time for comparisons."""
        self._context = context
        self._digest = digest
        self._streams = streams
        self._boot = secrets.token_hex(4)
        self._messages: deque[tuple[int, bytes]] = deque(maxlen=KEPT_COUNT)
        self._number = 0
        self._lock = threading.Lock()
        # What the last comparison saw, without the fields that handed_out() found to differ.
        self._shape: dict[str, dict[str, Any]] = {}
        self._host: list[dict[str, str]] | None = None
        self._is_host_current = True
        self._alarms: dict[str, Any] = {}
        self._sites: list[dict[str, Any]] | None = []
        self._more = asyncio.Event()
        self._woken_s = 0.0
        self._wake_due: asyncio.TimerHandle | None = None
        self._has_ended = False
        self._subscription = context.live.subscribe()
        self.readers = 0
        self.used_s = 0.0  # on the clock of the event loop

    @property
    def has_ended(self) -> bool:
        """Whether it has no more messages: after end(), or after a failure of run()."""
        return self._has_ended

    async def run(self) -> None:
        """Read the live state until cancelled. Afterwards the open streams end."""
        subscription = self._subscription
        loop = asyncio.get_running_loop()
        due = loop.time()
        lost_count = 0
        try:
            while True:
                for message in await subscription.next(max(0.05, due - loop.time())):
                    translated = self._with_texts(message)
                    if translated is not None:
                        self._add(translated)
                if subscription.discarded_count != lost_count:
                    lost_count = subscription.discarded_count
                    self._add({"type": "missed"})  # too many at once
                if loop.time() >= due:
                    began_s = loop.time()
                    changes = await asyncio.to_thread(self._changes)
                    due = max(began_s + TICK_S, loop.time() + self.rest_s(loop.time() - began_s))
                    for change in changes:
                        self._add(change)
        finally:
            self._context.live.unsubscribe(subscription)
            self.end()

    def rest_s(self, took_s: float) -> float:
        """Return how long to rest after a comparison. A thousand nodes take long, and so do many
        languages and choices of units: leave time to the other threads."""
        return REST * took_s * self._streams()

    def end(self) -> None:
        """End every open stream, so that the server can stop."""
        self._has_ended = True
        self._wake()

    def handed_out(
        self, nodes: list[dict[str, Any]], host: list[dict[str, str]] | None = None
    ) -> None:
        """A page got the JSON of all nodes, and the host reasons, not from this stream.

        The next comparison sends what the last one saw differently. From any thread."""
        shapes = {node["node"]: _shape(node) for node in nodes}
        sites = sites_of(nodes)
        with self._lock:
            for name in shapes.keys() | self._shape.keys():
                shape = shapes.get(name, {})
                self._shape[name] = {key: value for key, value in self._shape.get(name, {}).items()
                                     if key in shape and shape[key] == value}
            if sites != self._sites:
                self._sites = None
            if host is not None and host != self._host:
                self._is_host_current = False

    @property
    def newest_id(self) -> str:
        """The id of the newest message; a page rendered now reads the messages after it."""
        return f"{self._boot}-{self._number}"

    async def stream(
        self, last_event_id: str | None, is_allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Yield the messages after `last_event_id` if it is still kept, else the new ones.

        The stream ends within HEARTBEAT_S after the log-out of its user."""
        self.readers += 1
        try:
            async for part in self._stream(last_event_id, is_allowed):
                yield part
        finally:
            self.readers -= 1
            self.used_s = asyncio.get_running_loop().time()

    async def _stream(
        self, last_event_id: str | None, is_allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        due = loop.time() + HEARTBEAT_S
        position = self._position(last_event_id)
        missed = position is None and last_event_id is not None
        if position is None:
            position = self._number
        yield self._encoded(position, self._hello(missed))
        while not self._has_ended:
            if loop.time() >= due:
                due = loop.time() + HEARTBEAT_S
                if not await is_allowed():
                    yield self._encoded(position, json.dumps({"type": "logged_out"}))
                    return
            more = self._more
            pending = self._messages_after(position)
            if pending and pending[0][0] > position + 1:  # too slow: messages are gone
                position = self._number
                yield self._encoded(position, self._hello(True))
                continue
            if pending:
                yield b"".join([self._heartbeat(position), *(text for _number, text in pending)])
                position = pending[-1][0]
                continue
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await more.wait()
            except TimeoutError:
                yield self._heartbeat(position)

    def _heartbeat(self, position: int) -> bytes:
        """Return the message of the time. It precedes other messages: a page whose clock is late
        would end its charts before what they report."""
        text = json.dumps({"type": "heartbeat", "unix_ms_now": wall_unix_ms()})
        return self._encoded(position, text)

    def _hello(self, missed: bool) -> str:
        """Return the first message; after missed ones with alarms and host reasons."""
        hello = {"type": "hello", "digest": self._digest, "missed": missed,
                 "unix_ms_now": wall_unix_ms()}
        if missed and self._host is not None:  # None before the first comparison
            hello |= {"alarms": self._alarms, "host": self._host}
        return json.dumps(hello)

    def _messages_after(self, position: int) -> list[tuple[int, bytes]]:
        """Return the kept messages after number `position`."""
        count = min(self._number - position, len(self._messages))
        return list(islice(reversed(self._messages), count))[::-1]

    def _position(self, last_event_id: str | None) -> int | None:
        boot, _, number = (last_event_id or "").partition("-")
        if boot != self._boot or not number.isdecimal() or int(number) > self._number:
            return None
        oldest = self._messages[0][0] if self._messages else self._number + 1
        return int(number) if int(number) >= oldest - 1 else None

    def _encoded(self, number: int, text: str) -> bytes:
        return f"id: {self._boot}-{number}\ndata: {text}\n\n".encode()

    def _add(self, message: Message) -> None:
        self._number += 1
        self._messages.append((self._number, self._encoded(self._number, json.dumps(message))))
        if self._wake_due is None:  # at once if the last wake-up is long ago
            loop = asyncio.get_running_loop()
            self._wake_due = loop.call_at(self._woken_s + WAKE_EVERY_S, self._wake)

    def _wake(self) -> None:
        if self._wake_due is not None:
            self._wake_due.cancel()
            self._wake_due = None
        self._woken_s = asyncio.get_running_loop().time()
        self._more.set()
        self._more = asyncio.Event()

    def _with_texts(self, message: Message) -> Message | None:
        """Return a message with texts for people; None for an event older than a day."""
        kind = message.get("type")
        if kind == "event":
            detail = message["detail"]
            unix_us = message["unix_ms"] * 1_000 + message["seq"] % 1_000
            if message["unix_ms"] < wall_unix_ms() - RECENT_MS:
                return None
            return message | {"unix_us": unix_us} | event_words(message["kind"], detail)
        if kind == "command":
            return message | {"reason": reason_json(message["reason"])}
        if kind == "config":
            return message | {"error": reason_json(message["error"])}
        if kind == "record":
            values, faults = with_vpd(message["values"], message["faults"])
            message = message | {"values": values, "faults": faults}
            texts = {key: fault_text(code) for key, code in faults.items()}
            return message | {"fault_texts": texts} if texts else message
        return message

    def _changes(self) -> list[Message]:
        """Return the changes since the last call: `node`, `gone`, `sites`, `alarms`, `host`."""
        try:
            nodes = self._context.views.all()
            host = host_problems(self._context.counts())
        except HostError:
            return []
        sites = sites_of(nodes)
        with self._lock:
            changes = self._node_changes(nodes)
            if sites != self._sites:
                self._sites = sites
                changes.append({"type": "sites", "sites": sites})
            if host != self._host or not self._is_host_current:
                self._host, self._is_host_current = host, True
                changes.append({"type": "host", "reasons": host})
        alarms = alarms_summary(self._context.alarm_loop)
        if alarms != self._alarms:  # also if the alarm loop has stopped
            self._alarms = alarms
            changes.append({"type": "alarms", "summary": alarms})
        return changes

    def _node_changes(self, nodes: list[dict[str, Any]]) -> list[Message]:
        """Return the fields of nodes that differ from the last call; under the lock."""
        changes: list[Message] = []
        for node in nodes:
            name = node["node"]
            shape, old = _shape(node), self._shape.get(name, {})
            self._shape[name] = shape
            changed = {key: node[key] for key in shape if key not in old or old[key] != shape[key]}
            if changed:
                changes.append({"type": "node", "node": name, "changes": changed})
        for name in self._shape.keys() - {node["node"] for node in nodes}:
            del self._shape[name]  # sent whole if the node returns
            changes.append({"type": "gone", "node": name})
        return changes


def _shape(node: dict[str, Any]) -> dict[str, Any]:
    shape = {key: value for key, value in node.items() if key not in _VOLATILE}
    shape["channels"] = {
        key: {name: value for name, value in channel.items() if name not in _VOLATILE_IN_CHANNELS}
        for key, channel in node["channels"].items()}
    return shape
