"""Dosing of a node in words: its state, its dosing authority, its advice and its decisions.

The node earns full authority by three days of reduced dosing without a latch. The host knows only
what the node reported on connecting and since, so it states when full authority is due at the
earliest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from idroserra.core.reasons import REASONS, Reason, reason_from_json
from idroserra.i18n.channels import duration_text, plain_name
from idroserra.i18n.reasons import as_sentence, counted_down, reason_json, reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.node_state.causes import Cause, innermost
from idroserra.node_state.state import DOSING_LOOPS, NodeState
from idroserra.nodes.latest_events import Event, LatestEvents
from idroserra.nodes.node import Node
from idroserra.nodes.state_text import reason_now

EARN_MS = 3 * 86_400_000  # as in the firmware
_ON_ITS_WAY_MS = 60_000  # messages take so long at most; later ones count as after the info
# The state of dosing by the code of the cause that forbids doses; "held" for all others.
_STATES = {"dosing_stopped": "stopped", "stopped": "stopped", "dosing_locked": "latched",
           "dosing_off": "off", "advice_only": "advise", "advice": "advise",
           "dosing_unknown": "unknown", "no_message": "unknown", "first_reading": "unknown"}
_OUT_OF_CONTACT = ("no_contact", "no_new_reading")


class DosingAuthority(NamedTuple):
    """The share of its dosing budgets that control may use. text: in words.

    full_from_unix_ms: the earliest time of the requested share; None if it has that already.
    """

    granted_pct: int
    asked_pct: int
    full_from_unix_ms: int | None
    text: str


def dosing_json(
    state: NodeState, authority: DosingAuthority | None, now_unix_ms: int
) -> dict[str, Any]:
    """Return whether and why the node doses, from its state.

    state: on, held, advise, off (monitoring only, or no dosing pumps), stopped, latched or
    unknown. Without contact it is that of when the node was last heard, or unknown.
    """
    cause = dosing_cause_of(state)
    if cause is None:
        name = "on" if state.has_dosers else "off"
    else:
        name = _STATES.get(cause.reason.code, "held")
    if cause is not None and cause.reason.code in _OUT_OF_CONTACT:
        name = "unknown"
    if cause is None:
        limited = authority is not None and authority.granted_pct < 100
        text = authority.text if authority is not None and limited else _("Automatic dosing on")
        level, reason = "ok", None
    else:
        reason = reason_now(cause, now_unix_ms)
        text, level = as_sentence(reason), cause.level
    if not state.has_dosers and cause is None:
        text, level = _("This node has no dosing pumps"), "note"
    elif name == "off":
        text = _("Monitoring only: automatic dosing is off in the setpoints")
    elif name == "advise" and authority is not None:
        text = authority.text
    if not state.is_in_contact and name != "unknown":
        text = _("{what}, when last heard").format(what=text)
    return {
        "state": name, "level": level, "label": _label(name), "text": text,
        "cause": reason_json(reason), "since_unix_ms": None if cause is None
        else cause.since_unix_ms, "is_old": not state.is_in_contact}


def dosing_cause_of(state: NodeState) -> Cause | None:
    """Return the cause that forbids doses: a stop or a chosen mode first, then the worst.

    Of a node without dosing pumps only a stop, which a person has to end all the same."""
    forbidding = [one for one in state.causes if one.forbids_doses or not state.has_dosers]
    for wanted in (("latched", "stopped"), ("off", "advise")):
        for one in forbidding:
            if _STATES.get(one.reason.code) in wanted:
                return one
    return state.dosing_cause


def is_stopped(state: NodeState) -> bool:
    """Return whether a person stopped dosing, or the node locked it."""
    cause = dosing_cause_of(state)
    return cause is not None and _STATES.get(cause.reason.code) in ("stopped", "latched")


def _label(name: str) -> str:
    return {
        "on": _("Automatic dosing on"), "held": _("Dosing paused"), "advise": _("Advice only"),
        "off": _("Monitoring only"), "stopped": _("Dosing stopped"),
        "latched": _("Dosing locked"), "unknown": _("Dosing unknown")}[name]


def authority_of(
    events: LatestEvents, node: Node, asked_pct: int | None, now_unix_ms: int
) -> DosingAuthority | None:
    """Return the node's dosing authority, or None until it reports it."""
    info = node.info
    if info is None or asked_pct is None or node.boot_epoch_unix_ms is None:
        return None
    events.is_read(node.node)
    # By the last message, so late by its way: an event since may seem to be before the info.
    info_unix_ms = min(now_unix_ms, info.at_ms + node.boot_epoch_unix_ms)
    since_unix_ms = max(node.boot_epoch_unix_ms, info_unix_ms - _ON_ITS_WAY_MS)
    boot = events.newest(node.node, "boot")
    if boot is not None:  # the times of two boots may be off by different amounts
        since_unix_ms = max(since_unix_ms, boot.unix_ms)
    granted_pct, left_ms = info.granted_pct, info.earn_left_ms
    change = events.newest(node.node, "authority")
    if change is not None and change.unix_ms > since_unix_ms:
        granted = change.detail.get("granted_pct")
        granted_pct = min(max(granted, 0), 100) if isinstance(granted, int) else 0
    due_unix_ms = info_unix_ms + left_ms
    latch = events.newest(node.node, "latched")
    if latch is not None and latch.unix_ms > since_unix_ms:
        due_unix_ms = latch.unix_ms + EARN_MS
    due = due_unix_ms if granted_pct < asked_pct else None
    return DosingAuthority(granted_pct, asked_pct, due,
                     _authority_text(granted_pct, asked_pct, due, now_unix_ms))


