"""Parses the MQTT messages of Zigbee2MQTT, Tasmota, Shelly and ESPHome. Pure.

Any topic and payload give a Message or None, never an exception. A value is a finite number with
its quantity; what says that there is none (null, NaN, "unavailable", an error of the sensor) gives
no value. A device is named by the beginning of its topic, so that no hub speaks for another one's.
The topic decides the format, below any prefix:

Zigbee2MQTT   BASE/DEVICE                       {"temperature": 21.3, "water_leak": false}
              BASE/DEVICE/availability          online, or {"state": "online"}
              BASE/bridge/state                 the same, of every device below BASE
Tasmota       PREFIX/tele/DEVICE/SENSOR         {"AM2301": {"Temperature": 21.3}, "TempUnit": "C"}
              PREFIX/tele/DEVICE/LWT            Online
Shelly 1      PREFIX/shellies/DEVICE/sensor/temperature, /relay/0/power ...      21.3
              PREFIX/shellies/DEVICE/online     true
Shelly 2, 3   DEVICE/events/rpc                 {"params": {"temperature:0": {"tC": 21.3}}}
              DEVICE/status/temperature:0       {"tC": 21.3}
              DEVICE/online                     true
ESPHome       DEVICE/sensor/NAME/state          21.3
              DEVICE/binary_sensor/NAME/state   ON
              DEVICE/status                     online

Sources: Zigbee2MQTT, "MQTT Topics and Messages" and "Device-Availability"; Tasmota, "MQTT",
"JSON Status Responses" and issue 4147 (a failed DHT11 is `nan`); Shelly, "Gen1 Device API: MQTT",
"Gen2 Device API: Notifications, Mqtt, Temperature, Humidity, Switch, PM1, EM, EM1, Flood", and
Home Assistant's Shelly integration (999 is a missing probe); ESPHome, "MQTT Client Component" and
components/mqtt/mqtt_sensor.cpp (NaN is `nan`, or `None`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.core.others_config import MAX_TOPIC_CHARS
from idroserra.core.plausibility import LOWEST_UNIX_MS

MAX_PAYLOAD_BYTES = 8_192
MAX_VALUES = 16  # of one message
MAX_FIELD_CHARS = 60
_LARGEST = 1e9  # no sensor of these quantities shows more
_MISSING = 999.0  # a probe of a Shelly 1
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?")
_SWITCH = re.compile(r"Switch[0-9]{1,2}")
_ZIGBEE = re.compile(r"(temperature|humidity|power|water_leak)(_l[0-9])?")
_ZIGBEE_QUANTITIES = {"temperature": "temp_c", "humidity": "rh_pct", "power": "power_w",
                      "water_leak": "leak"}
_TASMOTA = {"Temperature": "temp_c", "Humidity": "rh_pct", "Power": "power_w"}
_SHELLY_1 = {
    ("sensor", "temperature"): "temp_c", ("sensor", "humidity"): "rh_pct",
    ("sensor", "flood"): "leak", ("ext_temperature", "#"): "temp_c",
    ("ext_humidity", "#"): "rh_pct", ("relay", "#", "power"): "power_w",
    ("meter", "#", "power"): "power_w", ("emeter", "#", "power"): "power_w"}
# Kind of a component: key of its status, quantity.
_SHELLY_2 = {
    "temperature": ("tC", "temp_c"), "humidity": ("rh", "rh_pct"), "flood": ("alarm", "leak"),
    **dict.fromkeys(("switch", "cover", "light", "pm1"), ("apower", "power_w")),
    "em1": ("act_power", "power_w"), "em": ("total_act_power", "power_w")}
_ONLINE = {"online": True, "true": True, "offline": False, "false": False}


class Value(NamedTuple):
    """One value of a message, in the unit of its quantity.

    field: what it is in the message. quantity: of protocol.FOREIGN_QUANTITIES; None for a number
    without a unit, whose quantity a person has to choose."""

    field: str
    quantity: str | None
    number: float


class Message(NamedTuple):
    """What a device says. is_online: None if it is not about that. measured_unix_ms: when, as the
    message says, or None."""

    device: str
    source: str
    values: tuple[Value, ...] = ()
    is_online: bool | None = None
    measured_unix_ms: int | None = None


def parse(topic: str, payload: bytes) -> Message | None:
    """Return what a message says, or None for one that says nothing here."""
    levels = topic.split("/")
    if (len(topic) > MAX_TOPIC_CHARS or len(payload) > MAX_PAYLOAD_BYTES or len(levels) < 2
            or not topic.isprintable() or "" in levels):
        return None
    if "tele" in levels[:-1] and levels[-1] in ("SENSOR", "LWT"):
        return _tasmota(levels, payload)
    if "shellies" in levels[:-2]:
        return _shelly_1(levels, payload)
    if levels[-2:] == ["events", "rpc"] and len(levels) > 2:
        return _shelly_2(_join(levels[:-2]), _components(_parsed(payload).get("params")))
    if levels[-2] == "status" and ":" in levels[-1] and len(levels) > 2:
        return _shelly_2(_join(levels[:-2]), {levels[-1]: _parsed(payload)})
    if levels[-1] == "online":
        return _availability(_join(levels[:-1]), "Shelly", payload)
    if levels[-1] == "state" and len(levels) > 3 and levels[-3] in ("sensor", "binary_sensor"):
        return _esphome(levels, payload)
    if levels[-2:] == ["bridge", "state"] and len(levels) > 2:
        return _availability(_join(levels[:-1]), "Zigbee2MQTT", payload)
    if levels[-1] == "state" and len(levels) > 3:
        return None
    if levels[-1] == "status":
        return _availability(_join(levels[:-1]), "ESPHome", payload)
    return _zigbee(levels, payload)


def _tasmota(levels: list[str], payload: bytes) -> Message | None:
    device = _join(levels[:-1])
    if levels[-1] == "LWT":
        return _availability(device, "Tasmota", payload)
    found = _parsed(payload)
    is_fahrenheit = found.get("TempUnit") == "F"
    values: list[Value] = []
    for section, body in found.items():
        if _SWITCH.fullmatch(section):
            values += _value(section, "leak", _is_on(body))
        for key, quantity in _TASMOTA.items() if isinstance(body, dict) else ():
            given = body.get(key)
            for at, one in enumerate(given) if isinstance(given, list) else ((-1, given),):
                number = _number(one)
                if number is not None and quantity == "temp_c" and is_fahrenheit:
                    number = (number - 32) / 1.8
                where = f"{section}.{key}" if at < 0 else f"{section}.{key}.{at + 1}"
                values += _value(where, quantity, number)
    return _message(device, "Tasmota", values)


def _shelly_1(levels: list[str], payload: bytes) -> Message | None:
    at = levels.index("shellies")
    device, rest = _join(levels[:at + 2]), levels[at + 2:]
    if rest == ["online"]:
        return _availability(device, "Shelly", payload)
    quantity = _SHELLY_1.get(tuple("#" if level.isdecimal() else level for level in rest))
    if quantity is None:
        return None
    number = _flag(_ONLINE.get(_text(payload))) if quantity == "leak" else _text_number(payload)
    if quantity != "power_w" and number == _MISSING:
        number = None
    return _message(device, "Shelly", _value("/".join(rest), quantity, number))


def _shelly_2(device: str, components: Mapping[str, Mapping[str, Any]]) -> Message | None:
    values: list[Value] = []
    for name, status in components.items():
        known = _SHELLY_2.get(name.partition(":")[0])
        if known is None or status.get("errors"):
            continue
        key, quantity = known
        given = status.get(key)
        values += _value(name, quantity, _flag(given) if quantity == "leak" else _number(given))
    return _message(device, "Shelly", values)


def _esphome(levels: list[str], payload: bytes) -> Message | None:
    field = "/".join(levels[-3:-1])
    if levels[-3] == "binary_sensor":
        values = _value(field, "leak", _is_on(_text(payload)))
    else:
        values = _value(field, None, _text_number(payload))
    return _message(_join(levels[:-3]), "ESPHome", values)


def _zigbee(levels: list[str], payload: bytes) -> Message | None:
    if levels[-1] in ("set", "get") or "bridge" in levels[:-1]:
        return None
    if levels[-1] == "availability":
        return _availability(_join(levels[:-1]), "Zigbee2MQTT", payload)
    found = _parsed(payload)
    values: list[Value] = []
    for key, given in found.items():
        known = _ZIGBEE.fullmatch(key)
        if known is not None:
            quantity = _ZIGBEE_QUANTITIES[known[1]]
            values += _value(key, quantity, _flag(given) if quantity == "leak" else _number(given))
    message = _message(_join(levels), "Zigbee2MQTT", values)
    return message and message._replace(measured_unix_ms=_unix_ms(found.get("last_seen")))


def _availability(device: str, source: str, payload: bytes) -> Message | None:
    text = _text(payload)
    if text.startswith("{"):
        state = _parsed(payload).get("state")
        text = state if isinstance(state, str) else ""
    is_online = _ONLINE.get(text.lower())
    return None if is_online is None else Message(device, source, is_online=is_online)


def _message(device: str, source: str, values: Iterable[Value]) -> Message | None:
    found = tuple(values)[:MAX_VALUES]
    return Message(device, source, found) if found else None


def _value(field: str, quantity: str | None, number: float | None) -> Iterator[Value]:
    """Yield a value, unless there is no number, or no field to name it by."""
    if number is not None and field.isprintable() and 0 < len(field) <= MAX_FIELD_CHARS:
        yield Value(field, quantity, number)


def _components(params: object) -> dict[str, Mapping[str, Any]]:
    found = params if isinstance(params, dict) else {}
    return {name: status for name, status in found.items() if isinstance(status, dict)}


def _parsed(payload: bytes) -> dict[str, Any]:
    """Return the JSON object of a payload, {} if it is none."""
    try:
        found = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _number(given: object) -> float | None:
    """Return a JSON number as a float, None for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    if not -_LARGEST <= given <= _LARGEST:  # also for NaN, and an int that exceeds every float
        return None
    return float(given)


