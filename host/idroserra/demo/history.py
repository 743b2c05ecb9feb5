"""Sends the history of a demo greenhouse through the broker, like the backlog of a node.

A lockstep run of the same firmware in the same greenhouse prints what the node published. Its
records are republished as the node, so they take the normal path. The simulator knows the wall
time of each boot, so records get correct times. Retained topics (status, info, config) are not
republished: they belong to the live node.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from idro.protocol import messages_host
from idroserra.core import protocol
from idroserra.core.errors import HostError
from idroserra.mqtt.paho_client import stop_client

_FORMS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "telemetry": (messages_host.pack_telemetry, messages_host.unpack_telemetry),
    "event": (messages_host.pack_event, messages_host.unpack_event),
}
_MAX_IN_FLIGHT = 10
_MESSAGE_RECORDS = 16
_ACK_DEADLINE_S = 60.0
_LOST_EVERY_S = 0.2  # so often a wait looks whether the connection is lost


class HistoryError(HostError):
    """The history could not be sent. The message names the cause."""


class HistorySender:
    """Publishes the records of a lockstep run as `node`. Blocks when the host falls behind."""

    def __init__(self, node: str, start_unix_ms: int, host: str, port: int) -> None:
        self.node = node
        self.sent: dict[str, int] = {}  # boot_id: highest seq published
        self._start_unix_ms = start_unix_ms
        self._waiting: tuple[str, str, protocol.Batch] | None = None  # topic, leaf, records
        self._window: queue.Queue[mqtt.MQTTMessageInfo] = queue.Queue(_MAX_IN_FLIGHT)
        self._lost = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{node}-history", protocol=mqtt.MQTTv311,
            reconnect_on_failure=False)
        self._client.username_pw_set(node)
        self._client.on_disconnect = self._on_disconnect
        self._client.connect(host, port)
        self._client.loop_start()

    def take(self, line: dict[str, Any]) -> None:
        """Send the records of an "up" line of the trace; ignore other lines."""
        if line.get("t") != "up":
            return
        topic = line["topic"]
        leaf = protocol.parse_topic(topic)[2]
        if leaf not in _FORMS:
            return
        batch = self._dated(leaf, line)
        waiting = self._waiting
        if waiting is not None and waiting[0] == topic and _fits(waiting[2], batch):
            waiting[2].records.extend(_newer(batch, waiting[2].records[-1].seq))
            return
        self._flush()
        records = _newer(batch, self.sent.get(batch.boot_id, 0))
        if records:
            self._waiting = (topic, leaf, batch._replace(records=records))

    def close(self) -> None:
        """Wait for all acknowledgements, then disconnect. Raises HistoryError."""
        try:
            self._flush()
            while not self._window.empty():
                self._await_oldest()
        finally:
            stop_client(self._client)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        topic, leaf, batch = waiting
        if self._window.full():
            self._await_oldest()
        self._window.put(self._client.publish(topic, _FORMS[leaf][0](batch), qos=1))
        self.sent[batch.boot_id] = batch.records[-1].seq

    def _await_oldest(self) -> None:
        info = self._window.get()
        deadline_s = time.monotonic() + _ACK_DEADLINE_S
        while not _is_acknowledged(info):
            if self._lost.is_set():
                raise HistoryError(
                    f"{self.node}: the history was not sent: the broker closed the connection")
            if time.monotonic() > deadline_s:
                raise HistoryError(
                    f"{self.node}: the broker did not acknowledge the history in time")

    def _on_disconnect(self, *_: Any) -> None:
        self._lost.set()

    def _dated(self, leaf: str, line: dict[str, Any]) -> protocol.Batch:
        """Add the wall time of the boot to a batch: a node learns it only from a host."""
        batch: protocol.Batch = _FORMS[leaf][1](line["payload"].encode())
        boot_unix_ms = batch.boot_unix_ms
        if batch.sent_at_ms is not None:
            boot_unix_ms = self._start_unix_ms + line["at_ms"] - batch.sent_at_ms
        if boot_unix_ms is None:
            raise HistoryError(f"{self.node}: records of an earlier boot without a wall time")
        dated: protocol.Batch = batch._replace(boot_unix_ms=boot_unix_ms, sent_at_ms=None)
        return dated


def _is_acknowledged(info: mqtt.MQTTMessageInfo) -> bool:
    """Wait a short time for the acknowledgement of a message; return whether it has come."""
    with suppress(RuntimeError):  # of paho: published without a connection, which is lost then
        info.wait_for_publish(_LOST_EVERY_S)
        return info.is_published()
    return False


def _fits(waiting: protocol.Batch, batch: protocol.Batch) -> bool:
    """Return whether both batches are of one boot and fit into one message."""
    if waiting.boot_id != batch.boot_id:
        return False
    return len(waiting.records) + len(batch.records) <= _MESSAGE_RECORDS


def _newer(batch: protocol.Batch, seq: int) -> list[Any]:
    """Return the records after `seq`: a node resends some after losing its connection."""
    return [record for record in batch.records if record.seq > seq]
