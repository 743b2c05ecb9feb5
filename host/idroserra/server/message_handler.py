"""Dispatches non-record messages (info, status, ack) and publishes new records to the page."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping
from typing import Any

from idroserra.core import protocol
from idroserra.ingest.handler import LastMessage
from idroserra.ingest.received import NodeInfoMessage
from idroserra.ingest.spool import Item, StoredBatch
from idroserra.mqtt.connection import IncomingMessage
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.setpoints.history import SettingsHistory
from idroserra.updates.service import UpdateService

LIVE_EVENT_MS = 900_000  # older events are not published live
MAX_LIVE_RECORDS = 30  # per boot and commit
MAX_LIVE_EVENTS = 30  # per node and commit


class HostMessageHandler:
    """Routes MQTT messages to the registry, commands, updates and the live view."""

    def __init__(
        self, nodes: Nodes, commands: Commands, live: LiveState, updates: UpdateService,
        events: LatestEvents, settings_history: SettingsHistory,
    ) -> None:
        self._nodes = nodes
        self._commands = commands
        self._live = live
        self._updates = updates
        self._events = events
        self._settings_history = settings_history
        self._live_events: Counter[str] = Counter()  # published of each node since tick()

    def connected(self) -> None:
        """Publish the settings of every node again."""
        self._commands.send_configs()

    def tick(self) -> None:
        """Expire commands without an answer. The ingest calls it before each commit."""
        self._live_events.clear()
        self._commands.end_overdue()

    def on_heartbeats(self, last_messages: Mapping[str, LastMessage]) -> None:
        """Record when each node was last heard, and its uptime."""
        self._nodes.record_last_messages(last_messages)

    def on_message(self, node: str, leaf: str, message: IncomingMessage) -> Item | None:
        """Apply a message; return the item to store, if any. Raises ProtocolError."""
        arrived_unix_ms = None if message.retained else message.unix_ms
        item: Item | None = None
        if leaf == "info":
            info = protocol.unpack_info(message.payload)
            item = NodeInfoMessage(node, info, arrived_unix_ms)
            self._nodes.set_info(node, info, arrived_unix_ms)
            if arrived_unix_ms is not None:
                self._nodes.set_uptime(node, info.boot_id, info.at_ms, arrived_unix_ms)
        elif leaf == "status":
            self._nodes.set_online(node, protocol.unpack_status(message.payload))
        elif leaf == "ack":
            self._commands.on_ack(node, protocol.unpack_ack(message.payload))
        elif leaf == "update":
            self._updates.on_chunk_request(node, protocol.unpack_chunk_request(message.payload))
        else:
            report = protocol.unpack_config_report(message.payload)
            known = self._nodes.peek(node)
            boot_id = "" if known is None or known.info is None else known.info.boot_id
            self._settings_history.on_report(
                node, report, "" if message.retained else boot_id, message.unix_ms)
            self._commands.on_config_report(node, report, arrived_unix_ms)
        if arrived_unix_ms is not None and message.payload != b"offline":
            self._nodes.record_message(node, arrived_unix_ms)
        return item

    def stored_message(self, node: str, stored: protocol.Stored) -> bytes | None:
        """Return down/stored, with a MAC for each key the node may have.

        None without a key, or if it leaves for another host: the node keeps its records."""
        keys = self._nodes.signing_keys(node, stored.unix_ms)
        if not keys:
            return None
        return protocol.pack_stored(node, stored, lambda signed: "".join(
            [hmac.digest(key, signed, "sha256").hex() for key in keys]))

    def on_records(self, accepted: StoredBatch, now_unix_ms: int, most: int) -> None:
        """Publish the newest record of each message, and recent events, to the live view.

        Of records at most `most` and MAX_LIVE_RECORDS, of events of a node MAX_LIVE_EVENTS: the
        last ones."""
        if accepted.leaf == "telemetry":
            for record in accepted.news[-min(most, MAX_LIVE_RECORDS):]:
                self._live.record(accepted.node, accepted.epoch_unix_ms + record.at_ms,
                                  record.values, record.faults)
            return
        recent: list[dict[str, Any]] = []
        for record in accepted.records:
            unix_ms = accepted.epoch_unix_ms + record.at_ms
            self._events.take(accepted.node, unix_ms * 1_000 + record.seq % 1_000, record.kind,
                              record.detail, accepted.boot_id)
            if record.kind == "configured":
                self._settings_history.on_configured(
                    accepted.node, record.detail, accepted.boot_id, unix_ms)
            if now_unix_ms - unix_ms < LIVE_EVENT_MS:
                recent.append({
                    "type": "event", "node": accepted.node, "unix_ms": unix_ms,
                    "seq": record.seq, "kind": record.kind, "detail": record.detail})
        room = MAX_LIVE_EVENTS - self._live_events[accepted.node]
        for message in recent[max(0, len(recent) - room):]:
            self._live_events[accepted.node] += 1
            self._live.publish(message)