def _text(payload: bytes) -> str:
    """Return a short payload as text, "" for any other."""
    try:
        return payload.decode("ascii").strip() if len(payload) <= MAX_FIELD_CHARS else ""
    except UnicodeDecodeError:
        return ""


def _text_number(payload: bytes) -> float | None:
    text = _text(payload)
    return _number(float(text)) if _NUMBER.fullmatch(text) else None


def _flag(given: object) -> float | None:
    return float(given) if isinstance(given, bool) else None


def _is_on(given: object) -> float | None:
    return {"ON": 1.0, "OFF": 0.0}.get(given) if isinstance(given, str) else None


def _unix_ms(last_seen: object) -> int | None:
    """Return Zigbee2MQTT's `last_seen`: Unix ms, or ISO 8601 with a zone. None for others, and for
    a time of a clock that was never set."""
    if isinstance(last_seen, int) and not isinstance(last_seen, bool):
        return last_seen if LOWEST_UNIX_MS <= last_seen <= protocol.MAX_INT else None
    try:
        moment = datetime.fromisoformat(last_seen) if isinstance(last_seen, str) else None
        if moment is None or moment.tzinfo is None:
            return None
        unix_ms = int(moment.timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
    return unix_ms if unix_ms >= LOWEST_UNIX_MS else None


def _join(levels: Iterable[str]) -> str:
    return "/".join(levels)
