"""A fake Home Assistant: a client of the broker that stores what it receives.

The tables are those of homeassistant.components.sensor.const, 2026.2, for the classes in use. It
rejects other combinations. `make check-homeassistant` validates with Home Assistant itself.
"""

import json
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from idroserra.mqtt.paho_client import stop_client

UNITS = {
    "ph": {None}, "conductivity": {"S/cm", "mS/cm", "μS/cm"}, "temperature": {"°C", "°F", "K"},
    "humidity": {"%"}, "pressure": {"Pa", "hPa", "kPa", "bar"}, "carbon_dioxide": {"ppm"},
    "illuminance": {"lx"}, "distance": {"mm", "cm", "m"}, "volume_storage": {"L", "mL", "m³"},
    "volume_flow_rate": {"L/min", "L/h", "m³/h"}, "voltage": {"V", "mV"}, "current": {"A", "mA"},
    "data_size": {"B", "kB", "MB"}, "signal_strength": {"dBm", "dB"}, "timestamp": {None},
    "duration": {"d", "h", "min", "s"},
}
BINARY_CLASSES = {"problem", "connectivity", "moisture"}
ROOT_KEYS = {"dev", "o", "cmps", "avty", "avty_mode", "stat_t"}  # others are rejected
NO_STATE_CLASS = {"timestamp"}


class FakeHomeAssistant:
    """`payloads`: {topic: last payload}; `every`: (topic, payload, retain) in order."""

    def __init__(self, port):
        self.payloads, self.every = {}, []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="homeassistant")
        self._client.username_pw_set("homeassistant")
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([("homeassistant/#", 1), ("idro/v1/host/ha/#", 1)])
        self._client.loop_start()
        assert self._ready.wait(60)

    def device(self, node):
        """Return the discovery payload of a node, None without one."""
        return self.payloads.get(f"homeassistant/device/idroserra_{node}/config")

    def of(self, node, leaf):
        """Return the last payload of the host for a node on a topic, {} without one."""
        return self.payloads.get(f"idro/v1/host/ha/{node}/{leaf}", {})

    def set(self, node, name, payload, *, retain=False):
        """Set an entity as the dashboard does."""
        sent = self._client.publish(
            f"idro/v1/host/ha/{node}/{name}/set", payload, qos=1, retain=retain)
        sent.wait_for_publish(60)

    def restart(self):
        """Discard all payloads and publish the birth message."""
        self.payloads.clear()
        self._client.publish("homeassistant/status", b"online", qos=1).wait_for_publish(60)

    def close(self):
        stop_client(self._client)

    def _on_message(self, client, userdata, message):
        if message.topic.endswith("/set") or message.topic == "homeassistant/status":
            return
        payload = json.loads(message.payload) if message.payload else None
        self.payloads[message.topic] = payload
        self.every.append((message.topic, payload, message.retain))


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
