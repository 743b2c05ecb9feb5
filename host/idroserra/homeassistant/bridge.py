"""The bridge to Home Assistant: announces nodes, tells what is so now, takes what somebody sets.

It has a connection of its own, with a clean session: what was set while the host was away is not
done later. Only what a node has confirmed is told as its settings.
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
SETTLE_S = 2.0  # Home Assistant, just started, is given so long before it is told everything
MAX_WAITING = 500
MAX_STATE_CHARS = 255

_log = logging.getLogger("idroserra")


class _Arrived(NamedTuple):
    topic: str
    payload: bytes


class Bridge:
    """Between the host and Home Assistant. run() is the loop of one thread."""

    def __init__(
        self, config: Config, nodes: Nodes, live: LiveState, commands: Commands, alarms: AlarmLoop,
        note: AuditSink, page_url: Callable[[], str | None],
    ) -> None:
        """`note` is the audit log's, `page_url` tells where people reach the page, if they do."""
        self._config = config.homeassistant
        self._site = config.site
        self._broker = config.mqtt
        self._nodes = nodes
        self._live = live
        self._commands = commands
        self._alarms = alarms
        self._page_url = page_url
        self._note = note  # of the audit log; what is sent, Commands writes down
        self._stopping = threading.Event()
        self._arrived: queue.Queue[_Arrived] = queue.Queue(MAX_WAITING)
        self._announce_at_s: float | None = None
        self._told: dict[str, bytes] = {}
        self._read: set[str] = set()  # nodes with a new reading
        self._client = self._build()

    def run(self) -> None:
        """Serve until stop(). Reconnects by itself."""
        heard = self._live.subscribe()
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        try:
            while not self._stopping.wait(STEP_S):
                self._step(heard)
        finally:
            self._live.unsubscribe(heard)
            stop_client(self._client)

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def _step(self, heard: Subscription) -> None:
        for message in heard.take():
            self._hear(message)
        while not self._arrived.empty():
            self._take(self._arrived.get())
        if not self._client.is_connected():
            return
        if self._announce_at_s is not None and time.monotonic() >= self._announce_at_s:
            self._announce_at_s = None
            self._told.clear()
            self._read.update(node.node for node in self._nodes.all())
        host = host_device(self._site, self._page_url())
        self._tell(discovery_topic(self._config.prefix, HOST), host, retained=True)
        self._tell(topic(HOST, "state"), self._alarms_of(""))
        for node in self._nodes.all():
            self._tell_all(node)
        self._read.clear()

    def _tell_all(self, node: Node) -> None:
        """Tell what is new of a node."""
        payload = device(node, self._page_url())
        if payload is None:
            return
        self._tell(discovery_topic(self._config.prefix, node.node), payload, retained=True)
        self._tell(topic(node.node, "state"), self._state(node))
        if node.report is not None:
            values = node.report.values
            self._tell(topic(node.node, "settings"),
                       {key: values[key] for key in SETTABLE if key in values})
        if node.node in self._read:
            self._publish(topic(node.node, "telemetry"), _json(self._fresh(node)))

    def _state(self, node: Node) -> dict[str, Any]:
        boot_unix_ms = node.boot_epoch_unix_ms
        if boot_unix_ms is None and node.info is not None:
            boot_unix_ms = node.info.boot_unix_ms
        return {"online": node.online, **self._alarms_of(node.node),
                "boot_at": None if boot_unix_ms is None else _iso(boot_unix_ms)}

    def _alarms_of(self, node: str) -> dict[str, Any]:
        """Return what stands at a node, at the host for "": null while nobody looks."""
        if not self._alarms.is_alive:
            return {"alarms": None, "priority": None, "worst": None}
        found = summary(one for one in self._alarms.alarms.all() if one.node == node)
        worst = found["worst"] or "none"
        return {"alarms": found["count"], "priority": found["priority"],
                "worst": worst[:MAX_STATE_CHARS]}

    def _fresh(self, node: Node) -> dict[str, Any]:
        """Return {channel: value}, null for a fault, without what is too old to be the present."""
        settings = {} if node.report is None else node.report.values
        oldest = wall_unix_ms() - stale_after_ms(settings)
        return {key: entry["value"] for key, entry in self._live.channels(node.node).items()
                if entry["unix_ms"] >= oldest}

    def _tell(self, where: str, what: dict[str, Any], *, retained: bool = False) -> None:
        """Publish what is new."""
        payload = _json(what)
        if payload != self._told.get(where) and self._publish(where, payload, retained=retained):
            self._told[where] = payload

    def _publish(self, where: str, payload: bytes, *, retained: bool = False) -> bool:
        """Send a message; False when there is no broker: nothing waits for one."""
        if not self._client.is_connected():
            return False
        info = self._client.publish(where, payload, qos=1, retain=retained)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hear(self, message: dict[str, Any]) -> None:
        """Pass on an event of a node, and what became of a command of ours."""
        kind = message["type"]
        if kind == "event" and message["kind"] in EVENTS:
            detail = message["detail"]
            self._publish(topic(message["node"], "event"), _json({
                "event_type": message["kind"], "text": event_text(message["kind"], detail),
                "reason": reason_text(detail.get("reason")), "at": _iso(message["unix_ms"]),
                **{key: detail[key] for key in ("actuator", "volume_ul") if key in detail},
            }))
        elif kind == "record":
            self._read.add(message["node"])
        elif kind == "command" and message["by"] == BY and message["state"] != "pending":
            self._answer(message["node"], message["verb"], message["state"], message["reason"])
        elif kind == "config" and message["error"]:
            self._answer(message["node"], "settings", "refused", message["error"])

    def _answer(self, node: str, what: str, outcome: str, reason: str) -> None:
        text = f"{what}: {outcome}" + (f", {reason_text(reason)}" if reason else "")
        self._tell(topic(node, "command"), {"text": text[:MAX_STATE_CHARS],
                                            "at": _iso(wall_unix_ms())})

    def _take(self, message: _Arrived) -> None:
        """Do what somebody set, or answer why not."""
        if message.topic == f"{self._config.prefix}/status":
            if message.payload == b"online":
                self._announce_at_s = time.monotonic() + SETTLE_S
            return
        name = message.topic.removeprefix(f"{BASE}/").split("/")[0]
        try:
            node = self._nodes.get(name)
            wish = parse_command(message.topic, {} if node.info is None else node.info.outputs)
        except UnknownNode:
            wish = None
        if wish is None:
            _log.warning("%s: no such entity, passed over", message.topic)
            return
        try:
            if wish.verb:
                self._commands.send(wish.node, wish.verb, wish.args, BY)
            else:
                self._commands.set_config(
                    wish.node, {wish.setting: _value(wish.setting, message.payload)}, BY)
        except (HostError, protocol.ProtocolError, protocol.SettingsError) as error:
            _log.warning("%s: refused: %s", message.topic, error)
            what = wish.verb or wish.setting
            self._note(BY, "command" if wish.verb else "change settings", target=wish.node,
                       address="mqtt", detail={"of": what}, result="refused", reason=str(error))
            self._answer(wish.node, what, "refused", str(error))

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
                _log.warning("%s: retained, so passed over: clear it", message.topic)
            return
        try:
            self._arrived.put_nowait(_Arrived(message.topic, bytes(message.payload)))
        except queue.Full:
            _log.warning("%s: passed over: too many at once", message.topic)


def _json(what: dict[str, Any]) -> bytes:
    return json.dumps(what, ensure_ascii=False, separators=(",", ":")).encode()


def _value(key: str, payload: bytes) -> Any:
    """Return what was set as the setting's type. Raises SettingsError that names the setting."""
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
