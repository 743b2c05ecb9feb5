"""The broker as `idroserra doctor` sees it: there, MQTT 5, and free of retained junk."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from idro.protocol.topics import RETAINED_DOWN, RETAINED_UP
from idroserra import contract
from idroserra.config import MqttConfig
from idroserra.doctor_check import Check

CONNECT_S = 5.0
LISTEN_S = 1.0
SHOWN_COUNT = 3


def look_at_broker(config: MqttConfig) -> Iterator[Check]:
    """Yield whether the broker answers, speaks MQTT 5, and retains what nobody should."""
    visit = Visit(config, 5)
    if visit.refusal:
        if Visit(config, 4).refusal == "":
            yield Check("broker", "warn", f"{config.url}: speaks only MQTT 3.1.1",
                        'use mosquitto 2, or set mqtt.protocol = "3.1.1"')
            return
        yield Check("broker", "fail", f"{config.url}: {visit.refusal}",
                    "start it (apt install mosquitto), or set mqtt.url and its credentials")
        return
    yield Check("broker", "ok", f"{config.url}, MQTT 5")
    junk = sorted(topic for topic in visit.retained if is_junk(topic))
    if not junk:
        yield Check("retained messages", "ok", f"{len(visit.retained)}, all of them ours")
        return
    yield Check(
        "retained messages", "warn",
        f"{len(junk)} that nobody should retain: {', '.join(junk[:SHOWN_COUNT])}",
        f"mosquitto_pub -p {config.port} -r -n -t TOPIC clears one")


def is_junk(topic: str) -> bool:
    """True for a retained topic under idro/ that the contract does not retain."""
    if topic.startswith(f"{contract.PREFIX}/host/"):
        return False
    try:
        _, direction, leaf = contract.parse_topic(topic)
    except contract.ProtocolError:
        return True
    return leaf not in (RETAINED_UP if direction == "up" else RETAINED_DOWN)


class Visit:
    """One short connection. `refusal` is empty when it worked; `retained` are the topics seen."""

    def __init__(self, config: MqttConfig, version: int) -> None:
        self.refusal = "no answer"
        self.retained: set[str] = set()
        self._answered = threading.Event()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"idroserra-doctor-{secrets.token_hex(4)}",
            protocol=mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311)
        if config.username is not None:
            secret = config.password
            client.username_pw_set(
                config.username, None if secret is None else secret.get_secret_value())
        if config.is_tls:
            files = (config.ca_file, config.cert_file, config.key_file)
            ca_file, cert_file, key_file = (None if f is None else str(f) for f in files)
            client.tls_set(ca_file, cert_file, key_file)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.connect_timeout = CONNECT_S
        try:
            client.connect(config.host, config.port, keepalive=30)
        except (OSError, ValueError) as error:
            self.refusal = getattr(error, "strerror", None) or str(error)
            return
        client.loop_start()
        if self._answered.wait(CONNECT_S) and not self.refusal:
            client.subscribe("idro/#", qos=0)
            threading.Event().wait(LISTEN_S)
        client.disconnect()
        client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        self.refusal = str(reason) if reason.is_failure else ""
        self._answered.set()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: Any) -> None:
        if message.retain and message.payload:
            self.retained.add(message.topic)
