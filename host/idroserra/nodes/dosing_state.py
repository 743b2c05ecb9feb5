"""Dosing state of a node: whether it may dose, its dosing authority, and its advice.

The node earns full authority by three days of reduced dosing without a latch. The host knows only
what the node reported on connecting and since, so it states when full authority is due at the
earliest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from idroserra.i18n.channels import duration_text, plain_name
from idroserra.i18n.events import reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.latest_events import Event, LatestEvents
from idroserra.nodes.registry import Node

EARN_MS = 3 * 86_400_000  # as in the firmware
_LOOPS = ("ec", "ph")
_ADVICE = "advice: "
_HELD = "held: "
_MONITOR_ONLY = "monitor only"


class DosingState(NamedTuple):
    """state: on, advise, off (monitor only), stopped, latched or unknown. label, text: words."""

    state: str
    level: str
    label: str
    text: str
    since_unix_ms: int | None
    by: str
    reason: str
    is_old: bool = False

    def when_last_heard(self) -> DosingState:
        """Return the state of a node that is out of contact: no longer certain, so never ok."""
        level = "note" if self.level == "ok" else self.level
        text = _("{what}, when last heard").format(what=self.text)
        return self._replace(level=level, text=text, is_old=True)

    def while_corrected(self) -> DosingState:
        """Return the state while a correction is open: control is paused."""
        if self.state not in ("on", "advise"):
            return self
        return self._replace(text=_("Automatic dosing is paused while the correction is open"))


class DosingAuthority(NamedTuple):
    """The share of its dosing budgets that control may use. text: in words.

    full_from_unix_ms: the earliest time of the requested share; None if it has that already.
    """

    granted_pct: int
    asked_pct: int
    full_from_unix_ms: int | None
    text: str


def dosing_of(
    events: LatestEvents, node: str, enabled: bool | None, authority: DosingAuthority | None
) -> DosingState:
    """Return the state; `enabled` is the active setting dosing.enabled, None if unknown."""
    known_all = events.is_read(node, with_doses=True)
    hold = events.newest(node, "stopped", "resumed", "latched")
    if hold is not None and hold.kind != "resumed":
        return _on_hold(hold)
    if not known_all or enabled is None:
        return _plain("unknown", "note", _("Dosing unknown"),
                      _("Not known yet whether dosing is allowed"))
    if not enabled:
        return _plain("off", "note", _("Monitoring only"),
                      _("Monitoring only: automatic dosing is off in the setpoints"))
    if authority is not None and authority.granted_pct == 0:
        return _plain("advise", "note", _("Advice only"), authority.text)
    text = _("Automatic dosing on")
    if authority is not None and authority.granted_pct < 100:
        text = authority.text
    return _plain("on", "ok", _("Automatic dosing on"), text)


def authority_of(
    events: LatestEvents, node: Node, asked_pct: int | None, now_unix_ms: int
) -> DosingAuthority | None:
    """Return the node's dosing authority, or None until it reports it."""
    info = node.info
    if info is None or asked_pct is None or node.boot_epoch_unix_ms is None:
        return None
    events.is_read(node.node)
    info_unix_ms = info.at_ms + node.boot_epoch_unix_ms
    granted_pct, left_ms = info.granted_pct, info.earn_left_ms
    change = events.newest(node.node, "authority")
    if change is not None and change.unix_ms > info_unix_ms:
        granted_pct = int(change.detail.get("granted_pct") or 0)
    due_unix_ms = info_unix_ms + left_ms
    latch = events.newest(node.node, "latched")
    if latch is not None and latch.unix_ms > info_unix_ms:
        due_unix_ms = latch.unix_ms + EARN_MS
    due = due_unix_ms if granted_pct < asked_pct else None
    return DosingAuthority(granted_pct, asked_pct, due,
                     _authority_text(granted_pct, asked_pct, due, now_unix_ms))


def advice_of(events: LatestEvents, node: str, dosing: DosingState) -> list[str]:
    """Return the doses that a node with advice-only authority suggests, one sentence each."""
    if dosing.state != "advise":
        return []
    boot = events.newest(node, "boot")
    sentences = []
    for loop in _LOOPS:
        decided = events.decision(node, loop)
        if decided is None or (boot is not None and boot.unix_us > decided.unix_us):
            continue
        reason = str(decided.detail.get("reason") or "")
        if reason.startswith(_ADVICE):
            words = reason_text(reason[len(_ADVICE):])
            sentences.append(words[:1].upper() + words[1:])
    return sentences


def decisions_of(events: LatestEvents, node: str, enabled: bool | None) -> list[dict[str, Any]]:
    """Return the last pH and EC decisions of the running boot as {"loop", "text", "unix_ms"}.

    A "monitor only" decision is skipped once dosing.enabled is on: the node decides again within
    its next cycles.
    """
    boot = events.newest(node, "boot")
    shown = []
    for loop in reversed(_LOOPS):
        one = events.decision(node, loop)
        if one is None or (boot is not None and boot.unix_us > one.unix_us):
            continue
        reason = str(one.detail.get("reason") or "")
        if not (enabled and reason.startswith(_MONITOR_ONLY)):
            shown.append({"loop": loop, "text": _decided_text(loop, reason),
                          "unix_ms": one.unix_ms})
    return shown


def _decided_text(loop: str, reason: str) -> str:
    """Return a decision as the answer to "Why does it dose, or not?"."""
    what = plain_name(loop)
    if reason.startswith("in band"):
        return _("{what} needs no dose now: {why}").format(what=what, why=reason_text(reason))
    if reason.startswith(_HELD):
        return _("{what} waits: {why}").format(what=what, why=reason_text(reason[len(_HELD):]))
    return _("{what}: {why}").format(what=what, why=reason_text(reason))


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


def _plain(state: str, level: str, label: str, text: str) -> DosingState:
    return DosingState(state, level, label, text, None, "", "")


def _on_hold(latest: Event) -> DosingState:
    by, reason = str(latest.detail.get("by") or ""), reason_text(latest.detail.get("reason"))
    since = latest.unix_ms
    if latest.kind == "stopped":
        who = _(" by {who}").format(who=by) if by else ""
        return DosingState("stopped", "warn", _("Dosing stopped"),
                           _("All dosing is stopped{by}").format(by=who), since, by, reason)
    why = f": {reason}" if reason else ""
    return DosingState("latched", "bad", _("Dosing locked"),
                           _("Dosing is locked until a person resumes it{because}").format(
                               because=why),
                       since, by, reason)
