"""Mirrors the nodes, events and alarms of a host from its live stream."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from typing import Any

from idroserra.client.http import HostClient
from idroserra.core.errors import HostError

SPARKLINE_POINTS = 24
MAX_EVENTS = 500
RETRY_S = 2.0
STORE_DELAY_S = 5.0  # time for records received before the stream to reach the store
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Json = dict[str, Any]


class NodeFeed:
    """State of the nodes. follow() runs forever in its own thread; `lock` guards the state."""

    def __init__(self, client: HostClient, only: str | None, *, with_events: bool = False) -> None:
        self.client = client
        self._only = only
        self._with_events = with_events
        self.lock = threading.RLock()
        self.nodes: dict[str, Json] = {}
        self.history: dict[str, dict[str, deque[float]]] = {}
        self.events: dict[str, deque[Json]] = {}
        self.alarms: list[Json] = []
        self.host_reasons: list[Json] = []
        self.messages: deque[Json] = deque(maxlen=1_000)
        self.trouble = ""
        self._reload_at_s: float | None = None

    def load(self) -> None:
        """Load the nodes, their last hour, today's events, and the alarms. Raises HostError."""
        client = self.client
        nodes = [client.node(self._only)] if self._only else client.nodes()
        for node in nodes:
            with self.lock:
                self.nodes[node["node"]] = node
            self._seed(node)
        if self._with_events:
            self.load_alarms()

    def load_alarms(self) -> None:
        """Load the active alarms. Raises HostError."""
        found = self.client.get("/api/alarms")["alarms"]
        with self.lock:
            self.alarms = found

    def follow(self) -> None:
        """Apply the stream forever; reconnects if the host is lost."""
        while True:
            try:
                for message in self.client.stream():
                    self._apply(message)
                    self.trouble = ""
                self.trouble = "the host has stopped"
            except HostError as error:
                self.trouble = str(error)
            time.sleep(RETRY_S)

    def _seed(self, node: Json) -> None:
        name = node["node"]
        if self._with_events:
            self._seed_events(name)
        points: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=SPARKLINE_POINTS))
        self.history[name] = points
        channels = list(node["channels"])
        if not channels:
            return
        to = time.time_ns() // 1_000_000
        try:
            answer = self.client.get(
                f"/api/nodes/{name}/series", channels=",".join(channels[:32]),
                from_unix_ms=to - HOUR_MS, to_unix_ms=to, columns=SPARKLINE_POINTS)
        except HostError:
            return  # the store may be down; live readings fill the sparkline
        for channel, columns in answer["series"].items():
            points[channel].extend(column[2] for column in columns)

    def _seed_events(self, name: str) -> None:
        to = time.time_ns() // 1_000_000
        try:
            found = self.client.get(f"/api/nodes/{name}/events", from_unix_ms=to - DAY_MS,
                                    to_unix_ms=to, limit=MAX_EVENTS)["events"]
        except HostError:
            found = []  # the store may be down; later events arrive live
        with self.lock:
            known = {(e["unix_us"], e["seq"]): e for e in (*self.events.get(name, ()), *found)}
            self.events[name] = deque((known[key] for key in sorted(known)), maxlen=MAX_EVENTS)

    def _apply(self, message: Json) -> None:
        name = str(message.get("node", ""))
        kind = message["type"]
        if kind == "alarms" and self._with_events:
            self.load_alarms()
        if kind == "host":
            self.host_reasons = message["reasons"]
        if kind == "hello" or self._is_reload_due():
            self.load()  # changes since the first load
            self._reload_at_s = time.monotonic() + STORE_DELAY_S if kind == "hello" else None
        if kind in ("hello", "heartbeat") or (self._only and name != self._only):
            return
        self.messages.append(message)
        with self.lock:
            if kind == "node":
                self.nodes[name] = {**self.nodes.get(name, {}), **message["changes"]}
            if kind == "record" and name in self.nodes:
                self._apply_record(self.nodes[name], message)
            if kind == "event" and name in self.events:
                self.events[name].append(message)
        if kind == "node" and name not in self.history:
            self._seed(self.nodes[name])

    def _is_reload_due(self) -> bool:
        """Records from just before the stream started may have reached the store since."""
        return self._reload_at_s is not None and time.monotonic() >= self._reload_at_s

    def _apply_record(self, node: Json, record: Json) -> None:
        for key, channel in node["channels"].items():
            if key in record["values"]:
                channel.update(value=record["values"][key], fault=None, unix_ms=record["unix_ms"])
                self.history[node["node"]][key].append(channel["value"])
            elif key in record["faults"]:
                channel.update(value=None, fault=record["faults"][key], unix_ms=record["unix_ms"])
