"""Formats events of nodes as sentences for the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idro.errors import ProtocolError
from idroserra.core.protocol import Detail, int_of
from idroserra.core.reasons import reason_from_json
from idroserra.i18n.channels import (
    display_of,
    duration_text,
    format_value,
    plain_name,
    volume_text,
)
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import fault_text, reason_text, reset_text
from idroserra.i18n.translate import format_number
from idroserra.i18n.translate import gettext as _

_BAD = ("latched", "irrigation_no_flow")
_WARN = ("refused", "stopped", "fault_began", "gap", "restarted", "memory_refused", "flash_failed",
         "water", "irrigation_stuck_on", "air_too_hot", "air_warms", "update_refused",
         "update_reverted")
_OK = ("dosed", "ran", "update_confirmed")
_NOTE = ("boot", "armed", "resumed", "configured", "clock_set", "fault_ended", "correction",
         "authority", "update_offered", "update_downloaded", "update_trial", "certificate")
# A reason in the middle of a sentence, such as ", now 31.0 °C".
_MEASURED = N_(", {why}")


def level_of(kind: str) -> str:
    """Return the severity of an event: plain, ok, note, warn or bad."""
    for level, kinds in (("bad", _BAD), ("warn", _WARN), ("ok", _OK), ("note", _NOTE)):
        if kind in kinds:
            return level
    return "plain"


def event_text(kind: str, detail: Detail) -> str:
    """Return one sentence for an event, even if its detail is incomplete."""
    if kind in _PATTERNS:
        return _(_PATTERNS[kind]).format(
            what=_name(detail), version=detail.get("version", "?"), rev=detail.get("rev", "?"),
            by=_by(detail), because=_because(detail))
    write = _SENTENCES.get(kind)
    return write(detail) if write else f"{plain_name(kind)} {_rest(detail)}".strip()


def _rest(detail: Detail) -> str:
    return ", ".join(
        f"{plain_name(key)} {reason_text(value) if isinstance(value, Mapping) else value}"
        for key, value in detail.items())


def _name(detail: Detail, key: str = "actuator") -> str:
    text = plain_name(str(detail.get(key, "an_output")))
    return text if text.startswith("pH") else text[:1].upper() + text[1:]


def _because(detail: Detail, pattern: str = N_(": {why}")) -> str:
    why = reason_text(detail.get("reason"))
    return _(pattern).format(why=why) if why else ""


def _by(detail: Detail) -> str:
    who = str(detail.get("by") or "")
    return _(" by {who}").format(who=who) if who and who not in ("control", "auto") else ""


# How a boot ended, if not by an exception: idro.app.node. A planned restart is no error.
_LAST_ERRORS = {"planned_update": "", "out_of_memory": N_("no memory for the connection"),
                "ended": N_("the program ended")}


def _boot(detail: Detail) -> str:
    error = str(detail.get("last_error") or "")
    words = _(_LAST_ERRORS.get(error, error))
    last = _(" The previous boot ended with: {error}").format(error=words) if words else ""
    cause = reset_text(str(detail.get("reset") or ""))
    return _("Started, version {version}, after {cause}.{last}").format(
        version=detail.get("version", "?"), cause=cause, last=last)


def _dosed(detail: Detail) -> str:
    cut = reason_text(detail.get("cut"))
    return _("{what}, {volume} given{by}{because}{cut}").format(
        what=_name(detail), volume=volume_text(int_of(detail, "volume_ul")), by=_by(detail),
        because=_because(detail), cut=_("; cut short: {why}").format(why=cut) if cut else "")


def _ran(detail: Detail) -> str:
    return _("{what} ran for {time}{by}{because}").format(
        what=_name(detail), time=duration_text(int_of(detail, "on_ms")), by=_by(detail),
        because=_because(detail))


def _decided(detail: Detail) -> str:
    return _("{what} control{because}").format(
        what=_name(detail, "loop"), because=_because(detail))


def _channel(detail: Detail) -> str:
    channel = str(detail.get("channel", ""))
    try:
        return display_of(channel).label if channel else _("A channel")
    except ProtocolError:
        return channel


def _fault_began(detail: Detail) -> str:
    text = _("{what}: no reading. {fault}").format(
        what=_channel(detail), fault=fault_text(str(detail.get("fault", ""))))
    why = reason_text(detail.get("reason"))
    return f"{text} {why}." if why else text


def _fault_ended(detail: Detail) -> str:
    lasted = int_of(detail, "lasted_ms")
    if not lasted:
        return _("{what}: reading restored.").format(what=_channel(detail))
    return _("{what}: reading restored after {time}.").format(
        what=_channel(detail), time=duration_text(lasted))


def _gap(detail: Detail) -> str:
    count = int_of(detail, "count")
    if not count:
        return _("The node's memory was full: readings were thinned out.")
    return _("The node's memory was full: {count} readings were thinned out.").format(count=count)


def _clock_set(detail: Detail) -> str:
    moved = int_of(detail, "by_ms")
    if not moved:
        return _("The node's clock is set.")
    return _("The node's clock is set, corrected by {time}.").format(
        time=duration_text(abs(moved)))


def _restarted(detail: Detail) -> str:
    task = plain_name(str(detail.get("task", "?")))
    error = str(detail.get("error") or "") or reason_text(detail.get("reason"))
    if not error:
        return _("The task {task} failed and was restarted.").format(task=task)
    return _("The task {task} failed and was restarted: {error}").format(task=task, error=error)


def _memory_refused(detail: Detail) -> str:
    return _("The node ran out of memory for its {part}, {count} times.").format(
        part=plain_name(str(detail.get("part", "?"))), count=detail.get("count", "?"))


def _flash_failed(detail: Detail) -> str:
    part = plain_name(str(detail.get("part", "files")))
    if not detail.get("error"):
        return _("The node could not write its {part} to flash.").format(part=part)
    return _("The node could not write its {part} to flash: {error}").format(
        part=part, error=detail["error"])


def _correction(detail: Detail) -> str:
    given, left = (volume_text(int_of(detail, key)) for key in ("given_ul", "left_ul"))
    what = plain_name(str(detail.get("actuator", "an_output")))
    state, because = detail.get("state"), _because(detail)
    if state == "opened":
        if "target_us_cm" in detail:
            ec = format_value("reservoir.ec_us_cm", int_of(detail, "target_us_cm"))
            return _("Correction with {what} to an EC of {ec} opened{by}{because}").format(
                what=what, ec=ec, by=_by(detail), because=because)
        target = format_number(int_of(detail, "target_milli_ph") / 1_000, 2)
        return _("Correction with {what} to pH {ph} opened{by}{because}").format(
            what=what, ph=target, by=_by(detail), because=because)
    if state == "ready":
        return _("Correction with {what} is ready to give {volume}{because}").format(
            what=what, volume=volume_text(int_of(detail, "next_ul")), because=because)
    if state == "given":
        step = reason_from_json(detail.get("reason"))
        if step is None or step.code != "step_given":
            return _("Correction with {what}: a step given, {given} so far, {left} left").format(
                what=what, given=given, left=left)
        return _("Correction with {what}: a step of {volume} given, {given} so far, {left} left"
                 ).format(what=what, given=given, left=left,
                          volume=volume_text(int_of(step.values, "volume_ul")))
    if state == "ended":
        return _("Correction with {what} is over{because}, {given} given").format(
            what=what, because=because, given=given)
    return _("Correction with {what} waits{because}").format(what=what, because=because)


def _authority(detail: Detail) -> str:
    granted, asked = int_of(detail, "granted_pct"), int_of(detail, "asked_pct")
    because = _because(detail)
    asked_for = _(" ({asked} % requested)").format(asked=asked) if asked > granted else ""
    if not granted:
        return _("Automatic dosing is limited to advice{asked_for}{because}").format(
            asked_for=asked_for, because=because)
    return _("Automatic dosing may use {granted} % of its budgets{asked_for}{because}").format(
        granted=granted, asked_for=asked_for, because=because)


def _water(detail: Detail) -> str:
    moved = int_of(detail, "moved_mm")
    state = detail.get("state")
    if state == "rises":
        return _("The water level rose by {moved} mm with the valve closed: does the valve "
                 "leak, is someone adding water? Dosing is off until the level is steady below "
                 "the full mark."
                 ).format(moved=moved)
    if state == "falls":
        return _("The water level falls faster than plants drink, {moved} mm an hour: check "
                 "for a leak. Dosing is off, and filling stops after ten minutes."
                 ).format(moved=moved)
    return _("The water level is normal again.")


def _irrigation_no_flow(detail: Detail) -> str:
    lasted = duration_text(int_of(detail, "on_ms"))
    if detail.get("state") == "ended":
        return _("Water flows to the roots again, after {time} of pumping without flow.").format(
            time=lasted)
    return _("The irrigation pump has run for {time} without flow: roots dry out. Check pump, "
             "filter and pipe, and water by hand meanwhile.").format(time=lasted)


def _irrigation_stuck_on(detail: Detail) -> str:
    flow = format_value("irrigation.flow_ml_per_min", int_of(detail, "flow_ml_per_min"))
    if detail.get("state") == "ended":
        return _("The flow to the roots has stopped with the irrigation pump off.")
    return _("Water flows to the roots, {flow}, although the irrigation pump is off: a welded "
             "relay or a siphon? Dosing and filling are off meanwhile.").format(flow=flow)


def _air_too_hot(detail: Detail) -> str:
    if detail.get("state") == "ended":
        return _("The air has cooled{because}: the heater may heat again.").format(
            because=_because(detail, _MEASURED))
    return _("The heater is locked until the air has cooled and half an hour has passed{because}. "
             "Does the fan run, is the heater's relay stuck?").format(because=_because(detail))


def _air_warms(detail: Detail) -> str:
    if detail.get("state") == "ended":
        return _("The air no longer warms with the heater off{because}.").format(
            because=_because(detail, _MEASURED))
    return _("The air warms with the heater off{because}: is its relay stuck? The fan cools "
             "meanwhile. Unplug the heater.").format(because=_because(detail, _MEASURED))


_PATTERNS = {
    "armed": N_("Readings were plausible for long enough: dosing is possible."),
    "refused": N_("{what} refused{because}"),
    "stopped": N_("All dosing stopped{by}."),
    "resumed": N_("Dosing resumed{by}."),
    "latched": N_("Dosing is locked until a person resumes it{because}"),
    "configured": N_("Settings revision {rev} is active{by}."),
    "update_offered": N_("Software {version} is being downloaded{by}."),
    "update_refused": N_("Software {version} was refused{because}"),
    "update_downloaded": N_(
        "Software {version} is on the node and starts when the node is idle."),
    "update_trial": N_("Software {version} runs on trial: no dosing until it is confirmed."),
    "update_confirmed": N_("Software {version} is confirmed."),
    "update_reverted": N_("Software {version} was rolled back to the previous version{because}"),
    "certificate": N_("Connection to the broker{because}"),
}
_SENTENCES: dict[str, Callable[[Detail], str]] = {
    "boot": _boot,
    "dosed": _dosed,
    "ran": _ran,
    "decided": _decided,
    "fault_began": _fault_began,
    "fault_ended": _fault_ended,
    "correction": _correction,
    "authority": _authority,
    "clock_set": _clock_set,
    "gap": _gap,
    "restarted": _restarted,
    "memory_refused": _memory_refused,
    "flash_failed": _flash_failed,
    "water": _water,
    "irrigation_no_flow": _irrigation_no_flow,
    "irrigation_stuck_on": _irrigation_stuck_on,
    "air_too_hot": _air_too_hot,
    "air_warms": _air_warms,
}
