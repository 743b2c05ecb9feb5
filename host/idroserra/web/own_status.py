"""Builds the state of this host in short, for its own overview of hosts and for others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable

from idroserra.alarms.active import ActiveAlarm, by_severity
from idroserra.core.natural_order import natural_key
from idroserra.i18n.translate import DEFAULT_LOCALE, use_locale
from idroserra.node_state.causes import LEVELS
from idroserra.node_state.state import NodeState
from idroserra.nodes.dosing_state import is_stopped
from idroserra.nodes.host_health import host_problems
from idroserra.nodes.node import Node
from idroserra.other_hosts.status import (
    MOST_ALARMS,
    MOST_CHARS,
    MOST_SITES,
    Alarms,
    AlarmStatus,
    Level,
    NodeCounts,
    NodeStatus,
    SiteStatus,
    Status,
    reason_to_send,
)
from idroserra.web.context import WebContext

KEPT_S = 5.0
_LEVEL_OF_PRIORITY: dict[str, Level] = {
    "low": "note", "medium": "warn", "high": "bad", "urgent": "bad"}
_States = list[tuple[Node, NodeState]]


class OwnStatus:
    """The state of this host, at most KEPT_S old: many hosts and pages may ask. Thread-safe."""

    def __init__(self, context: WebContext, version: str) -> None:
        self._context = context
        self._version = version
        self._lock = threading.Lock()
        self._made_s = float("-inf")
        self._status = Status(0, "note")

    def now(self) -> Status:
        """Return the state."""
        with self._lock:
            if time.monotonic() - self._made_s > KEPT_S:
                with use_locale(DEFAULT_LOCALE):
                    self._status = self._made()
                self._made_s = time.monotonic()
            return self._status

    def _made(self) -> Status:
        context = self._context
        found = [(node, context.states.of(node)) for node in context.nodes.all()]
        parts = self._parts()
        alarms = [one for one in context.alarm_loop.alarms.all()
                  if one.is_annunciated or one.alarm.is_unacknowledged]
        levels: list[Level] = [*(_level(state) for _, state in found), *(
            _LEVEL_OF_PRIORITY[one.rule.priority] for one in alarms
            if one.alarm.is_unacknowledged)]
        if host_problems(parts) or parts["alarms"]["state"]:
            levels.append("bad")
        heard = [node.last_seen_unix_ms for node, _ in found if node.last_seen_unix_ms is not None]
        return Status(
            unix_ms=context.states.now_unix_ms(), level=_worst(levels), version=self._version,
            parts=parts, last_heard_unix_ms=max(heard, default=None), nodes=_counts(found),
            worst=self._worst_node(found), sites=_sites(found), alarms=self._alarms(alarms))

    def _parts(self) -> dict[str, dict[str, str]]:
        counts, health = self._context.counts(), self._context.alarm_loop.health()["text"]
        names: tuple[str, ...] = ("broker", "store", "spool", "standby")
        parts = {name: {"state": counts[name]["state"]} for name in names if name in counts}
        parts |= {"failures": counts["failures"], "alarms": {"state": health}}
        return {name: {key: text[:MOST_CHARS] for key, text in part.items()}
                for name, part in parts.items()}

    def _worst_node(self, found: _States) -> NodeStatus | None:
        not_fine = [one for one in found if _group(one[1]) != "fine"]
        if not not_fine:
            return None
        node, state = min(not_fine, key=lambda one: (
            -LEVELS.index(one[1].level), natural_key(one[0].node)))
        return NodeStatus(
            node.node, self._title(node.node), node.site, _level(state),
            reason_to_send(state.cause), state.since_unix_ms)

    def _alarms(self, alarms: list[ActiveAlarm]) -> Alarms:
        first = sorted(alarms, key=by_severity)[:MOST_ALARMS]
        return Alarms(len(alarms), sum(one.alarm.is_unacknowledged for one in alarms), [
            AlarmStatus(
                one.rule.title[:MOST_CHARS], reason_to_send(one.reason), one.rule.priority,
                one.site, one.node, self._title(one.node), one.alarm.raised_unix_ms)
            for one in first])

    def _title(self, node: str) -> str:
        return self._context.titles.of(node) or node


def _level(state: NodeState) -> Level:
    level: Level = state.level  # type: ignore[assignment]
    return level


def _worst(levels: Iterable[Level]) -> Level:
    return max(levels, key=LEVELS.index, default="ok")


def _counts(found: _States) -> NodeCounts:
    counts = Counter(_group(state) for _, state in found)
    return NodeCounts(counts["no_contact"], counts["stopped"], counts["attention"], counts["fine"])


def _group(state: NodeState) -> str:
    if state.level not in ("warn", "bad"):  # as on the home page
        return "fine"
    if not state.is_in_contact:
        return "no_contact"
    return "stopped" if is_stopped(state) else "attention"


def _sites(found: _States) -> list[SiteStatus]:
    by_site: dict[str, list[Level]] = {}
    for node, state in found:
        by_site.setdefault(node.site, []).append(_level(state))
    sites = [SiteStatus(site, _worst(levels), len(levels), sum(
        level in ("warn", "bad") for level in levels)) for site, levels in by_site.items()]
    return sorted(sites, key=lambda one: (
        -LEVELS.index(one.level), -one.troubled, natural_key(one.site)))[:MOST_SITES]
