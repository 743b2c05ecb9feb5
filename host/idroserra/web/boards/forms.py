"""Describes the fields of a board's entries for the page, from the parts and the file's schema.

A part that comes later, and a key that a part gets later, have their fields without a change here:
the kind of a field follows from its type and its range.
"""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from idroserra.boards import analog_line, modbus_map, schema
from idroserra.boards.chips import CHIPS
from idroserra.boards.devkits import DEVKITS
from idroserra.boards.modbus_map import ModbusPart
from idroserra.boards.pin_uses import USES, usable_pins, use_of
from idroserra.boards.power_budget import MAX_MA
from idroserra.boards.proposal import OUTPUTS
from idroserra.boards.schema import MAX_VOLUME_L, MIN_VOLUME_L, Parameter, Part
from idroserra.boards.validator import BAUDS, I2C_FREQ_HZ
from idroserra.i18n.channels import plain_name, quantity_name
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import translate

Field = dict[str, Any]

LABELS = {
    "source": N_("Place"), "measures": N_("Measures"), "bus": N_("Connection"),
    "address": N_("Address"), "channel": N_("Input of the converter"), "pin": N_("Pin"),
    "trigger_pin": N_("Trigger pin"), "echo_pin": N_("Echo pin"), "name": N_("Name"),
    "expander": N_("Driven by"), "load_ma": N_("Starting current"), "max_on_ms": N_("Longest run"),
    "safe_level": N_("Off at level"), "freq_hz": N_("Frequency"), "scl_pin": N_("Clock pin (SCL)"),
    "sda_pin": N_("Data pin (SDA)"), "tx_pin": N_("Transmit pin (TX)"),
    "rx_pin": N_("Receive pin (RX)"), "de_pin": N_("Driver pin (DE and RE)"),
    "reset_pin": N_("Reset pin"), "oe_pin": N_("Output enable pin (OE)"), "baud": N_("Baud rate"),
    "rom": N_("ROM code"), "supply_pin": N_("Pin of the switched supply"),
    "parity": N_("Parity"), "own_supply": N_("Has a supply of its own"),
    "soft": N_("Driven by the program, without a controller"), "height_mm": N_("Mounting height"),
    "up_level": N_("Level while the float is up"), "pulses_per_l": N_("Pulses a litre"),
    "shunt_mohm": N_("Shunt"), "volume_l": N_("Litres of the full tank"),
    "rail_5v_ma": N_("5 V supply"), "rail_3v3_ma": N_("3.3 V supply"),
    "loads_ma": N_("Supply of pumps and valves"), "pins": N_("Input pins"),
}
# End of a key: unit, and what divides the stored value.
_UNITS = {"ms": ("s", 1_000), "ma": ("mA", 1), "mm": ("mm", 1), "hz": ("Hz", 1), "l": ("L", 1),
          "mohm": ("mΩ", 1), "ohm": ("Ω", 1), "mv": ("mV", 1), "uv": ("µV", 1), "pct": ("%", 1),
          "ml": ("ml", 1), "s": ("s", 1), "v": ("V", 1), "c": ("°C", 1), "k": ("kΩ", 1)}
_MOST_OPTIONS = 128
_FEW = 16
# Bounds of keys that are not parameters of a part.
_BOUNDS = {"load_ma": (0, MAX_MA), "rail_5v_ma": (0, MAX_MA), "rail_3v3_ma": (0, MAX_MA),
           "loads_ma": (0, MAX_MA), "volume_l": (MIN_VOLUME_L, MAX_VOLUME_L)}
_BUSES: dict[str, type[msgspec.Struct]] = {
    "i2c": schema.I2cBus, "onewire": schema.OneWireBus, "uart": schema.UartBus,
    modbus_map.BUS: schema.Rs485Line}
BUS_NAMES = {"i2c": "I2C", "onewire": "1-Wire", "uart": "UART", modbus_map.BUS: "RS485"}
_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "sensor": schema.Sensor, "adc": schema.Adc, "expander": schema.Expander,
    "actuator": schema.Actuator}
# Set by the page itself, from the level that is off.
_DERIVED = ("pull",)
_FIRST = ("name", "source", "measures", "bus", "expander")
_VALUES = {"none": N_("none"), "even": N_("even"), "odd": N_("odd")}


def forms_json(parts: dict[str, Part]) -> dict[str, Any]:
    """Return what the page needs to show any board: chips with their pins by use, fields of the
    buses, parts with their fields, and the usual outputs."""
    return {
        "chips": {name: {
            "label": f"{DEVKITS[name].name} ({DEVKITS[name].module})",
            "pins": {use: usable_pins(name, use) for use in USES}} for name in CHIPS},
        "buses": {kind: {"name": BUS_NAMES[kind], "fields": _bus_fields(kind, struct)}
                  for kind, struct in _BUSES.items()},
        "board": [_number("volume_l", *_BOUNDS["volume_l"])],
        "supply": [_number(key, *_BOUNDS[key], optional=key == "loads_ma")
                   for key in ("loads_ma", "rail_5v_ma", "rail_3v3_ma")],
        "parts": {name: _part_json(name, part) for name, part in parts.items()
                  if part.kind in _STRUCTS},
        "outputs": [{"name": name, "label": plain_name(name), "part": output.part}
                    for name, output in OUTPUTS.items()]}


