"""MQTT discovery: the device of a node in Home Assistant, its entities and their topics.

The host publishes flat topics with present values for Home Assistant, because up/telemetry may
hold a backlog. Commands go to the host, which checks, signs and sends them like any others. Manual
doses are excluded: they need a person at the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.homeassistant.device_classes import reading_entity
from idroserra.i18n.channels import plain_name
from idroserra.mqtt.connection import HOST_STATUS_TOPIC
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.node import Node

BASE = f"{protocol.PREFIX}/host/ha"
SET_FILTER = f"{BASE}/+/+/set"
RUN_MS = 600_000
MAX_BYTES = 16_000  # the packet limit of the broker less the topic
EXPIRY_SLACK_S = 10
DEVICE_PREFIX = "idroserra_"
HOST = "host"  # no node has this id
EVENTS = ("dosed", "refused", "latched", "stopped", "resumed", "armed", "correction", "authority",
          "fault_began", "fault_ended", "boot", "water")

_SET_TOPIC = re.compile(rf"{re.escape(BASE)}/([a-z0-9-]+)/([a-z0-9_]+)/set")


class Slider(NamedTuple):
    """A setting that Home Assistant may set, shown as the stored value times `factor`."""

    key: str
    name: str
    device_class: str
    unit: str
    factor: float
    step: float
    needs: str  # the output that the setting requires, or ""


SLIDERS = (
    Slider("ph.target", "pH setpoint", "ph", "", 1, 0.05, "ph_down"),
    Slider("ph.deadband", "pH deadband", "", "", 1, 0.05, "ph_down"),
    Slider("ec.target_us_cm", "EC setpoint", "conductivity", "mS/cm", 0.001, 0.05, "nutrient_a"),
    Slider("ec.deadband_us_cm", "EC deadband", "conductivity", "mS/cm", 0.001, 0.01, "nutrient_a"),
    Slider("light.on_minutes", "Light hours a day", "duration", "h", 1 / 60, 0.25, "light"),
    Slider("light.duty_pct", "Light level", "", "%", 1, 1, "light"),
)
DOSING = "dosing.enabled"


class SetCommand(NamedTuple):
    """A command from Home Assistant: a verb with arguments, or a setting's key."""

    node: str
    verb: str = ""
    args: Mapping[str, Any] = {}
    setting: str = ""


def topic(node: str, leaf: str) -> str:
    """Return a topic of the host for Home Assistant about a node."""
    return f"{BASE}/{node}/{leaf}"


def discovery_topic(prefix: str, node: str) -> str:
    """Return the topic of the node's device, or with "+" the filter of all devices."""
    name = "+" if node == "+" else DEVICE_PREFIX + node
    return f"{prefix}/device/{name}/config"


def is_ours(prefix: str, where: str) -> bool:
    """Return True for the discovery topic of a device of Idroserra."""
    return where.startswith(f"{prefix}/device/{DEVICE_PREFIX}")


def entity_name(key: str) -> str:
    """Return the name of a channel or setting in topics and entity ids."""
    return key.replace(".", "_")


def device(node: Node, page_url: str | None) -> dict[str, Any] | None:
    """Return the discovery payload of a node; None until its info is known.

    `page_url`: the address of the host's page, or None. Source: Home Assistant's MQTT discovery,
    device form with abbreviations.
    """
    info = node.info
    if info is None:
        return None
    settings = {} if node.report is None else node.report.values
    expire_after_s = stale_after_ms(settings) // 1_000 + EXPIRY_SLACK_S
    entities = _of_state(node.node)
    if node.is_adopted:
        entities |= _controls(node.node, info.outputs)
    entities |= {channel: reading_entity(channel, expire_after_s) for channel in info.channels}
    return _fitted({
        "dev": {
            "ids": [DEVICE_PREFIX + node.node], "name": node.node, "mf": "Idroserra",
            "mdl": info.board, "sw": info.version, "sa": node.site,
        } | ({} if page_url is None else {"cu": f"{page_url.rstrip('/')}/nodes/{node.node}"}),
        "o": {"name": "Idroserra", "sw": version("idroserra")},
        "avty": _both_online(node.node), "avty_mode": "all",
        "stat_t": topic(node.node, "telemetry"),
        "cmps": {entity_name(key): _named(node.node, key, entity)
                 for key, entity in entities.items()},
    })