def advice_of(events: LatestEvents, node: str, authority: DosingAuthority | None) -> list[str]:
    """Return the doses that a node with advice-only authority suggests, one sentence each."""
    if authority is None or authority.granted_pct:
        return []
    sentences = []
    for loop in DOSING_LOOPS:
        found = _decided(events, node, loop)
        if found is not None and found[0].code == "advice":
            sentences.append(as_sentence(found[0]))
    return sentences


def decisions_of(
    events: LatestEvents, node: str, enabled: bool | None, now_unix_ms: int
) -> list[dict[str, Any]]:
    """Return the last pH and EC decisions of the running boot, with the time that is left now.

    Each is {"loop", "reason", "text", "unix_ms"}. "Off" is skipped once dosing.enabled is on: the
    node decides again within its next cycles.
    """
    shown = []
    for loop in reversed(DOSING_LOOPS):
        found = _decided(events, node, loop)
        if found is None or (enabled and found[0].code == "dosing_off"):
            continue
        reason, event = counted_down(found[0], now_unix_ms - found[1].unix_ms), found[1]
        shown.append({"loop": loop, "reason": reason_json(reason),
                      "text": _decided_text(loop, reason), "unix_ms": event.unix_ms})
    return shown


def _decided(events: LatestEvents, node: str, loop: str) -> tuple[Reason, Event] | None:
    """Return the last decision of a loop in the running boot."""
    boot, event = events.newest(node, "boot"), events.decision(node, loop)
    if event is None or (boot is not None and boot.unix_us > event.unix_us):
        return None
    reason = reason_from_json(event.detail.get("reason"))
    return None if reason is None else (reason, event)


def _decided_text(loop: str, reason: Reason) -> str:
    """Return a decision as the answer to "Why does it dose, or not?"."""
    what, why = plain_name(loop), reason_text(reason)
    if reason.code in ("ec_in_band", "ph_in_band"):
        return _("{what} needs no dose now: {why}").format(what=what, why=why)
    row = REASONS.get(innermost(reason).code)
    if row is None or row.severity == "ok" or reason.code in ("dosing_off", "advice"):
        return _("{what}: {why}").format(what=what, why=why)
    return _("{what} waits: {why}").format(what=what, why=why)


def share_text(pct: int) -> str:
    """Return a share of the budgets in words, such as "a quarter of its budgets"."""
    if pct == 100:
        return _("its full budgets")
    if pct == 25:
        return _("a quarter of its budgets")
    return _("{pct} % of its budgets").format(pct=pct)


def _authority_text(granted_pct: int, asked_pct: int, due: int | None, now_unix_ms: int) -> str:
    if granted_pct == 0:
        return _("Advice only: it shows the doses it would give and gives none")
    text = _("Automatic dosing with {share}").format(share=share_text(granted_pct))
    if due is None:
        return text if granted_pct == 100 else _("{what}, as set").format(what=text)
    wanted = _("full authority") if asked_pct == 100 else f"{asked_pct} %"
    left_ms = due - now_unix_ms
    if left_ms <= 0:
        return _("{what}; {wanted} follows after three days of dosing without a lock"
                 ).format(what=text, wanted=wanted)
    return _("{what}; {wanted} in {time} at the earliest").format(
        what=text, wanted=wanted, time=_hours_text(left_ms))


def _hours_text(left_ms: int) -> str:
    """Return the time in whole hours, so that the text does not change every second."""
    hour_ms = 3_600_000
    if left_ms < hour_ms:
        return _("an hour")
    return duration_text(-(-left_ms // hour_ms) * hour_ms)
