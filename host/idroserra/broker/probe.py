"""Probes the broker with a short connection: access and retained messages."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any, Literal

import paho.mqtt.client as mqtt
from msgspec.structs import replace

from idroserra.core.config import MqttConfig
from idroserra.mqtt.paho_client import new_client, stop_client

CONNECT_S = 10.0
QUIET_S = 1.0  # after the last retained message


class ConnectionProbe:
    """One short connection. `refusal` is "" on success; `retained` are the topics with retained
    messages under `listen_to`, `cleared` those that `clears` selected for deletion."""

    def __init__(
        self, config: MqttConfig, protocol: Literal["5", "3.1.1"], listen_to: str = "idro/#",
        clears: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        self.refusal = "no answer"
        self.retained: set[str] = set()
        self.cleared: list[str] = []
        self._answered = threading.Event()
        self._heard = threading.Event()
        client = new_client(
            replace(config, protocol=protocol), f"idroserra-visit-{secrets.token_hex(4)}")
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = lambda *_: self._heard.set()
        client.connect_timeout = CONNECT_S
        try:
            client.connect(config.host, config.port, keepalive=30)
        except (OSError, ValueError) as error:
            self.refusal = getattr(error, "strerror", None) or str(error)
            return
        client.loop_start()
        if self._answered.wait(CONNECT_S) and not self.refusal:
            client.subscribe(listen_to, qos=0)
            self._heard.wait(CONNECT_S)
            while self._heard.wait(QUIET_S):  # on a slow line they come one by one
                self._heard.clear()
            for topic in sorted(filter(clears, self.retained)):
                client.publish(topic, b"", qos=1, retain=True).wait_for_publish(CONNECT_S)
                self.cleared.append(topic)
        stop_client(client)

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        self.refusal = str(reason) if reason.is_failure else ""
        self._answered.set()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: Any) -> None:
        if message.retain and message.payload:
            self.retained.add(message.topic)
            self._heard.set()
