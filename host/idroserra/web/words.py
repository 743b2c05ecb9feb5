"""Events as sentences: what a node did or refused, and why, for the page and the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from idro.errors import ProtocolError
from idro.protocol.texts import FAULT_TEXTS
from idroserra.store import Detail
from idroserra.web.display import display_of, duration_text, plain_name, volume_text

_CHANNEL = re.compile(r"\b[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\b")

# Names that the node puts into its sentences.
_ACTUATOR = re.compile(r"\b(ph_down|ph_up|nutrient_[a-d]|top_off)\b")

_BAD = ("latched", "irrigation_no_flow")
_WARN = ("refused", "stopped", "fault_began", "gap", "restarted", "flash_failed", "water",
         "irrigation_stuck_on", "air_too_hot", "air_warms")
_OK = ("dosed", "ran")
_NOTE = ("boot", "armed", "resumed", "configured", "clock_set", "fault_ended", "correction",
         "authority")


def level_of(kind: str) -> str:
    """Return how much an event asks for attention: plain, ok, note, warn or bad."""
    for level, kinds in (("bad", _BAD), ("warn", _WARN), ("ok", _OK), ("note", _NOTE)):
        if kind in kinds:
            return level
    return "plain"


def fault_text(fault: str) -> str:
    """Return the sentence of a fault code; the code itself where it is unknown."""
    return str(FAULT_TEXTS.get(fault, fault))


def reason_text(reason: object) -> str:
    """Return a reason as words: codes lose their underscores, channels and dosers get names."""
    text = str(reason or "").strip()
    if " " not in text:
        return text.replace("_", " ")
    return _ACTUATOR.sub(lambda found: plain_name(found[0]), _CHANNEL.sub(_label_of, text))


def _label_of(found: re.Match[str]) -> str:
    try:
        label = display_of(found[0]).label
    except ProtocolError:
        return found[0]
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def event_text(kind: str, detail: Detail) -> str:
    """Return one sentence for an event, whatever its detail lacks."""
    write = _SENTENCES.get(kind)
    return write(detail) if write else f"{plain_name(kind)} {_rest(detail)}".strip()


def _rest(detail: Detail) -> str:
    return ", ".join(f"{plain_name(key)} {value}" for key, value in detail.items())


def _name(detail: Detail, key: str = "actuator") -> str:
    text = plain_name(str(detail.get(key, "an output")))
    return text if text.startswith("pH") else text[:1].upper() + text[1:]


def _because(detail: Detail, lead: str = ": ") -> str:
    reason = reason_text(detail.get("reason"))
    return f"{lead}{reason}" if reason else ""


def _by(detail: Detail) -> str:
    who = str(detail.get("by") or "")
    return f" by {who}" if who and who not in ("control", "auto") else ""


def _number(detail: Detail, key: str) -> int:
    value: Any = detail.get(key)
    return value if isinstance(value, int) else 0


def _boot(detail: Detail) -> str:
    error = detail.get("last_error")
    last = f" The boot before ended with: {error}" if error else ""
    cause = reason_text(detail.get("reset")) or "an unknown reset"
    return f"Started, version {detail.get('version', '?')}, after {cause}.{last}"


def _dosed(detail: Detail) -> str:
    volume = volume_text(_number(detail, "volume_ul"))
    return f"{_name(detail)}, {volume} given{_by(detail)}{_because(detail)}"


def _ran(detail: Detail) -> str:
    return (f"{_name(detail)} ran for {duration_text(_number(detail, 'on_ms'))}"
            f"{_by(detail)}{_because(detail)}")


def _refused(detail: Detail) -> str:
    return f"{_name(detail)} refused{_because(detail)}"


def _decided(detail: Detail) -> str:
    return f"{_name(detail, 'loop')} control{_because(detail)}"


def _channel(detail: Detail) -> str:
    channel = str(detail.get("channel", ""))
    return display_of(channel).label if channel else "A channel"


def _fault_began(detail: Detail) -> str:
    return f"{_channel(detail)} lost its value. {fault_text(str(detail.get('fault', '')))}"


def _fault_ended(detail: Detail) -> str:
    lasted = _number(detail, "lasted_ms")
    after = f", after {duration_text(lasted)}" if lasted else ""
    return f"{_channel(detail)} reads again{after}."


def _gap(detail: Detail) -> str:
    count = _number(detail, "count")
    return (f"The node's memory was full: {f'{count} readings' if count else 'readings'} "
            "were thinned out.")


def _clock_set(detail: Detail) -> str:
    moved = _number(detail, "by_ms")
    return "The node knows the time" + (
        f", corrected by {duration_text(abs(moved))}." if moved else ".")


def _restarted(detail: Detail) -> str:
    return f"The task {plain_name(str(detail.get('task', '?')))} failed and was started again" + (
        f": {detail['error']}" if detail.get("error") else ".")


def _flash_failed(detail: Detail) -> str:
    error = detail.get("error")
    return (f"The node's flash refused its {plain_name(str(detail.get('part', 'files')))}"
            + (f": {error}" if error else "."))


def _correction(detail: Detail) -> str:
    given, left = (volume_text(_number(detail, key)) for key in ("given_ul", "left_ul"))
    what = f"Correction with {plain_name(str(detail.get('actuator', 'an output')))}"
    state = detail.get("state")
    if state == "opened":
        target = _number(detail, "target_milli_ph") / 1_000
        return f"{what} to pH {target:.2f} opened{_by(detail)}{_because(detail)}"
    if state == "ready":
        step = volume_text(_number(detail, "next_ul"))
        return f"{what} is ready to give {step}{_because(detail)}"
    if state == "given":
        return f"{what}: a step{_because(detail, ' of ')} given, {given} so far, {left} left"
    if state == "ended":
        return f"{what} is over{_because(detail)}, {given} given"
    return f"{what} waits{_because(detail)}"


def _authority(detail: Detail) -> str:
    granted, asked = _number(detail, "granted_pct"), _number(detail, "asked_pct")
    asked_for = f" ({asked} % asked for)" if asked > granted else ""
    what = f"{granted} % of its budgets" if granted else "advice only"
    return f"Control has {what} now{asked_for}{_because(detail)}"


def _water(detail: Detail) -> str:
    moved = _number(detail, "moved_mm")
    state = detail.get("state")
    if state == "rises":
        return (f"Water rises though the valve is shut, by {moved} mm: does it close, does "
                "somebody pour? Nothing is dosed until it stands still below the full mark.")
    if state == "falls":
        return (f"Water leaves faster than plants drink, {moved} mm an hour: look for a leak. "
                "Nothing is dosed, and filling ends after ten minutes.")
    return "The water stands as it should."


def _irrigation_no_flow(detail: Detail) -> str:
    lasted = duration_text(_number(detail, "on_ms"))
    if detail.get("state") == "ended":
        return f"Water flows to the roots again, after {lasted} of pumping without."
    return (f"The irrigation pump has run for {lasted} and nothing flows: roots dry out. Look at "
            "pump, filter and line, and water by hand meanwhile.")


def _irrigation_stuck_on(detail: Detail) -> str:
    flow = _number(detail, "flow_ml_per_min") / 1_000
    if detail.get("state") == "ended":
        return "Nothing flows to the roots any more while the irrigation pump is off."
    return (f"Water flows to the roots, {flow:.2f} L/min, though the irrigation pump is off: a "
            "welded relay, or a siphon? Nothing is dosed or filled meanwhile.")


def _air_too_hot(detail: Detail) -> str:
    if detail.get("state") == "ended":
        return f"The air has cooled{_because(detail, ' ')}: the heater may heat again."
    return (f"The air is too hot{_because(detail, ', ')}: the heater is locked until it has "
            "cooled and half an hour is over. Does the fan run, is the heater's relay stuck?")


def _air_warms(detail: Detail) -> str:
    if detail.get("state") == "ended":
        return f"The air warms by itself no more{_because(detail, ', ')}."
    return (f"The air warms though the heater is off{_because(detail, ', ')}: is its relay stuck? "
            "The fan cools meanwhile. Pull the heater's plug.")


_SENTENCES: dict[str, Callable[[Detail], str]] = {
    "boot": _boot,
    "armed": lambda detail: "Readings were plausible for long enough: dosing is possible.",
    "dosed": _dosed,
    "ran": _ran,
    "refused": _refused,
    "decided": _decided,
    "fault_began": _fault_began,
    "fault_ended": _fault_ended,
    "stopped": lambda detail: f"All dosing stopped{_by(detail)}.",
    "resumed": lambda detail: f"Dosing released again{_by(detail)}.",
    "latched": lambda detail: f"Dosing is locked until a person looks{_because(detail)}",
    "correction": _correction,
    "authority": _authority,
    "configured": lambda detail: (
        f"Settings, revision {detail.get('rev', '?')}, are in force{_by(detail)}."),
    "clock_set": _clock_set,
    "gap": _gap,
    "restarted": _restarted,
    "flash_failed": _flash_failed,
    "water": _water,
    "irrigation_no_flow": _irrigation_no_flow,
    "irrigation_stuck_on": _irrigation_stuck_on,
    "air_too_hot": _air_too_hot,
    "air_warms": _air_warms,
}
