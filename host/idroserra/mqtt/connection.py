"""The host's two connections to the broker: a subscriber for the ingest, and a publisher.

The subscriber (mqtt/subscriber.py) has a persistent session and manual acknowledgements. Messages
wait in `inbox`; the broker keeps each until ack(). Receive Maximum (MQTT 5) bounds their number,
MAX_WAITING_BYTES their size; nothing is dropped. The publisher is paho, with the last will.
down/stored is sent by the subscriber, after the acknowledgements.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.mqtt.packets import DISCONNECT, MalformedPacket, PacketParser, publish, refusal
from idroserra.mqtt.paho_client import is_taken_over, new_client, stop_client
from idroserra.mqtt.subscriber import MAX_PACKET_BYTES, Subscriber

HOST_STATUS_TOPIC = f"{protocol.PREFIX}/host/up/status"
UP_FILTER = f"{protocol.PREFIX}/+/up/#"
KEEPALIVE_S = 15  # a dead connection is detected within twice this time
MAX_INFLIGHT = 1_000
OFFLINE_WAIT_S = 2.0
MAX_WAITING_BYTES = 32 * 1_048_576  # received and not released; above this, reading pauses
CONNECTED = "connected"

_log = logging.getLogger("idroserra")


class IncomingMessage(NamedTuple):
    """One message; `connection` is the number of its connection, for the ack."""

    topic: str
    payload: bytes
    retained: bool
    unix_ms: int
    mid: int
    qos: int
    connection: int


class Connected(NamedTuple):
    """Marks in the inbox that a connection was established."""

    connection: int


class RawChunk(NamedTuple):
    """Received bytes; MqttConnection.unpack() parses them into messages."""

    data: bytes
    unix_ms: int
    connection: int


def wall_unix_ms() -> int:
    """Return the wall time now."""
    return time.time_ns() // 1_000_000


class MqttConnection:
    """Subscriber and publisher. Both reconnect until leave() or stop()."""

    def __init__(self, config: MqttConfig, now_unix_ms: Callable[[], int] = wall_unix_ms) -> None:
        self.inbox: queue.SimpleQueue[IncomingMessage | Connected | RawChunk] = queue.SimpleQueue()
        self.now_unix_ms = now_unix_ms
        self._config = config
        self._lock = threading.Lock()
        self._in_state = self._out_state = "not started"
        self._connection = 0
        self._has_left = False
        self._received_bytes = self._released_bytes = 0  # each written by one thread
        self._parser, self._parsed_connection = PacketParser(MAX_PACKET_BYTES), 0
        self._is_v5 = config.protocol == "5"
        self._subscriber = Subscriber(
            config, config.client_id, (UP_FILTER,), self._on_subscribed, self._on_chunk,
            self._on_silent, self._on_subscriber_lost, self._is_full)
        self._probe: mqtt.MQTTMessageInfo | None = None
        self._client = self._build()

    @property
    def state(self) -> str:
        """Return "connected", or the reason why not."""
        in_state = self._in_state
        return self._out_state if in_state == CONNECTED else in_state

    @property
    def is_connected(self) -> bool:
        """True while both connections are up."""
        return self.state == CONNECTED

    def start(self) -> None:
        """Connect in the background, with retries, unless leave() was called."""
        with self._lock:
            if self._has_left:
                return
            self._in_state = self._out_state = "connecting"
            self._client.connect_async(
                self._config.host, self._config.port, keepalive=KEEPALIVE_S)
            self._client.loop_start()
            self._subscriber.start()

    def stop(self) -> None:
        """Publish "offline" and disconnect; the broker keeps unacknowledged messages."""
        if self._out_state == CONNECTED:
            info = self._client.publish(HOST_STATUS_TOPIC, b"offline", qos=1, retain=True)
            try:
                info.wait_for_publish(OFFLINE_WAIT_S)
            except (ValueError, RuntimeError):
                self._out_state = "lost while stopping"
        self._out_state = "stopping"
        self._subscriber.stop()
        stop_client(self._client)
        self._in_state = self._out_state = "stopped"

    def ack(self, messages: Iterable[IncomingMessage]) -> None:
        """Acknowledge messages. The broker sends those of an earlier connection again."""
        mids: dict[int, list[int]] = defaultdict(list)
        for message in messages:
            if message.qos:
                mids[message.connection].append(message.mid)
        for connection, connection_mids in mids.items():
            self._subscriber.ack(connection, connection_mids)

    def unpack(self, chunk: RawChunk) -> list[IncomingMessage]:
        """Return the messages of a chunk. Chunks must be passed in order, by one thread."""
        data, unix_ms, connection = chunk
        if connection != self._parsed_connection:
            self._parser, self._parsed_connection = PacketParser(MAX_PACKET_BYTES), connection
        is_v5 = self._is_v5
        try:
            messages, others = self._parser.messages(data, is_v5)
            if others and others[-1].kind == DISCONNECT:
                _log.warning("the broker ends the connection: %s", refusal(others[-1], is_v5))
        except MalformedPacket as error:
            self._subscriber.abort(connection, str(error))
            return []
        return [IncomingMessage(_topic(topic), payload, first & 1 == 1, unix_ms, mid,
                                first >> 1 & 3, connection)
                for topic, payload, mid, first in messages]

    def flush(self) -> bool:
        """Put a chunk with all bytes received so far, possibly none, into the inbox.

        Returns False without a connection."""
        return self._subscriber.flush()

    def release(self, count: int) -> None:
        """Release `count` bytes of chunks that were handled; called by one thread."""
        self._released_bytes += count

    def publish_qos0(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send (topic, payload) pairs with QoS 0, after the acknowledgements and with the stops.

        Without a broker they are lost, so use it only for messages that a later one repeats."""
        self._subscriber.write(b"".join([publish(topic, payload, self._is_v5)
                                   for topic, payload in messages]))

    def publish(
        self, topic: str, payload: bytes, retained: bool = False, *, qos: int = 1
    ) -> bool:
        """Send a message. Without a broker it is dropped and the result is False."""
        if not self.is_connected:
            return False
        info = self._client.publish(topic, payload, qos=qos, retain=retained)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _build(self) -> mqtt.Client:
        client = new_client(self._config, f"{self._config.client_id}-out")
        client.will_set(HOST_STATUS_TOPIC, b"offline", qos=1, retain=True)
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            self._out_state = f"refused by the broker: {reason}"
            _log.error("%s:%d: %s", self._config.host, self._config.port, self._out_state)
            return
        self._out_state = CONNECTED
        self._on_both()

    def _on_disconnect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if is_taken_over(reason):
            self._leave_to_other()
        elif not self._out_state.startswith("refused"):
            self._out_state = f"connecting: {reason}"

    def leave(self, why: str) -> None:
        """Disconnect for good."""
        with self._lock:
            self._has_left = True
        self._client.disconnect()
        self._subscriber.leave()
        self._in_state = self._out_state = why
        _log.error("%s:%d: %s", self._config.host, self._config.port, why)

    def _leave_to_other(self) -> None:
        """Stay away: two hosts that serve the same nodes would each store a part of the records,
        and the nodes erase what either has stored."""
        self.leave(f"another host has connected as {self._config.client_id}: stop the one that "
                   "must not serve these nodes, then restart the other")

    def _on_subscribed(self, connection: int) -> None:
        with self._lock:
            self._connection = connection
        self._in_state = CONNECTED
        self._on_both()

    def _on_both(self) -> None:
        """Publish "online" once both connections are up: subscribers may then send."""
        if self.is_connected:
            self._publish_online()
            _log.info("connected to %s:%d", self._config.host, self._config.port)
            self.inbox.put(Connected(self._connection))

    def _publish_online(self) -> mqtt.MQTTMessageInfo:
        return self._client.publish(HOST_STATUS_TOPIC, b"online", qos=1, retain=True)

    def _on_silent(self, connection: int, times: int) -> None:
        """Replace a connection over which the broker does not deliver what it has acknowledged.

        Nodes may be silent for good reasons, so publish a status which the subscriber itself must
        receive."""
        probe = self._probe
        if times == 1 or probe is None:
            info = self._publish_online() if self.is_connected else None
            self._probe = info if info and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None
        elif probe.is_published():
            self._probe = None
            self._subscriber.abort(connection, "the broker does not deliver messages")

    def _on_subscriber_lost(self, why: str) -> None:
        if self._in_state == CONNECTED:
            _log.warning("the connection to the broker is lost: %s", why)
        elif why.startswith("refused") and why != self._in_state:
            _log.error("%s:%d: %s", self._config.host, self._config.port, why)
        self._in_state = why if why.startswith("refused") else f"connecting: {why}"

    def _is_full(self) -> bool:
        return self._received_bytes - self._released_bytes > MAX_WAITING_BYTES

    def _on_chunk(self, connection: int, data: bytes) -> None:
        self._received_bytes += len(data)
        self.inbox.put(RawChunk(data, self.now_unix_ms(), connection))


@lru_cache(maxsize=16_384)
def _topic(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
