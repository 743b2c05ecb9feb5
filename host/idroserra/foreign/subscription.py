"""The connection that receives foreign messages: bounded in size and rate, and read only.

It is a connection of its own with a clean session and QoS 0, so that nothing it receives can delay
the records of nodes. A flood ends the subscription for a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from idroserra.core.config import MqttConfig
from idroserra.foreign.messages import MAX_PAYLOAD_BYTES
from idroserra.mqtt.connection import CONNECTED, KEEPALIVE_S
from idroserra.mqtt.paho_client import new_client, stop_client

PER_S = 200.0  # messages: a house of a thousand sensors sends a tenth
BURST = 2_000.0  # such as the retained messages after a subscription
PAUSE_S = 60.0
PAUSED = "paused"
LOST_S = 60.0  # without a subscription: a broker restarts in less
MAX_PACKET_BYTES = 2 * MAX_PAYLOAD_BYTES

OnMessage = Callable[[str, bytes, bool], None]

_log = logging.getLogger("idroserra")


class Subscription:
    """Subscribes to topic filters; its thread calls on_message(topic, payload, retained)."""

    def __init__(
        self, config: MqttConfig, topics: Sequence[str], on_message: OnMessage,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now_s` is monotonic."""
        self._config = config
        self._topics = list(topics)
        self._take = on_message
        self._now_s = now_s
        self._lock = threading.Lock()
        self._left, self._left_s = BURST, now_s()
        self._paused_until_s: float | None = None
        self._state = "connecting"
        self._subscribed_s = now_s()
        self.dropped = 0  # too large, or in a flood
        self._client = self._build()

    @property
    def state(self) -> str:
        """Return "connected", "paused" after a flood, or why nothing is received."""
        return self._state if self._paused_until_s is None else PAUSED

    @property
    def problem(self) -> str:
        """Return "paused", why nothing has been received for LOST_S, or ""."""
        is_lost = self._now_s() - self._subscribed_s > LOST_S
        return self.state if self.state == PAUSED or is_lost else ""

    def start(self) -> None:
        """Connect in the background, with retries."""
        properties = None
        if self._config.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET_BYTES
        self._client.connect_async(self._config.host, self._config.port, keepalive=KEEPALIVE_S,
                                   properties=properties)
        self._client.loop_start()

    def step(self) -> None:
        """Subscribe again after a pause; called about once a second."""
        if self._state == CONNECTED:
            self._subscribed_s = self._now_s()
        until_s = self._paused_until_s
        if until_s is not None and self._now_s() >= until_s:
            with self._lock:
                self._paused_until_s, self._left = None, BURST
            self._subscribe()

    def stop(self) -> None:
        """Disconnect."""
        stop_client(self._client)

    def receive(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take one message, unless it is too large or one of too many."""
        if self._paused_until_s is not None or len(payload) > MAX_PAYLOAD_BYTES:
            self.dropped += 1
        elif not self._has_room():
            self.dropped += 1
            _log.warning("foreign readings: more than %d messages/s: no subscription for %d s",
                         PER_S, PAUSE_S)
            self._paused_until_s = self._now_s() + PAUSE_S
            self._client.unsubscribe(self._topics)
        else:
            self._take(topic, payload, retained)

    def _has_room(self) -> bool:
        with self._lock:
            now_s = self._now_s()
            self._left = min(BURST, self._left + (now_s - self._left_s) * PER_S)
            self._left_s = now_s
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def _subscribe(self) -> None:
        self._client.subscribe([(topic, 0) for topic in self._topics])

    def _build(self) -> mqtt.Client:
        client = new_client(self._config, f"{self._config.client_id}-foreign")
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, _client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._state = f"refused by the broker: {reason}"
        elif self._paused_until_s is None:
            self._subscribe()

    def _on_message(
        self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage
    ) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.dropped += 1
            return
        self.receive(topic, bytes(message.payload), retained=message.retain)

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._state = f"connecting: {reason}"

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: Any, _mid: Any, reasons: Any, _properties: Any
    ) -> None:
        refused = [topic for topic, reason in zip(self._topics, reasons, strict=False)
                   if reason.is_failure]
        self._state = f"refused by the broker: {', '.join(refused)}" if refused else CONNECTED
