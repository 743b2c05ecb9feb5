"""The bridge to Home Assistant: publishes devices and states, executes commands.

It has its own connection with a clean session, so a command sent while the host was away is not
executed later. Only settings that a node has confirmed are published.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.summary import summary
from idroserra.core import protocol
from idroserra.core.config import Config
from idroserra.core.errors import HostError, UnknownNode
from idroserra.homeassistant.discovery import (
    BASE,
    DOSING,
    EVENTS,
    HOST,
    SET_FILTER,
    SLIDERS,
    device,
    discovery_topic,
    host_device,
    parse_command,
    topic,
)
from idroserra.i18n.events import event_text, reason_text
from idroserra.mqtt.connection import KEEPALIVE_S, RECONNECT_S, identify, wall_unix_ms
from idroserra.mqtt.paho_client import stop_client
from idroserra.nodes.commands import AuditSink, Commands
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.live import LiveState, Subscription
from idroserra.nodes.registry import Node, Nodes

SETTABLE = (DOSING, *(slider.key for slider in SLIDERS))
BY = "home assistant"
STEP_S = 0.5
SETTLE_S = 2.0  # wait after a start of Home Assistant before everything is published
MAX_WAITING = 500
MAX_STATE_CHARS = 255

_log = logging.getLogger("idroserra")


class _Incoming(NamedTuple):
    topic: str
    payload: bytes


class Bridge:
    """Connects the host and Home Assistant. run() is the body of one thread."""

    def __init__(
        self, config: Config, nodes: Nodes, live: LiveState, commands: Commands, alarms: AlarmLoop,
        audit: AuditSink, page_url: Callable[[], str | None],
    ) -> None:
        """`page_url` returns the address of the page, or None."""
        self._config = config.homeassistant
        self._site = config.site
        self._broker = config.mqtt
        self._nodes = nodes
        self._live = live
        self._commands = commands
        self._alarms = alarms
        self._page_url = page_url
        self._audit = audit  # of refusals; Commands records what is sent
        self._stopping = threading.Event()
        self._incoming: queue.Queue[_Incoming] = queue.Queue(MAX_WAITING)
        self._announce_at_s: float | None = None
        self._published: dict[str, bytes] = {}
        self._updated: set[str] = set()  # nodes with a new reading
        self._client = self._build()

    def run(self) -> None:
        """Serve until stop(). Reconnects automatically."""
        subscription = self._live.subscribe()
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        try:
            while not self._stopping.wait(STEP_S):
                self._step(subscription)
        finally:
            self._live.unsubscribe(subscription)
            stop_client(self._client)

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def _step(self, subscription: Subscription) -> None:
        for message in subscription.take():
            self._on_live_message(message)
        while not self._incoming.empty():
            self._execute(self._incoming.get())
        if not self._client.is_connected():
            return
        if self._announce_at_s is not None and time.monotonic() >= self._announce_at_s:
            self._announce_at_s = None
            self._published.clear()
            self._updated.update(node.node for node in self._nodes.all())
        host = host_device(self._site, self._page_url())
        self._publish_changed(discovery_topic(self._config.prefix, HOST), host, retained=True)
        self._publish_changed(topic(HOST, "state"), self._alarms_of(""))
        for node in self._nodes.all():
            self._publish_node(node)
        self._updated.clear()

    def _publish_node(self, node: Node) -> None:
        """Publish what is new of a node."""
        payload = device(node, self._page_url())
        if payload is None:
            return
        self._publish_changed(
            discovery_topic(self._config.prefix, node.node), payload, retained=True)
        self._publish_changed(topic(node.node, "state"), self._state(node))
        if node.report is not None:
            values = node.report.values
            self._publish_changed(topic(node.node, "settings"),
                                  {key: values[key] for key in SETTABLE if key in values})
        if node.node in self._updated:
            self._publish(topic(node.node, "telemetry"), _json(self._fresh(node)))

    def _state(self, node: Node) -> dict[str, Any]:
        boot_unix_ms = node.boot_epoch_unix_ms
        if boot_unix_ms is None and node.info is not None:
            boot_unix_ms = node.info.boot_unix_ms
        return {"online": node.online, **self._alarms_of(node.node),
                "boot_at": None if boot_unix_ms is None else _iso(boot_unix_ms)}

    def _alarms_of(self, node: str) -> dict[str, Any]:
        """Return the active alarms of a node, or of the host for ""; null if not evaluated."""
        if not self._alarms.is_alive:
            return {"alarms": None, "priority": None, "worst": None}
        found = summary(one for one in self._alarms.alarms.all() if one.node == node)
        worst = found["worst"] or "none"
        return {"alarms": found["count"], "priority": found["priority"],
                "worst": worst[:MAX_STATE_CHARS]}

    def _fresh(self, node: Node) -> dict[str, Any]:
        """Return {channel: value} without stale readings; null for a fault."""
        settings = {} if node.report is None else node.report.values
        oldest = wall_unix_ms() - stale_after_ms(settings)
        return {key: entry["value"] for key, entry in self._live.channels(node.node).items()
                if entry["unix_ms"] >= oldest}

    def _publish_changed(
        self, where: str, what: dict[str, Any], *, retained: bool = False
    ) -> None:
        payload = _json(what)
        if payload != self._published.get(where) and self._publish(
                where, payload, retained=retained):
            self._published[where] = payload

    def _publish(self, where: str, payload: bytes, *, retained: bool = False) -> bool:
        """Publish a message; return False without a broker: nothing is queued."""
        if not self._client.is_connected():
            return False
        info = self._client.publish(where, payload, qos=1, retain=retained)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_live_message(self, message: dict[str, Any]) -> None:
        """Publish an event of a node, or the outcome of a command sent from here."""
        kind = message["type"]
        if kind == "event" and message["kind"] in EVENTS:
            detail = message["detail"]
            self._publish(topic(message["node"], "event"), _json({
                "event_type": message["kind"], "text": event_text(message["kind"], detail),
                "reason": reason_text(detail.get("reason")), "at": _iso(message["unix_ms"]),
                **{key: detail[key] for key in ("actuator", "volume_ul") if key in detail},
            }))
        elif kind == "record":
            self._updated.add(message["node"])
        elif kind == "command" and message["by"] == BY and message["state"] != "pending":
            self._answer(message["node"], message["verb"], message["state"], message["reason"])
        elif kind == "config" and message["error"]:
            self._answer(message["node"], "settings", "refused", message["error"])

    def _answer(self, node: str, what: str, outcome: str, reason: str) -> None:
        text = f"{what}: {outcome}" + (f", {reason_text(reason)}" if reason else "")
        self._publish_changed(topic(node, "command"), {"text": text[:MAX_STATE_CHARS],
                                                       "at": _iso(wall_unix_ms())})

    def _execute(self, message: _Incoming) -> None:
        """Execute a command of Home Assistant, or publish why it is refused."""
        if message.topic == f"{self._config.prefix}/status":
            if message.payload == b"online":
                self._announce_at_s = time.monotonic() + SETTLE_S
            return
        name = message.topic.removeprefix(f"{BASE}/").split("/")[0]
        try:
            node = self._nodes.get(name)
            wanted = parse_command(message.topic, {} if node.info is None else node.info.outputs)
        except UnknownNode:
            wanted = None
        if wanted is None:
            _log.warning("%s: ignored: no such entity", message.topic)
            return
        try:
            if wanted.verb:
                self._commands.send(wanted.node, wanted.verb, wanted.args, BY)
            else:
                self._commands.set_config(
                    wanted.node, {wanted.setting: _value(wanted.setting, message.payload)}, BY)
        except (HostError, protocol.ProtocolError, protocol.SettingsError) as error:
            _log.warning("%s: refused: %s", message.topic, error)
            what = wanted.verb or wanted.setting
            self._audit(BY, "command" if wanted.verb else "change settings", target=wanted.node,
                        address="mqtt", detail={"of": what}, result="refused", reason=str(error))
            self._answer(wanted.node, what, "refused", str(error))

    def _build(self) -> mqtt.Client:
        is_v5 = self._broker.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{self._broker.client_id}-ha",
            clean_session=None if is_v5 else True,
            protocol=mqtt.MQTTv5 if is_v5 else mqtt.MQTTv311,
        )
        identify(client, self._broker)
        client.reconnect_delay_set(*RECONNECT_S)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if not reason.is_failure:
            client.subscribe([(SET_FILTER, 1), (f"{self._config.prefix}/status", 1)])
            self._announce_at_s = time.monotonic()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        if message.retain:
            if message.topic.startswith(BASE):
                _log.warning("%s: ignored because it is retained: clear it", message.topic)
            return
        try:
            self._incoming.put_nowait(_Incoming(message.topic, bytes(message.payload)))
        except queue.Full:
            _log.warning("%s: ignored: too many messages at once", message.topic)


def _json(what: dict[str, Any]) -> bytes:
    return json.dumps(what, ensure_ascii=False, separators=(",", ":")).encode()


def _value(key: str, payload: bytes) -> Any:
    """Return the payload in the setting's type. Raises SettingsError with the setting."""
    if key == DOSING:
        if payload in (b"ON", b"OFF"):
            return payload == b"ON"
        raise protocol.SettingsError(key, "ON or OFF needed")
    try:
        value = json.loads(payload[:32])
    except ValueError:
        raise protocol.SettingsError(key, "a number needed") from None
    if isinstance(value, float) and value.is_integer() and protocol.SETTINGS[key].kind == "int":
        value = int(value)
    return protocol.check_setting(key, value)


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, UTC).isoformat(timespec="seconds")
