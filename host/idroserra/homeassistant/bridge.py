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
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.summary import summary
from idroserra.core import protocol
from idroserra.core.audit_sink import AuditSink
from idroserra.core.config import Config
from idroserra.core.errors import HostError
from idroserra.core.reasons import Reason, reason_from_json
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
    packed,
    parse_command,
    topic,
)
from idroserra.i18n.errors import error_english, error_text
from idroserra.i18n.events import event_text
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, set_locale
from idroserra.mqtt.connection import HOST_STATUS_TOPIC, KEEPALIVE_S, MqttConnection, wall_unix_ms
from idroserra.mqtt.paho_client import new_client, stop_client
from idroserra.node_state.state import NodeState
from idroserra.nodes.commands import Commands
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.live import LiveState, Subscription
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.nodes.state_text import state_text
from idroserra.nodes.states import NodeStates

SETTABLE = (DOSING, *(slider.key for slider in SLIDERS))
BY = "home assistant"
STEP_S = 0.5
SETTLE_S = 2.0  # wait for Home Assistant, after its start and after a discovery, to subscribe
MAX_WAITING = 500
MAX_STATE_CHARS = 255
MAX_EVENT_CHARS = 1_000  # below the packet limit of the broker in any script

_log = logging.getLogger("idroserra")


class _Incoming(NamedTuple):
    topic: str
    payload: bytes
    stop_mark: str  # of the node when it came: Commands.stop_mark()


