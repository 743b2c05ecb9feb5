"""Active alarms for page, API and terminal: worst first, grouped under their causes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from idroserra.alarms.active import ActiveAlarm, by_severity
from idroserra.alarms.root_cause import root_of
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import reason_json, reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.node_state.places import address_of, label_of, place_of_alarm

_STATE_WORDS = {
    "unacknowledged": N_("not acknowledged"), "acknowledged": N_("acknowledged"),
    "returned": N_("returned to normal, not acknowledged"),
    "suppressed": N_("grouped under a cause"), "shelved": N_("shelved"),
    "out_of_service": N_("out of service"), "pending": N_("pending"),
}


def active_alarms(alarms: Iterable[ActiveAlarm]) -> list[dict[str, Any]]:
    """Return what is not normal: causes, worst first, each with its consequences.

    A cause whose on-delay is running is listed as "pending" if it has consequences."""
    known = {one.key: one for one in alarms}
    causes = {key: one.alarm.cause for key, one in known.items()
              if one.state == "suppressed" and one.alarm.cause in known}
    grouped: dict[str, list[ActiveAlarm]] = {}
    for key in causes:
        grouped.setdefault(root_of(key, causes), []).append(known[key])
    roots = [one for key, one in known.items()
             if key not in causes and (one.state != "normal" or key in grouped)]
    roots.sort(key=lambda one: (*by_severity(one)[:2], -len(grouped.get(one.key, ())),
                                by_severity(one)[2]))
    return [_json(one) | {"consequences": [_json(c) for c in
                                           sorted(grouped.get(one.key, ()), key=by_severity)]}
            for one in roots]


def summary(alarms: Iterable[ActiveAlarm]) -> dict[str, Any]:
    """Return the counts for a badge: alarms to attend to, and the worst of them."""
    shown = [one for one in alarms if one.is_annunciated or one.alarm.is_unacknowledged]
    worst = min(shown, key=by_severity, default=None)
    return {
        "count": len(shown), "unacknowledged": sum(one.alarm.is_unacknowledged for one in shown),
        "priority": None if worst is None else worst.rule.priority,
        "worst": None if worst is None else headline(worst)}


def headline(one: ActiveAlarm) -> str:
    """Return one line: where, what, and the reading or reason."""
    where = f"{one.node}: " if one.node else ""
    return f"{where}{titled(_(one.rule.title), reason_text(one.reason))}"


def titled(title: str, words: str) -> str:
    """Return the title of an alarm with its reason in words, if it has one."""
    return _("{title}: {reason}").format(title=title, reason=words) if words else title


def _json(one: ActiveAlarm) -> dict[str, Any]:
    rule, alarm = one.rule, one.alarm
    state = "pending" if one.state == "normal" else one.state
    place = place_of_alarm(rule.watch, one.part)
    href = address_of(one.node, place)
    return {
        "key": one.key, "rule": rule.name, "title": _(rule.title),
        "reason": reason_json(one.reason), "site": one.site, "node": one.node or None,
        "part": one.part or None, "priority": rule.priority, "state": state,
        "state_words": _(_STATE_WORDS[state]), "is_active": alarm.is_active,
        "raised_unix_ms": alarm.raised_unix_ms, "changed_unix_ms": one.changed_unix_ms,
        "shelved_until_unix_ms": alarm.shelved_until_unix_ms, "cause": alarm.cause or None,
        "consequence": _(rule.consequence), "action": _(rule.action),
        "respond_min": rule.respond_min, "href": href, "place": _(label_of(place)) if href else "",
    }
