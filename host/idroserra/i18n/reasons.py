"""Reasons in words: the text of a code with its values, in the reader's language and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from idro.errors import ProtocolError
from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.core.protocol import from_scaled, split_channel
from idroserra.core.reasons import VALUES, Reason, reason_from_json
from idroserra.i18n.channels import (
    display_of,
    duration_text,
    format_value,
    plain_name,
    volume_text,
)
from idroserra.i18n.marker import N_, Plural
from idroserra.i18n.reason_texts import ENDED_TEXTS, TEXTS
from idroserra.i18n.translate import (
    DEFAULT_LOCALE,
    current_units,
    format_number,
    gettext,
    localize_decimal,
    ngettext,
    use_locale,
)

_MINUTE_MS, _STEP_MS = 60_000, 10_000
_BUSES = {
    "i2c": N_("I2C bus {name}"), "adc": N_("converter {name}"), "onewire": N_("1-Wire bus {name}"),
    "uart": N_("serial line {name}"),
}
# Codes of `reset` in a boot event: why the board started.
_RESETS = {
    "power_on": N_("power on"), "brown_out": N_("a voltage drop"), "hard": N_("a hard reset"),
    "soft": N_("a soft reset"), "watchdog": N_("a watchdog reset"),
    "deep_sleep": N_("deep sleep"),
}
_WATERS = {"ro": N_("reverse osmosis water"), "soft": N_("soft tap water"),
           "medium": N_("medium tap water"), "hard": N_("hard tap water")}
_KINDS = {"doser": N_("dosing pump"), "switch": N_("switch"), "dimmer": N_("dimmer")}


def reason_text(reason: object) -> str:
    """Return a Reason, or its JSON object, in words; "" for None.

    A code that this host does not know, as of a newer node, is shown as it is.
    """
    found = reason_from_json(reason)
    if found is None:
        return ""
    text = TEXTS.get(found.code)
    if "left_ms" not in found.values:
        text = ENDED_TEXTS.get(found.code, text)
    values = {
        name: value_text(name, value, found.values) for name, value in found.values.items()}
    if text is None:
        rest = ", ".join(f"{name} {value}" for name, value in values.items())
        return f"{found.code} ({rest})" if rest else found.code
    if isinstance(text, Plural):
        count = found.values.get(text.counted)
        pattern = ngettext(text.one, text.many, count if isinstance(count, int) else 0)
    else:
        pattern = gettext(text)
    return pattern.format_map(_Missing(values))


def counted_down(reason: Reason, elapsed_ms: int) -> Reason:
    """Return a reason with the time that is left after `elapsed_ms`, without it at the end.

    In whole minutes, at the end in steps of 10 s, so that the text does not change every second.
    """
    values = dict(reason.values)
    left_ms, why = values.get("left_ms"), values.get("why")
    if isinstance(left_ms, int):
        left_ms -= max(0, elapsed_ms)
        step_ms = _MINUTE_MS if left_ms > 2 * _MINUTE_MS else _STEP_MS
        if left_ms > 0:
            values["left_ms"] = -(-left_ms // step_ms) * step_ms
        else:
            del values["left_ms"]
    elif isinstance(why, Reason):
        values["why"] = counted_down(why, elapsed_ms)
    else:
        return reason
    return Reason(reason.code, **values)


def as_sentence(reason: object) -> str:
    """Return a reason in words that begin with a capital letter."""
    return capitalized(reason_text(reason))


def english(reason: Reason | None) -> str:
    """Return a reason in English and metric units, for logs and exceptions; "" for None."""
    with use_locale(DEFAULT_LOCALE):
        return reason_text(reason)


def reason_json(reason: object) -> dict[str, Any] | None:
    """Return {"code", "values", "text"} for a page, None without a reason."""
    found = reason_from_json(reason)
    return None if found is None else {**found.as_json(), "text": reason_text(found)}


def sentence_json(reason: object) -> dict[str, Any] | None:
    """Return reason_json() with a text that begins with a capital letter."""
    found = reason_json(reason)
    return None if found is None else found | {"text": capitalized(found["text"])}


def value_text(
        name: str, value: object, values: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return a value of a reason with its unit. `values` are all values of the reason."""
    unit = VALUES.get(name, "text")
    if isinstance(value, Reason):
        return reason_text(value)
    if isinstance(value, str):
        return _NAMES.get(unit, str)(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    if unit == "scaled":
        return _scaled(str(values.get("channel", "")), value)
    return _NUMBERS.get(unit, str)(value)


def fault_text(fault: str) -> str:
    """Return the sentence of a fault code, or the code itself if it is unknown."""
    return gettext(str(FAULT_TEXTS.get(fault, fault)))


def reset_text(reset: str) -> str:
    """Return why a board started in words; a code that this host does not know as it is."""
    return gettext(_RESETS.get(reset, reset)) or gettext("an unknown reset")


def capitalized(words: str) -> str:
    """Return words with a capital letter; a first word such as pH stays as it is."""
    return words if words[1:2].isupper() else words[:1].upper() + words[1:]


class _Missing(dict[str, str]):
    """Shows a value that a reason lacks as "?"."""

    def __missing__(self, key: str) -> str:
        return "?"


def _fault(fault: str) -> str:
    """Return the sentence of a fault as a part of another one."""
    words = fault_text(fault).rstrip(".。")
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _channel(channel: str) -> str:
    try:
        label = display_of(channel).label
    except ProtocolError:
        return channel
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _channels(channels: str) -> str:
    return ", ".join(_channel(channel) for channel in channels.split())


def _bus(bus: str) -> str:
    kind, _, name = bus.partition(".")
    return gettext(_BUSES[kind]).format(name=name) if kind in _BUSES else bus


def _scaled(channel: str, scaled: int) -> str:
    """Return a reading that is an integer in the decimals of its channel."""
    try:
        quantity = split_channel(channel)[1]
    except ProtocolError:
        return str(scaled)
    return format_value(channel, from_scaled(quantity, scaled))


def _signed(value: float, decimals: int) -> str:
    return ("-" if value < 0 else "+") + format_number(abs(value), decimals)


def _temp_difference(deci_c: int) -> str:
    unit = current_units().temperature
    return f"{format_number(deci_c / 10 * unit.factor, unit.decimals)} {unit.text}"


def _ec_difference(us_cm: int) -> str:
    """Return a difference of EC, with a decimal more than a reading in mS/cm."""
    unit = current_units().ec
    decimals = unit.decimals and unit.decimals + 1
    return f"{format_number(us_cm * unit.factor, decimals)} {unit.text}"


def _water_difference(ml: int) -> str:
    unit = current_units().volume
    return f"{_signed(ml * unit.factor, unit.decimals)} {unit.text}"


# {unit of `core.reasons.VALUES`: how to write a number of it}
_NUMBERS: dict[str, Callable[[int], str]] = {
    "ms": duration_text,
    "s": lambda value: gettext("{count} s").format(count=value),
    "ul": volume_text,
    "ul/pH": volume_text,
    "ul/s": "{} ul/s".format,
    "ml difference": _water_difference,
    "ml/min": lambda value: format_value("irrigation.flow_ml_per_min", value),
    "mpH": lambda value: format_number(value / 1_000, 2),
    "mpH fine": lambda value: f"{format_number(value / 1_000, 3)} pH",
    "mpH difference": lambda value: _signed(value / 1_000, 2),
    "mpH/h": lambda value: _signed(value / 1_000, 2),
    "uS/cm": lambda value: format_value("reservoir.ec_us_cm", value),
    "uS/cm difference": _ec_difference,
    "mm": "{} mm".format,
    "dmm": lambda value: f"{format_number(value / 10, 1)} mm",
    "mm/h": "{} mm/h".format,
    "cm2": lambda value: f"{format_number(value / 10_000, 2)} m²",
    "dC": lambda value: format_value("air.temp_c", value / 10),
    "dC difference": _temp_difference,
    "Pa": lambda value: format_value("air.vpd_pa", value),
    "umol/m2/s": "{} µmol/m²/s".format,
    "mV": "{} mV".format,
    "dmV": lambda value: f"{format_number(value / 10, 1)} mV",
    "%": "{} %".format,
    "d%": lambda value: f"{format_number(value / 10, 1)} %",
    "milli": lambda value: format_number(value / 1_000, 2),
    "kB": "{} kB".format,
    "MB": "{} MB".format,
    "MHz": "{} MHz".format,
}
# The same for a text.
_NAMES: dict[str, Callable[[str], str]] = {
    "name": plain_name,
    "kind": lambda kind: gettext(_KINDS.get(kind, kind)),
    "channel": _channel,
    "channels": _channels,
    "bus": _bus,
    "reset": reset_text,
    "fault": _fault,
    "word": gettext,
    "decimal": localize_decimal,
    "water": lambda kind: gettext(_WATERS.get(kind, kind)),
}