def _fitted(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a payload of at most MAX_BYTES, without the last entities if it is larger.

    The broker disconnects a client that sends a larger one, and with it the devices of all
    nodes. Only a node with more readings and outputs than any board has is that large."""
    size = len(packed(payload))
    while size > MAX_BYTES:
        size -= len(packed(dict([payload["cmps"].popitem()]))) - 1  # braces, but a comma
    return payload


def packed(what: dict[str, Any]) -> bytes:
    """Return a payload as JSON."""
    return json.dumps(what, ensure_ascii=False, separators=(",", ":")).encode()


def host_device(site: str, page_url: str | None) -> dict[str, Any]:
    """Return the discovery payload of the host itself, with its alarm."""
    entities = _of_alarms(HOST)
    return {
        "dev": {
            "ids": [DEVICE_PREFIX + HOST], "name": "Idroserra host", "mf": "Idroserra",
            "mdl": "host service", "sw": version("idroserra"), "sa": site,
        } | ({} if page_url is None else {"cu": page_url}),
        "o": {"name": "Idroserra", "sw": version("idroserra")},
        "avty": [{"t": HOST_STATUS_TOPIC}],
        "cmps": {key: _named(HOST, key, entity) for key, entity in entities.items()},
    }


def parse_command(set_topic: str, outputs: Mapping[str, str]) -> SetCommand | None:
    """Return the command of a message on `set_topic`, or None if no entity has that topic.

    `outputs` are those of the node: {actuator: kind}.
    """
    match = _SET_TOPIC.fullmatch(set_topic)
    if match is None:
        return None
    node, name = match.groups()
    if name in ("stop", "resume"):
        return SetCommand(node, name)
    if name.startswith("run_") and outputs.get(name.removeprefix("run_")) == "switch":
        args = {"actuator": name.removeprefix("run_"), "for_ms": RUN_MS}
        return SetCommand(node, "run", args)
    for key in (DOSING, *(slider.key for slider in SLIDERS)):
        if name == entity_name(key):
            return SetCommand(node, setting=key)
    return None


def _named(node: str, key: str, entity: dict[str, Any]) -> dict[str, Any]:
    name = entity_name(key)
    return entity | {"uniq_id": f"{DEVICE_PREFIX}{node}_{name}",  # a node's id has no _
                     "def_ent_id": f"{entity['p']}.{node.replace('-', '_')}_{name}"}


def _both_online(node: str) -> list[dict[str, str]]:
    """Topics that are published again when Home Assistant starts: none needs to be retained."""
    return [{"t": topic(node, "state"),
             "val_tpl": "{{ 'online' if value_json.online else 'offline' }}"},
            {"t": HOST_STATUS_TOPIC}]


def _of_alarms(node: str) -> dict[str, dict[str, Any]]:
    """Return the alarm entities of a node. They stay available while the node is offline."""
    of_host = {"avty": [{"t": HOST_STATUS_TOPIC}], "stat_t": topic(node, "state")}
    return {
        "alarm": of_host | {
            "p": "binary_sensor", "name": "Alarm", "dev_cla": "problem",
            "val_tpl": "{% set n = value_json.alarms %}"
                       "{{ none if n is none else 'ON' if n else 'OFF' }}",
            "json_attr_t": topic(node, "state"),
            "json_attr_tpl": "{{ {'count': value_json.alarms, 'worst': value_json.worst,"
                             " 'priority': value_json.priority} | tojson }}",
        },
        "worst_alarm": of_host | {
            "p": "sensor", "name": "Worst alarm", "val_tpl": "{{ value_json.worst }}"},
    }


def _of_state(node: str) -> dict[str, dict[str, Any]]:
    """Return the entities of every node besides its readings."""
    of_host = {"avty": [{"t": HOST_STATUS_TOPIC}], "stat_t": topic(node, "state")}
    return _of_alarms(node) | {
        "state": of_host | {
            "p": "sensor", "name": "State", "val_tpl": "{{ value_json.state }}",
            "json_attr_t": topic(node, "state"),
            "json_attr_tpl": "{{ {'code': value_json.code, 'level': value_json.level,"
                             " 'since': value_json.since, 'until': value_json.until,"
                             " 'mender': value_json.mender, 'remedy': value_json.remedy}"
                             " | tojson }}"},
        "connected": of_host | {
            "p": "binary_sensor", "name": "Connected", "dev_cla": "connectivity",
            "ent_cat": "diagnostic", "val_tpl": "{{ 'ON' if value_json.online else 'OFF' }}"},
        "last_boot": of_host | {
            "p": "sensor", "name": "Last boot", "dev_cla": "timestamp", "ent_cat": "diagnostic",
            "val_tpl": "{{ value_json.boot_at }}"},
        "event": {
            "p": "event", "name": "Event", "evt_typ": list(EVENTS),
            "stat_t": topic(node, "event")},
    }


def _controls(node: str, outputs: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found = {
        DOSING: _settable(node, DOSING) | {
            "p": "switch", "name": "Automatic dosing", "ic": "mdi:beaker-check-outline",
            "val_tpl": _setting(DOSING, "'ON' if v else 'OFF'")},
        "stop": _button(node, "stop", "Stop all dosing", "mdi:hand-back-left") | {
            "avty": [{"t": HOST_STATUS_TOPIC}]},  # the host sends it until the node answers
        "resume": _button(node, "resume", "Release dosing", "mdi:lock-open-outline"),
        "last_command": {
            "p": "sensor", "name": "Last command", "ent_cat": "diagnostic",
            "stat_t": topic(node, "command"), "val_tpl": "{{ value_json.text }}",
            "avty": [{"t": HOST_STATUS_TOPIC}],
        },
    }
    for slider in SLIDERS:
        if slider.needs in outputs:
            found[slider.key] = _settable(node, slider.key) | _slider(slider)
    minutes = RUN_MS // 60_000
    for actuator in (name for name, kind in outputs.items() if kind == "switch"):
        name = plain_name(actuator)
        found[f"run_{actuator}"] = _button(
            node, f"run_{actuator}", f"Run {name} for {minutes} min", "mdi:timer-play-outline")
    return found


def _settable(node: str, key: str) -> dict[str, Any]:
    return {"stat_t": topic(node, "settings"), "cmd_t": topic(node, f"{entity_name(key)}/set"),
            "ent_cat": "config"}


def _setting(key: str, shown: str) -> str:
    """Return the template of an active setting: none until the node reports it."""
    return f"{{% set v = value_json['{key}'] %}}{{{{ none if v is none else {shown} }}}}"


def _slider(slider: Slider) -> dict[str, Any]:
    row = protocol.SETTINGS[slider.key]
    ends = 3 if slider.factor < 1 else 2
    entity: dict[str, Any] = {
        "p": "number", "name": slider.name, "mode": "box", "step": slider.step,
        "min": round(row.low * slider.factor, ends), "max": round(row.high * slider.factor, ends),
        "val_tpl": _setting(slider.key, f"(v * {slider.factor}) | round({ends})"),
        "cmd_tpl": _to_stored(row.kind, slider.factor),
    }
    if slider.device_class:
        entity["dev_cla"] = slider.device_class
    if slider.unit:
        entity["unit_of_meas"] = slider.unit
    return entity


def _to_stored(kind: str, factor: float) -> str:
    value = "value" if factor == 1 else f"(value / {factor})"
    return f"{{{{ {value} | round(0) | int }}}}" if kind == "int" else f"{{{{ {value} }}}}"


def _button(node: str, name: str, label: str, icon: str) -> dict[str, Any]:
    return {"p": "button", "name": label, "ic": icon, "cmd_t": topic(node, f"{name}/set")}
