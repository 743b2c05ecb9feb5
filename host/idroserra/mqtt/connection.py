"""The host's lines to the broker: one in for the ingest, one out for everything it says.

In is our own reader (mqtt_reader.py): a persistent session, messages acknowledged by hand. What
arrives waits in `inbox`; the broker keeps each message until ack(). With MQTT 5 the Receive
Maximum bounds how many that are, MAX_WAITING_BYTES how many bytes; nothing is dropped meanwhile.
Out is paho, with the last will; down/stored goes out on the line in, after the acknowledgements.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.mqtt.packets import DISCONNECT, MalformedPacket, PacketParser, publish, refusal
from idroserra.mqtt.paho_client import stop_client
from idroserra.mqtt.subscriber import MAX_PACKET_BYTES, Subscriber

HOST_STATUS_TOPIC = f"{protocol.PREFIX}/host/up/status"
UP_FILTER = f"{protocol.PREFIX}/+/up/#"
KEEPALIVE_S = 15  # a line out that is dead is noticed within twice as long
RECONNECT_S = (1, 30)
MAX_INFLIGHT = 1_000
OFFLINE_WAIT_S = 2.0
MAX_WAITING_BYTES = 32 * 1_048_576  # that came and are not released: then the line is not read
CONNECTED = "connected"

_log = logging.getLogger("idroserra")


class IncomingMessage(NamedTuple):
    """One message; `connection` tells which connection brought it, for the ack."""

    topic: str
    payload: bytes
    retained: bool
    unix_ms: int
    mid: int
    qos: int
    connection: int


_arrived = partial(tuple.__new__, IncomingMessage)  # half the time: there are millions


class Connected(NamedTuple):
    """Stands in the inbox where the line came up (again)."""

    connection: int


class RawChunk(NamedTuple):
    """Bytes as they came; Link.unpack() makes messages of them."""

    data: bytes
    unix_ms: int
    connection: int


def identify(client: mqtt.Client, config: MqttConfig) -> None:
    """Give a client of this host its name, password and certificates."""
    if config.username is not None:
        password = config.password
        client.username_pw_set(
            config.username, None if password is None else password.get_secret_value()
        )
    if config.is_tls:
        client.tls_set(
            ca_certs=_text(config.ca_file),
            certfile=_text(config.cert_file),
            keyfile=_text(config.key_file),
        )


def wall_unix_ms() -> int:
    """Return the wall time now."""
    return time.time_ns() // 1_000_000


class MqttConnection:
    """The connection. Reconnects by itself until stop()."""

    def __init__(
        self, config: MqttConfig, now_unix_ms: Callable[[], int] = wall_unix_ms
    ) -> None:
        self.inbox: queue.SimpleQueue[IncomingMessage | Connected | RawChunk] = queue.SimpleQueue()
        self.now_unix_ms = now_unix_ms
        self._config = config
        self._lock = threading.Lock()
        self._in_state = self._out_state = "not started"
        self._connection = 0
        self._came_bytes = self._released_bytes = 0  # each written by one thread
        self._splitter, self._split = PacketParser(MAX_PACKET_BYTES), 0
        self._is_v5 = config.protocol == "5"
        self._subscriber = Subscriber(config, config.client_id, (UP_FILTER,), self._on_reading,
                              self._on_piece, self._on_reader_lost, self._is_full)
        self._client = self._build()

    @property
    def state(self) -> str:
        """Return "connected", or what keeps it from being so."""
        in_state = self._in_state
        return self._out_state if in_state == CONNECTED else in_state

    @property
    def is_connected(self) -> bool:
        """True while the broker is there."""
        return self.state == CONNECTED

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        self._in_state = self._out_state = "connecting"
        self._client.connect_async(self._config.host, self._config.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        self._subscriber.start()

    def stop(self) -> None:
        """Say offline and disconnect; the broker keeps what is not acknowledged."""
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
        """Let the broker forget messages. Those of an earlier connection will come again."""
        mids: dict[int, list[int]] = defaultdict(list)
        for message in messages:
            if message.qos:
                mids[message.connection].append(message.mid)
        for connection, of_it in mids.items():
            self._subscriber.ack(connection, of_it)

    def unpack(self, piece: RawChunk) -> list[IncomingMessage]:
        """Return the messages of a piece, in the order of the inbox; for one thread."""
        _, unix_ms, connection = piece
        if connection != self._split:
            self._splitter, self._split = PacketParser(MAX_PACKET_BYTES), connection
        is_v5 = self._is_v5
        try:
            messages, others = self._splitter.messages(piece.data, is_v5)
            if others and others[-1].kind == DISCONNECT:
                _log.warning("the broker ends the connection: %s", refusal(others[-1], is_v5))
        except MalformedPacket as error:
            self._subscriber.abort(connection, str(error))
            return []
        return [_arrived((_topic(topic), payload, first & 1 == 1, unix_ms, mid, first >> 1 & 3,
                          connection))
                for topic, payload, mid, first in messages]

    def flush(self) -> bool:
        """Let a piece come with what the line has by now, maybe nothing; False: no line."""
        return self._subscriber.flush()

    def release(self, count: int) -> None:
        """Say that so many bytes of pieces are done with; for one thread."""
        self._released_bytes += count

    def publish_qos0(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send (topic, payload) with QoS 0, on the line of the acknowledgements and after them.

        For what the next message says again: without a broker they are lost."""
        self._subscriber.write(b"".join([publish(topic, payload, self._is_v5)
                                   for topic, payload in messages]))

    def publish(self, topic: str, payload: bytes, retained: bool = False) -> bool:
        """Send a message with QoS 1; False when there is no broker: nothing is kept then."""
        if not self.is_connected:
            return False
        info = self._client.publish(topic, payload, qos=1, retain=retained)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _build(self) -> mqtt.Client:
        config = self._config
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{config.client_id}-out",
            protocol=mqtt.MQTTv5 if config.protocol == "5" else mqtt.MQTTv311,
        )
        identify(client, config)
        client.will_set(HOST_STATUS_TOPIC, b"offline", qos=1, retain=True)
        client.reconnect_delay_set(*RECONNECT_S)
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
        if not self._out_state.startswith("refused"):
            self._out_state = f"connecting: {reason}"

    def _on_reading(self, connection: int) -> None:
        with self._lock:
            self._connection = connection
        self._in_state = CONNECTED
        self._on_both()

    def _on_both(self) -> None:
        """Say so once both lines are up: who hears it may send."""
        if self.is_connected:
            self._client.publish(HOST_STATUS_TOPIC, b"online", qos=1, retain=True)
            _log.info("connected to %s:%d", self._config.host, self._config.port)
            self.inbox.put(Connected(self._connection))

    def _on_reader_lost(self, why: str) -> None:
        if self._in_state == CONNECTED:
            _log.warning("the broker is gone: %s", why)
        elif why.startswith("refused") and why != self._in_state:
            _log.error("%s:%d: %s", self._config.host, self._config.port, why)
        self._in_state = why if why.startswith("refused") else f"connecting: {why}"

    def _is_full(self) -> bool:
        return self._came_bytes - self._released_bytes > MAX_WAITING_BYTES

    def _on_piece(self, connection: int, data: bytes) -> None:
        self._came_bytes += len(data)
        self.inbox.put(RawChunk(data, self.now_unix_ms(), connection))


@lru_cache(maxsize=16_384)
def _topic(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return "not UTF-8"


def _text(path: object) -> str | None:
    return None if path is None else str(path)
