"""Summarises the health of a node: the worst reason first, each in a sentence.

Levels: ok (nothing to report), note (information), warn (check soon), bad (check now).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.i18n.channels import display_of, duration_text, format_value
from idroserra.i18n.events import fault_text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import translate_message
from idroserra.nodes.calibration_age import age_warning
from idroserra.nodes.dosing_state import DosingState

LEVELS = ("ok", "note", "warn", "bad")

Reason = dict[str, str]


def node_health(node: Mapping[str, Any], dosing: DosingState, now_unix_ms: int) -> dict[str, Any]:
    """Return {"level", "summary", "reasons": [{"level", "text"}]} for a node's JSON."""
    reasons = _contact(node, now_unix_ms)
    if not reasons:
        reasons += _readings(node["channels"], now_unix_ms - node["stale_after_ms"])
    reasons += _dosing(dosing)
    if not dosing.is_old:
        reasons += _for_hands(node)
    reasons += _calibration(node["config"]["values"], now_unix_ms)
    reasons += _settings(node["config"])
    reasons += _recipe(node["recipe"])
    return summed(reasons)


def summed(reasons: list[Reason]) -> dict[str, Any]:
    """Return the health from its reasons: the worst is the summary, the others follow."""
    ranked = sorted(reasons, key=lambda reason: -LEVELS.index(reason["level"]))
    if not ranked:
        return {"level": "ok", "reasons": [],
                "summary": _("All is well: readings are fresh and in their bands.")}
    worst = ranked[0]["level"]
    if worst == "note":
        return {"level": "note", "summary": _("Running; no action needed."), "reasons": ranked}
    return {"level": worst, "summary": ranked[0]["text"], "reasons": ranked[1:]}


def is_in_contact(node: Mapping[str, Any], now_unix_ms: int) -> bool:
    """True while the node is online and its newest reading is fresh."""
    times = [c["unix_ms"] for c in node["channels"].values() if c["unix_ms"] is not None]
    return bool(node["online"] and times and now_unix_ms - max(times) <= node["stale_after_ms"])


def host_reasons(counts: Mapping[str, Any]) -> list[Reason]:
    """Return the problems of the host itself, from Service.counts()."""
    reasons = []
    for part, effect in (
        (N_("broker"), N_("no readings arrive and no commands can be sent")),
        (N_("store"), N_("history cannot be read; new readings wait safely on disk")),
        (N_("spool"), N_("the host accepts no readings; the nodes store theirs")),
    ):
        state = counts.get(part, {}).get("state", "ok")
        if state not in ("ok", "connected"):
            text = _("The host's {part}: {state}. Meanwhile {effect}.").format(
                part=_(part), state=translate_message(state), effect=_(effect))
            reasons.append(_reason("bad", text))
    for thread, error in counts.get("failures", {}).items():
        reasons.append(_reason("bad", _("The host's {thread} failed and was restarted: {error}"
                                        ).format(thread=thread, error=error)))
    return reasons


def _reason(level: str, text: str) -> Reason:
    return {"level": level, "text": text}


def _contact(node: Mapping[str, Any], now_unix_ms: int) -> list[Reason]:
    times = [c["unix_ms"] for c in node["channels"].values() if c["unix_ms"] is not None]
    seen = node["last_seen_unix_ms"]
    if not node["online"]:
        last = max([*times, *([seen] if seen else [])], default=None)
        if last is None:
            return [_reason("note", _("No message yet."))]
        age = duration_text(max(0, now_unix_ms - last))
        return [_reason("bad", _(
            "Offline: last message {time} ago. The node continues to run.").format(time=age))]
    if not times:
        return [_reason("note", _("Connected; waiting for the first reading."))]
    age_ms = now_unix_ms - max(times)
    if age_ms > node["stale_after_ms"]:
        return [_reason("bad", _("Connected, but no reading for {time}.").format(
            time=duration_text(age_ms)))]
    return []


def _readings(channels: Mapping[str, Mapping[str, Any]], old_unix_ms: int) -> list[Reason]:
    reasons = []
    for key, channel in channels.items():
        label = display_of(key).label
        if channel["unix_ms"] is None or channel["unix_ms"] < old_unix_ms:
            reasons.append(_reason("warn", _("{what}: no fresh reading.").format(what=label)))
        elif channel["fault"]:
            reasons.append(_reason("bad", _("{what}: {fault}").format(
                what=label, fault=fault_text(channel["fault"]))))
        elif channel["value"] is not None and channel["band"]:
            reasons += _band(key, label, channel["value"], channel["band"])
    return reasons


def _band(key: str, label: str, value: float, band: Mapping[str, float]) -> list[Reason]:
    low, high = band["low"], band["high"]
    if low <= value <= high:
        return []
    is_below = value < low
    edge = low if is_below else high
    sentence = _("{what} is {value}, below {limit}.") if is_below else _(
        "{what} is {value}, above {limit}.")
    text = sentence.format(
        what=label, value=format_value(key, value), limit=format_value(key, edge))
    if key.endswith(".level_mm") and is_below:
        text = _("{what} Too little water: dosing is blocked.").format(what=text)
        return [_reason("bad", text)]
    far = abs(value - edge) > (high - low) / 2
    return [_reason("warn" if far else "note", text)]


def _dosing(dosing: DosingState) -> list[Reason]:
    if dosing.level == "ok" or dosing.is_old:
        return []
    return [_reason(dosing.level, _("{what}.").format(what=dosing.text))]


def _for_hands(node: Mapping[str, Any]) -> list[Reason]:
    """Return what waits for a person: advice, and an open pH correction."""
    reasons = [_reason("warn", _("Advice: {what}.").format(what=text)) for text in node["advice"]]
    correction = node["correction"]
    if correction is not None and correction["is_open"]:
        is_ready = correction["state"] == "ready"
        reasons.append(_reason("warn" if is_ready else "note",
                               _("Correction of the pH. {what}.").format(what=correction["text"])))
    return reasons


def _calibration(values: Mapping[str, Any], now_unix_ms: int) -> list[Reason]:
    warning = age_warning(values.get("ph.calibrated_day", 0), now_unix_ms)
    return [] if warning is None else [_reason(warning[0], translate_message(warning[1]))]


def _settings(config: Mapping[str, Any]) -> list[Reason]:
    if config["error"]:
        return [_reason("warn", _("The node refused the last settings: {reason}.").format(
            reason=translate_message(config["error"])))]
    reported = config["reported_rev"]
    if config["rev"] and (reported is None or reported < config["rev"]):
        return [_reason("note", _("Settings revision {rev} is not confirmed yet.").format(
            rev=config["rev"]))]
    return []


def _recipe(run: Mapping[str, Any] | None) -> list[Reason]:
    """Return the reason if a paused recipe waits for a person."""
    if run is None or run["state"] != "held":
        return []
    return [_reason(run["level"], _("Recipe {what}.").format(what=run["text"]))]