class Bridge:
    """Connects the host and Home Assistant. run() is the body of one thread."""

    def __init__(
        self, config: Config, nodes: Nodes, live: LiveState, commands: Commands, alarms: AlarmLoop,
        states: NodeStates, audit: AuditSink, page_url: Callable[[], str | None],
        link: MqttConnection,
    ) -> None:
        """`page_url` returns the address of the page, or None."""
        self._config = config.homeassistant
        self._site = config.site
        self._broker = config.mqtt
        self._nodes = nodes
        self._live = live
        self._commands = commands
        self._alarms = alarms
        self._states = states
        self._page_url = page_url
        self._link = link
        self._audit = audit  # of refusals; Commands records what is sent
        self._stopping = threading.Event()
        self._incoming: queue.Queue[_Incoming] = queue.Queue(MAX_WAITING)
        self._records: ThreadPoolExecutor  # of stops: it may wait for a file, and delays no stop
        self._announce_at_s: float | None = None
        self._published: dict[str, bytes] = {}
        self._announced: set[str] = set()  # nodes with a device
        self._updated: set[str] = set()  # nodes with a new reading
        self._again_at_s: dict[str, float] = {}  # devices whose states are published again
        self._has_logged_retained = False  # on this connection
        self._client = self._build()

    def run(self) -> None:
        """Serve until stop(). Reconnects automatically. It may run again after an exception."""
        set_locale(Locale(self._config.language))  # of this thread
        subscription = self._live.subscribe()
        self._records = ThreadPoolExecutor(1)
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        try:
            while not self._stopping.wait(STEP_S):
                self._step(subscription)
        finally:
            self._live.unsubscribe(subscription)
            stop_client(self._client)
            self._records.shutdown()

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
            # On the connection whose will is "offline", and only while it is up.
            self._link.publish(HOST_STATUS_TOPIC, b"online", retained=True)
            self._published.clear()
            self._updated.update(node.node for node in self._nodes.all())
        self._publish_states_again()
        self._publish_device(HOST, host_device(self._site, self._page_url()))
        self._publish_changed(topic(HOST, "state"), self._alarms_of(""))
        nodes = self._nodes.all()
        for node in nodes:
            self._publish_node(node)
        for name in self._announced - {node.node for node in nodes}:  # forgotten
            where = discovery_topic(self._config.prefix, name)
            if self._publish(where, b"", retained=True):
                self._announced.remove(name)
                self._published.pop(where, None)
        self._updated.clear()

    def _publish_device(self, name: str, payload: dict[str, Any]) -> None:
        """Publish a discovery if it has changed, and soon afterwards the states of its entities.

        Home Assistant subscribes to their topics only then, and they are not retained."""
        if self._publish_changed(
                discovery_topic(self._config.prefix, name), payload, retained=True):
            self._again_at_s[name] = time.monotonic() + SETTLE_S

    def _publish_states_again(self) -> None:
        """Let the states of devices whose discovery is SETTLE_S old be published again."""
        now_s = time.monotonic()
        for name in [name for name, at_s in self._again_at_s.items() if at_s <= now_s]:
            del self._again_at_s[name]
            for leaf in ("state", "settings"):
                self._published.pop(topic(name, leaf), None)
            self._updated.add(name)

    def _publish_node(self, node: Node) -> None:
        """Publish what is new of a node."""
        payload = device(node, self._page_url())
        if payload is None:
            return
        self._publish_device(node.node, payload)
        self._announced.add(node.node)
        self._publish_changed(topic(node.node, "state"), self.state(node))
        if node.report is not None:
            values = node.report.values
            self._publish_changed(topic(node.node, "settings"),
                                  {key: values[key] for key in SETTABLE if key in values})
        if node.node in self._updated:
            self._publish(topic(node.node, "telemetry"), packed(self._fresh(node)))

    def state(self, node: Node) -> dict[str, Any]:
        """Return the payload of a node's state topic, in the current locale."""
        boot_unix_ms = node.booted_unix_ms
        if boot_unix_ms is None and node.info is not None:
            boot_unix_ms = node.info.boot_unix_ms
        return {"online": node.online, **self._alarms_of(node.node),
                **state_payload(self._states.of(node), self._states.now_unix_ms()),
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
    ) -> bool:
        """Publish a payload that differs from the last one; return whether it was published."""
        payload = packed(what)
        if payload == self._published.get(where) or not self._publish(
                where, payload, retained=retained):
            return False
        self._published[where] = payload
        return True

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
            text = event_text(message["kind"], detail)
            self._publish(topic(message["node"], "event"), packed({
                "event_type": message["kind"], "text": text[:MAX_EVENT_CHARS],
                "code": reason_code(detail.get("reason")),
                "reason": reason_text(detail.get("reason"))[:MAX_EVENT_CHARS],
                "at": _iso(message["unix_ms"]),
                **{key: detail[key] for key in ("actuator", "volume_ul") if key in detail},
            }))
        elif kind == "record":
            self._updated.add(message["node"])
        elif kind == "command" and message["by"] == BY:
            # A pending one with a reason is a stop that cannot be delivered yet.
            if message["state"] != "pending" or message["reason"] is not None:
                self._answer(message["node"], message["verb"], message["state"],
                             reason_text(message["reason"]))
        elif kind == "config" and message["error"]:
            self._answer(message["node"], "settings", "refused", reason_text(message["error"]))

    def _answer(self, node: str, what: str, outcome: str, why: str) -> None:
        text = f"{what}: {outcome}" + (f", {why}" if why else "")
        self._publish_changed(topic(node, "command"), {"text": text[:MAX_STATE_CHARS],
                                                       "at": _iso(wall_unix_ms())})

    def _node_of(self, message: _Incoming) -> Node | None:
        """Return the node that a command is for; get() may wait for the disk, this does not."""
        return self._nodes.peek(_node_name(message.topic))

    def _execute(self, message: _Incoming) -> None:
        """Execute a command of Home Assistant, or publish why it is refused."""
        if message.topic == f"{self._config.prefix}/status":
            if message.payload == b"online":
                self._announce_at_s = time.monotonic() + SETTLE_S
            return
        node = self._node_of(message)
        outputs = {} if node is None or node.info is None else node.info.outputs
        wanted = None if node is None else parse_command(message.topic, outputs)
        if wanted is None:
            _log.warning("%s: ignored: no such entity", message.topic)
            return
        try:
            if wanted.verb:
                self._commands.send(  # a resume that waited undoes no stop that came after it
                    wanted.node, wanted.verb, wanted.args, BY, is_current=lambda: (
                        self._commands.stop_mark(wanted.node) == message.stop_mark))
            else:
                self._commands.set_config(
                    wanted.node, {wanted.setting: _value(wanted.setting, message.payload)}, BY)
        except (HostError, protocol.ProtocolError, protocol.SettingsError) as error:
            why = error_english(error)
            _log.warning("%s: refused: %s", message.topic, why)
            what = wanted.verb or wanted.setting
            self._audit(BY, "command" if wanted.verb else "change settings", target=wanted.node,
                        address="mqtt", detail={"of": what}, result="refused", reason=why)
            self._answer(wanted.node, what, "refused", error_text(error))

    def _stop_node(self, message: _Incoming) -> None:
        """Send a stop at once; a thread of its own does what may wait for the disk."""
        node = self._node_of(message)
        if node is not None and node.is_adopted:
            waiting: Future[Any] = self._records.submit(self._commands.begin_stops([node], BY))
        else:
            waiting = self._records.submit(self._refuse_stop, message)
        waiting.add_done_callback(Future.result)  # logs what it raised

    def _refuse_stop(self, message: _Incoming) -> None:
        """Publish why a stop is refused, in the language of Home Assistant."""
        set_locale(Locale(self._config.language))
        self._execute(message)

    def _build(self) -> mqtt.Client:
        client = new_client(self._broker, f"{self._broker.client_id}-ha")
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if not reason.is_failure:
            # QoS 0, as Home Assistant publishes: for QoS 1 RabbitMQ makes a queue of its own.
            client.subscribe([(SET_FILTER, 0), (f"{self._config.prefix}/status", 0)])
            self._announce_at_s = time.monotonic()
            self._has_logged_retained = False

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        if message.retain:
            if message.topic.startswith(BASE) and not self._has_logged_retained:
                self._has_logged_retained = True
                _log.warning("%s: ignored because it is retained, as any further one of this "
                             "connection: clear it", message.topic)
            return
        incoming = _Incoming(message.topic, bytes(message.payload),
                             self._commands.stop_mark(_node_name(message.topic)))
        if message.topic.endswith("/stop/set"):  # passes the queue and what the thread does
            self._stop_node(incoming)
            return
        try:
            self._incoming.put_nowait(incoming)
        except queue.Full:
            _log.warning("%s: ignored: too many messages at once", message.topic)