def label_of(key: str) -> str:
    """Return the label of a key, with its unit if the value is shown in one."""
    if key in LABELS:
        return _(LABELS[key])
    words = key.split("_")
    text = " ".join(words[:-1] if len(words) > 1 and words[-1] in _UNITS else words)
    return text[:1].upper() + text[1:]


def _part_json(name: str, part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": part.kind, "text": _(part.text), "datasheet": part.datasheet,
        "buses": part.buses, "drives": part.drives, "outputs": part.outputs,
        "is_one_of": name == analog_line.PART, "fit": part.fit and _(part.fit),
        "measures": [{"value": key, "label": quantity_name(key)} for key in part.measures],
        "current": {"ma": part.draw.current_ma, "rail": part.draw.rail},
        "fields": [field for field in _part_fields(part)
                   if name != analog_line.PART or field["key"] != "measures"]}
    if isinstance(part, ModbusPart):
        found["tried"] = part.probe.tried
    return found


def _part_fields(part: Part) -> list[Field]:
    """Return the fields of an entry of the part, in the order of the file."""
    hints = get_type_hints(_STRUCTS[part.kind])
    # An output is on the chip or on an expander before it has a pin there.
    keys = sorted({**hints, **part.parameters}, key=lambda key: key not in _FIRST)
    return [field for key in keys
            if (field := _part_field(part, key, hints.get(key, int))) is not None]


def _part_field(part: Part, key: str, kind: Any) -> Field | None:
    # Sensors refer to converters and expanders by name: it stays.
    if key in (*_DERIVED, "part") or (key == "name" and part.kind != "actuator"):
        return None
    if key in part.parameters:
        return _parameter(part, key, part.parameters[key], kind)
    if key == "measures":
        return _field(key, "measures") if len(part.measures) > 1 else None
    if key in ("bus", "expander"):
        return None if "chip" in part.buses else _field(key, key)
    if key == "pins":
        return _field(key, "pins", use="analog") if "chip" in part.buses else None
    if key == "pin" or key.endswith("_pin"):
        return _pin_field(part, key)
    if key == "rom":
        return _field(key, "text", on="onewire") if "onewire" in part.buses else None
    if key == "load_ma":
        return _number(key, *_BOUNDS[key], optional=True)
    if kind is bool:
        return None if "chip" in part.buses else _field(key, "check")
    return _field(key, "text") if kind is str else None


def _pin_field(part: Part, key: str) -> Field | None:
    if part.kind == "actuator":
        return _field(key, "pin", use="off")
    if part.kind == "expander":
        wanted = part.off is not None and part.off.pin == key
        return _field(key, "pin", use=use_of("expander", key, {}, part)) if wanted else None
    own = part.pins or (["pin"] if "pin" in part.buses else [])
    return _field(key, "pin", use=use_of("sensor", key, {}, part)) if key in own else None


def _parameter(part: Part, key: str, parameter: Parameter, kind: Any) -> Field:
    """Return the field of a parameter of a part, by its type and range."""
    low, high = getattr(parameter, "low", None), getattr(parameter, "high", None)
    more = {"help": translate(parameter.text), "on": parameter.bus}
    names = [name for one in (kind, *get_args(kind)) for name in _literals(one)]
    if names:
        return _select(key, [(name, str(name)) for name in names], **more)
    if low is None or high is None or str in (kind, *get_args(kind)):
        return _field(key, "text", **more)
    is_hex = key == "address" and "i2c" in part.buses
    if isinstance(low, int) and high - low < (_MOST_OPTIONS if is_hex else _FEW):
        shown = [(number, f"0x{number:02x}" if is_hex else str(number))
                 for number in range(low, high + 1) if parameter.allows(number)]
        return _select(key, shown, **more)
    return _number(key, low, high, **more)


def _bus_fields(kind: str, struct: type[msgspec.Struct]) -> list[Field]:
    found = []
    for key, hint in get_type_hints(struct).items():
        literals = _literals(hint)
        if key.endswith("pin"):
            found.append(_field(key, "pin", use=use_of(kind, key, {}, None),
                                optional=type(None) in get_args(hint)))
        elif key == "baud":
            bauds = modbus_map.BAUDS if kind == modbus_map.BUS else BAUDS
            found.append(_select(key, [(baud, str(baud)) for baud in bauds]))
        elif literals:
            found.append(_select(key, [(name, _(_VALUES.get(name, name))) for name in literals]))
        elif hint is bool:
            found.append(_field(key, "check"))
        elif key == "freq_hz":
            found.append(_number(key, *I2C_FREQ_HZ))
    return found


def _literals(hint: Any) -> tuple[Any, ...]:
    """Return the values of a Literal, also within a union; () for another type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(value for one in get_args(hint) for value in _literals(one))
    return ()


def _field(key: str, widget: str, **more: Any) -> Field:
    return {"key": key, "label": label_of(key), "widget": widget,
            **{name: value for name, value in more.items() if value not in ("", None, False)}}


def _select(key: str, options: list[tuple[Any, str]], **more: Any) -> Field:
    return _field(key, "select", **more) | {
        "options": [{"value": value, "label": text} for value, text in options]}


def _number(key: str, low: float, high: float, **more: Any) -> Field:
    """Return a field for a number, in a unit of people where its key has one."""
    unit, divisor = _UNITS.get(key.rpartition("_")[2], ("", 1))
    return _field(key, "number", **more) | {
        "low": low / divisor, "high": high / divisor, "divisor": divisor, "unit": unit,
        "decimals": 3 if divisor > 1 or isinstance(low, float) else 0}
