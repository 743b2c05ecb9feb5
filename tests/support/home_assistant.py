"""A fake Home Assistant: a client of the broker that stores what it receives.

The tables are those of homeassistant.components.sensor.const, 2026.2, for the classes in use. It
rejects other combinations. `make check-homeassistant` validates with Home Assistant itself.
"""

import json
import threading

import paho.mqtt.client as mqtt
from jinja2 import Environment
from paho.mqtt.enums import CallbackAPIVersion

from idroserra.mqtt.paho_client import stop_client

UNITS = {
    "ph": {None}, "conductivity": {"S/cm", "mS/cm", "μS/cm"}, "temperature": {"°C", "°F", "K"},
    "humidity": {"%"}, "pressure": {"Pa", "hPa", "kPa", "bar"}, "carbon_dioxide": {"ppm"},
    "illuminance": {"lx"}, "distance": {"mm", "cm", "m"}, "volume_storage": {"L", "mL", "m³"},
    "volume_flow_rate": {"L/min", "L/h", "m³/h"}, "voltage": {"V", "mV"}, "current": {"A", "mA"},
    "data_size": {"B", "kB", "MB"}, "signal_strength": {"dBm", "dB"}, "timestamp": {None},
    "duration": {"d", "h", "min", "s"}, "moisture": {"%"},
}
BINARY_CLASSES = {"problem", "connectivity", "moisture"}
ROOT_KEYS = {"dev", "o", "cmps", "avty", "avty_mode", "stat_t"}  # others are rejected
NO_STATE_CLASS = {"timestamp"}


class FakeHomeAssistant:
    """Subscribes as Home Assistant does: to the discovery topics, then to those of each entity,
    and to all of them again on a new connection.

    `payloads`: {topic: last payload}; `every`: (topic, payload, retain) in order; `online`:
    {availability topic: whether it is online}; `refused`: why the broker refused subscriptions."""

    def __init__(self, port, context=None):
        """`context`: the TLS context with the certificate of Home Assistant, if it needs one."""
        self.payloads, self.every = {}, []
        self.online, self.refused = {}, []
        self._topics = {"homeassistant/device/+/config", "homeassistant/+/+/config"}
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="homeassistant")
        self._client.username_pw_set("homeassistant")
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(60)

    def is_connected(self):
        """Return whether it is connected to the broker."""
        return self._client.is_connected()

    def device(self, node):
        """Return the discovery payload of a node, None without one."""
        return self.payloads.get(f"homeassistant/device/idroserra_{node}/config")

    def of(self, node, leaf):
        """Return the last payload of the host for a node on a topic, {} without one."""
        return self.payloads.get(f"idro/v1/host/ha/{node}/{leaf}", {})

    def is_available(self, node, name):
        """Return whether Home Assistant shows an entity as available."""
        device = self.device(node)
        sources = device["cmps"][name].get("avty", device["avty"])
        return all(self.online.get(source["t"], False) for source in sources)

    def set(self, node, name, payload, *, retain=False):
        """Set an entity as the dashboard does."""
        self.publish(f"idro/v1/host/ha/{node}/{name}/set", payload, retain=retain)

    def publish(self, topic, payload, *, retain=False):
        """Publish any message."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(60)

    def restart(self):
        """Discard all payloads and publish the birth message; retained messages do not come."""
        self.payloads.clear()
        self.online.clear()
        self.publish("homeassistant/status", b"online")

    def close(self):
        stop_client(self._client)

    def subscribe(self, topics):
        """Subscribe to topics."""
        self._topics.update(topics)
        self._client.subscribe([(topic, 1) for topic in topics])

    def _on_connect(self, client, userdata, flags, reason, properties):
        self.subscribe(sorted(self._topics))
        if self._ready.is_set():
            client.publish("homeassistant/status", b"online", qos=1)

    def _on_subscribe(self, client, userdata, mid, codes, properties):
        self.refused += [str(code) for code in codes if code.is_failure]
        self._ready.set()

    def _on_message(self, client, userdata, message):
        if message.topic.endswith("/up/status"):  # the host's
            self.online[message.topic] = message.payload == b"online"
            return
        payload = json.loads(message.payload) if message.payload else None
        if payload and "online" in payload:
            self.online[message.topic] = payload["online"]
        self.payloads[message.topic] = payload
        self.every.append((message.topic, payload, message.retain))
        if payload and message.topic.endswith("/config"):
            topics = sorted(_topics_of(payload) - self._topics)
            if topics:
                self.subscribe(topics)


def _topics_of(payload):
    """Return the topics that Home Assistant subscribes to for a device."""
    parts = [payload, *payload.get("cmps", {}).values()]
    return {part[key] for part in parts for key in ("stat_t", "json_attr_t") if key in part} | {
        source["t"] for part in parts for source in part.get("avty", ())}


def faults(payload):
    """Return the errors that Home Assistant finds in a discovery payload."""
    found = [f"root: {key}" for key in set(payload) - ROOT_KEYS]
    names = [entity.get("uniq_id") for entity in payload["cmps"].values()]
    if len(set(names)) != len(names):
        found.append("two entities with the same uniq_id")
    for key, entity in payload["cmps"].items():
        found += [f"{key}: {why}" for why in _of_entity(entity)]
    return found


def _of_entity(entity):
    platform, kind, unit = entity["p"], entity.get("dev_cla"), entity.get("unit_of_meas")
    if not entity.get("def_ent_id", "").startswith(f"{platform}."):
        yield "def_ent_id without its domain"
    if platform in ("sensor", "number") and kind is not None and unit not in UNITS[kind]:
        yield f"{kind} in {unit}"
    if platform == "binary_sensor" and kind not in BINARY_CLASSES | {None}:
        yield f"no class {kind}"
    if platform == "sensor" and kind in NO_STATE_CLASS and "stat_cla" in entity:
        yield "a timestamp has no state class"
    if platform == "number" and not entity["min"] < entity["max"]:
        yield "min is not below max"
    if platform in ("button", "number", "switch") and "cmd_t" not in entity:
        yield "no command topic"
    wanted = {"sensor": "diagnostic", "binary_sensor": "diagnostic"}.get(platform, "config")
    if entity.get("ent_cat", wanted) != wanted:
        yield f"category {entity['ent_cat']}"


def rendered(entity, payload):
    """Return the state that Home Assistant renders for an entity from this payload."""
    template = Environment(autoescape=False).from_string(entity["val_tpl"])
    return template.render(value_json=payload)
