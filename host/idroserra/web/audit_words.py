"""Puts the details of the audit log, which are JSON, into words of the reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from idroserra.i18n.channels import duration_text, plain_name
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import value_text
from idroserra.i18n.translate import format_short
from idroserra.i18n.translate import gettext as _
from idroserra.setpoints.setting_forms import setting_label, setting_text

# Of programs, not of people.
_HIDDEN = ("id", "by", "ttl_ms", "until_unix_ms", "time_zone", "digest", "toml")
_LABELS = {
    "verb": N_("command"), "actuator": N_("output"), "volume": N_("volume"), "for": N_("for"),
    "role": N_("role"), "name": N_("name"), "title": N_("name"), "site": N_("site"),
    "node": N_("node"), "nodes": N_("nodes"), "release": N_("release"), "canary": N_("first node"),
    "rev": N_("revision"), "text": N_("text"), "kind": N_("kind"), "crop": N_("crop"),
    "recipe": N_("recipe"), "comment": N_("comment"), "keys": N_("alarms"), "key": N_("alarm"),
    "limit": N_("limit"), "deadband": N_("deadband"), "priority": N_("priority"),
    "enabled": N_("in use"), "with_keys": N_("with keys"), "sites": N_("sites"),
    "language": N_("language"), "from_priority": N_("from priority"), "ec": N_("unit of EC"),
    "temperature": N_("unit of temperature"), "fingerprint": N_("key"),
    "notify_from": N_("from priority"), "quiet_from": N_("quiet from"),
    "quiet_until": N_("quiet until"), "daily_at": N_("daily message"), "day": N_("day"),
    "on_delay": N_("raised after"), "off_delay": N_("ends after"), "respond": N_("remind after"),
    "escalation_only": N_("reminders only"), "watch": N_("watched for"), "target": N_("target"),
    "duty": N_("level"), "state": N_("state"), "point": N_("point"), "stock": N_("stock solution"),
    "stages": N_("stages"), "status": N_("status"), "left_out": N_("left out"),
}
# Ends of names that say the unit: of durations, in ms, and others with what divides them.
_DURATIONS = {"_ms": 1, "_s": 1_000, "_min": 60_000}
_UNITS = (("_ul", 1_000, "ml"), ("_ml", 1, "ml"), ("_pct", 1, "%"), ("_milli_ph", 1_000, "pH"))


def detail_words(detail: str) -> str:
    """Return the details of a row in words: "pH target: 5.9; light level: 80 %"."""
    try:
        found = json.loads(detail) if detail else {}
    except ValueError:  # cut at its greatest length
        return detail
    return "; ".join(_pairs(found)) if isinstance(found, Mapping) else detail


def _pairs(found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if key in _HIDDEN or value in (None, "", [], {}):
            continue
        if isinstance(value, Mapping):
            yield from _pairs(_recipe(value) if key == "recipe" else value)
        elif "." in key:  # a setting
            yield f"{setting_label(key)}: {setting_text(key, value)}"
        else:
            yield _pair(key, value)


def _recipe(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, crop and stages of a recipe; its texts and setpoints are on its page."""
    listed = found.get("stages")
    stages = [_(str(one.get("name", ""))) for one in (listed if isinstance(listed, list) else ())
              if isinstance(one, Mapping)]
    return {"name": found.get("name"), "crop": _(str(found.get("crop", ""))), "stages": stages}


def _pair(key: str, value: Any) -> str:
    name, text = key, _text(key, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for end, factor in _DURATIONS.items():
            if key.endswith(end):
                name, text = key.removesuffix(end), duration_text(round(value * factor))
        for end, divisor, unit in _UNITS:
            if key.endswith(end):
                name = key.removesuffix(end)
                text = f"{format_short(round(value / divisor, 3))} {unit}"
    return f"{_(_LABELS[name]) if name in _LABELS else plain_name(name)}: {text}"


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_text(key, one) for one in value)
    if isinstance(value, int | float):
        return format_short(value)
    if key == "water":
        return value_text(key, value)
    if key in ("actuator", "verb", "role", "priority", "from_priority", "notify_from"):
        return plain_name(str(value))
    return str(value)