def _node_name(set_topic: str) -> str:
    return set_topic.removeprefix(f"{BASE}/").split("/")[0]


def state_payload(state: NodeState, now_unix_ms: int) -> dict[str, Any]:
    """Return the state of a node for its sensor: the words, and what automations use."""
    since, until = state.since_unix_ms, state.until_unix_ms
    return {
        "state": state_text(state, now_unix_ms)[:MAX_STATE_CHARS], "level": state.level,
        "code": state.cause.code, "remedy": state.remedy, "mender": state.mender,
        "since": None if since is None else _iso(since),
        "until": None if until is None else _iso(until)}


def reason_code(reason: object) -> str | None:
    """Return the code of a reason in an event, None without one."""
    found = reason_from_json(reason)
    return None if found is None else found.code


def _value(key: str, payload: bytes) -> Any:
    """Return the payload in the setting's type. Raises SettingsError with the setting."""
    if key == DOSING:
        if payload in (b"ON", b"OFF"):
            return payload == b"ON"
        raise protocol.SettingsError(Reason("setting_bool", setting=key))
    try:
        value = json.loads(payload[:32])
    except ValueError:
        value = None  # refused below, with the range of the setting
    if isinstance(value, float) and value.is_integer() and protocol.SETTINGS[key].kind == "int":
        value = int(value)
    return protocol.check_setting(key, value)


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, UTC).isoformat(timespec="seconds")
