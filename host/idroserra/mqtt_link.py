"""The host's line to the broker: paho, a persistent session, messages acknowledged by hand.

Arriving messages wait in `inbox`; the broker keeps each until ack(). With MQTT 5 the Receive
Maximum bounds how many that are, and nothing is dropped meanwhile.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from idroserra import contract
from idroserra.config import MqttConfig

HOST_STATUS_TOPIC = f"{contract.PREFIX}/host/up/status"
UP_FILTER = f"{contract.PREFIX}/+/up/#"
KEEPALIVE_S = 15  # a line that is dead and does not say so is noticed within twice as long
RECONNECT_S = (1, 30)
MAX_INFLIGHT = 1_000
MAX_PACKET_BYTES = 262_144
OFFLINE_WAIT_S = 2.0

_log = logging.getLogger("idroserra")


class Arrived(NamedTuple):
    """One message; `connection` tells which connection brought it, for the ack."""

    topic: str
    payload: bytes
    retained: bool
    unix_ms: int
    mid: int
    qos: int
    connection: int


class Connected(NamedTuple):
    """Stands in the inbox where the line came up (again)."""

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


class Link:
    """The connection. Reconnects by itself with back-off until stop()."""

    def __init__(self, config: MqttConfig, now_unix_ms: Callable[[], int] = wall_unix_ms) -> None:
        self.inbox: queue.SimpleQueue[Arrived | Connected] = queue.SimpleQueue()
        self.now_unix_ms = now_unix_ms
        self._config = config
        self._connection = 0
        self._state = "not started"
        self._client = self._build()

    @property
    def state(self) -> str:
        """Return "connected", or what keeps it from being so."""
        return self._state

    @property
    def is_connected(self) -> bool:
        """True while the broker is there."""
        return self._state == "connected"

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        self._state = "connecting"
        options: dict[str, Any] = {}
        if self._config.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._config.session_expiry_s
            properties.ReceiveMaximum = self._config.receive_maximum
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            options = {"clean_start": False, "properties": properties}
        self._client.connect_async(
            self._config.host, self._config.port, keepalive=KEEPALIVE_S, **options
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Say offline and disconnect; the broker keeps what is not acknowledged."""
        if self.is_connected:
            info = self._client.publish(HOST_STATUS_TOPIC, b"offline", qos=1, retain=True)
            try:
                info.wait_for_publish(OFFLINE_WAIT_S)
            except (ValueError, RuntimeError):
                self._state = "lost while stopping"
        self._state = "stopping"
        self._client.disconnect()
        self._client.loop_stop()
        self._state = "stopped"

    def ack(self, message: Arrived) -> None:
        """Let the broker forget a message. One of an earlier connection will come again."""
        if message.qos and message.connection == self._connection and self.is_connected:
            self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes, retained: bool = False) -> bool:
        """Send a message with QoS 1; False when there is no broker: nothing is kept then."""
        if not self.is_connected:
            return False
        info = self._client.publish(topic, payload, qos=1, retain=retained)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _build(self) -> mqtt.Client:
        config = self._config
        is_v5 = config.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if is_v5 else False,
            protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311,
            manual_ack=True,
        )
        identify(client, config)
        client.will_set(HOST_STATUS_TOPIC, b"offline", qos=1, retain=True)
        client.reconnect_delay_set(*RECONNECT_S)
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            self._state = f"refused by the broker: {reason}"
            _log.error("%s:%d: %s", self._config.host, self._config.port, self._state)
            return
        self._connection += 1
        client.subscribe(UP_FILTER, qos=1)
        client.publish(HOST_STATUS_TOPIC, b"online", qos=1, retain=True)
        self._state = "connected"
        _log.info("connected to %s:%d", self._config.host, self._config.port)
        self.inbox.put(Connected(self._connection))

    def _on_disconnect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if self._state == "connected":
            _log.warning("the broker is gone: %s", reason)
        if not self._state.startswith("refused"):
            self._state = f"connecting: {reason}"

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "not UTF-8"
        self.inbox.put(
            Arrived(topic, bytes(message.payload), message.retain, self.now_unix_ms(),
                    message.mid, message.qos, self._connection)
        )


def _text(path: object) -> str | None:
    return None if path is None else str(path)
