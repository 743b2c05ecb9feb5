"""Evaluates the condition of every rule against a snapshot. Pure.

A finding says whether the condition is present now; `state_machine` applies the delays. A limit
with a deadband depends on whether its alarm is active already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from idroserra.alarms import conditions_node
from idroserra.alarms.conditions_channel import CHANNEL_WATCHES, matching_channels
from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import CHANNEL, DOSER, HOST, NODE, SITE, Rule
from idroserra.alarms.snapshot import NodeSnapshot, Snapshot
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.foreign.readings import ForeignReading
from idroserra.foreign.subscription import PAUSED

# A host clock before 2026-11-01 is wrong: this software is newer.
WRITTEN_UNIX_MS = 1_793_491_200_000
LEAST_SILENT_NODES = 2

IsActive = Callable[[str], bool]
Host = tuple[str, bool | None, Reason | None]  # (name, is_present, reason)
Condition = Callable[[Rule, Snapshot, IsActive], Iterable[Host]]
Presence = tuple[bool | None, Reason | None]


def evaluate_rules(
    rules: Mapping[str, Rule], snapshot: Snapshot, is_active: IsActive, known: Collection[str]
) -> dict[str, tuple[Rule, Finding]]:
    """Return, by alarm key, each finding that is present or whose alarm is in `known`."""
    found: dict[str, tuple[Rule, Finding]] = {}
    known_rules = {key.partition("/")[0] for key in known}
    for name, rule in rules.items():
        for finding in _evaluate(rule, rules, snapshot, is_active):
            if finding.is_present or (name in known_rules and finding.key in known):
                found[finding.key] = (rule.of(finding.node), finding)
    return found


def _evaluate(
    rule: Rule, rules: Mapping[str, Rule], snapshot: Snapshot, is_active: IsActive
) -> Iterator[Finding]:
    if rule.watch == "rejected":
        yield from _rejected(rule, snapshot)
    elif rule.watch in HOST:
        for part, is_present, reason in _HOST_WATCHES[rule.watch](rule, snapshot, is_active):
            yield Finding(rule.name, snapshot.site, "", part, is_present, reason)
    elif rule.watch in SITE:
        yield from _site_silent(rule, rules, snapshot, is_active)
    elif rule.watch in NODE:
        needs_events = rule.watch not in conditions_node.NEEDS_NO_EVENTS
        watch = conditions_node.NODE_WATCHES[rule.watch]
        for node, own in _enabled(rule, snapshot):
            for finding in watch(own, snapshot, node, is_active):
                is_known = finding.is_present or node.is_past_read or not needs_events
                yield finding if is_known else finding._replace(is_present=None)
    elif rule.watch in DOSER:
        for node, own in _enabled(rule, snapshot):
            yield from conditions_node.bottle(own, node)
    elif rule.watch in CHANNEL:
        yield from _channels(rule, rules, snapshot, is_active)


def _channels(
    rule: Rule, rules: Mapping[str, Rule], snapshot: Snapshot, is_active: IsActive
) -> Iterator[Finding]:
    others = _quantities_of_others(rule, rules)
    check = CHANNEL_WATCHES[rule.watch]
    for node, own in _enabled(rule, snapshot):
        for channel in matching_channels(node.channels, rule.quantities, rule.source, others):
            yield check(own, snapshot, node, channel, is_active)


def _enabled(rule: Rule, snapshot: Snapshot) -> Iterator[tuple[NodeSnapshot, Rule]]:
    """Yield each node with its variant of the rule, unless the rule is off there."""
    for node in snapshot.nodes:
        own = rule.of(node.node)
        if own.enabled:
            yield node, own


def _quantities_of_others(rule: Rule, rules: Mapping[str, Rule]) -> frozenset[str]:
    """Return the quantities of other rules with this watch, for a rule that names none."""
    if rule.quantities:
        return frozenset()
    return frozenset(
        quantity for other in rules.values() if other.watch == rule.watch
        for quantity in other.quantities)


def _site_silent(
    rule: Rule, rules: Mapping[str, Rule], snapshot: Snapshot, is_active: IsActive
) -> Iterator[Finding]:
    silent_rule = next((r for r in rules.values() if r.watch == "silent"), None)
    if silent_rule is None:
        return
    sites: dict[str, list[bool | None]] = {}
    for node in snapshot.nodes:
        if node.last_seen_unix_ms is not None:
            [finding] = conditions_node.silent(
                silent_rule.of(node.node), snapshot, node, is_active)
            sites.setdefault(node.site, []).append(finding.is_present)
    for site, silent in sites.items():
        count, known = silent.count(True), len(silent) - silent.count(None)
        is_present = None if known == 0 else (
            count >= LEAST_SILENT_NODES and 100 * count >= (rule.limit or 0) * len(silent))
        reason = Reason("site_silent", count=count, of=len(silent), site=site)
        yield Finding(rule.name, site, "", f"@{site}", is_present, reason)


def _feed_down(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for feed, state in snapshot.feeds.items():
        is_down = state != "ok"
        yield feed, is_down, (Reason("feed_down", target=feed, detail=state) if is_down
                              else Reason("feed_works"))


def _standby_down(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    if snapshot.standby is not None:
        yield _down(snapshot.standby, "ok", "standby_down", "standby_follows")


def _taken_over(rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    if snapshot.taken_over is not None:
        unix_ms, age_ms = snapshot.taken_over
        is_recent = snapshot.now_unix_ms - unix_ms < (rule.window_s or 0) * 1_000
        yield "", is_recent, Reason("host_taken_over", age_ms=age_ms)


def _down(state: str, normal: str, down: str, works: str) -> Host:
    """Return the finding of a part of the host; a state other than `normal` is its error."""
    if state == normal:
        return "", False, Reason(works)
    return "", True, Reason(down, detail=state)


def _thread_failed(rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for name, (unix_ms, error) in snapshot.failures.items():
        is_recent = snapshot.now_unix_ms - unix_ms < (rule.window_s or 0) * 1_000
        yield name, is_recent, Reason("part_failed", task=name, detail=error)


def _disk_low(rule: Rule, snapshot: Snapshot, is_active: IsActive) -> Iterator[Host]:
    if snapshot.disk_free_mb is None:
        yield "", None, None
        return
    limit_mb = (rule.limit or 0) + (rule.deadband if is_active(rule.name) else 0)
    yield ("", snapshot.disk_free_mb < limit_mb,
           Reason("disk_free", free_mb=round(snapshot.disk_free_mb)))


def _rejected(rule: Rule, snapshot: Snapshot) -> Iterator[Finding]:
    """Messages of a node, or of no known one, were rejected within window_s."""
    for_ms = (rule.window_s or 0) * 1_000
    begins = snapshot.now_unix_ms - for_ms
    sites = {node.node: node.site for node in snapshot.nodes}
    for node, changes in snapshot.rejected.items():
        before = [count for unix_ms, count in changes if unix_ms < begins]
        grown = changes[-1][1] - (before[-1] if before else changes[0][1])
        yield Finding(rule.name, sites.get(node, snapshot.site), node, "",
                      grown >= (rule.limit or 0),
                      Reason("messages_rejected", count=grown, for_ms=for_ms))


def _host_clock(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    is_wrong = snapshot.now_unix_ms < WRITTEN_UNIX_MS
    yield "", is_wrong, Reason("clock_before_release") if is_wrong else None


def _undelivered(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for target, why in snapshot.undelivered.items():
        yield target, True, Reason("undelivered", target=target, why=why)


def _update_stopped(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for board_class, why in snapshot.updates_stopped.items():
        yield board_class, True, Reason("rollout_stopped", board_class=board_class, why=why)


def _foreign_leak(reading: ForeignReading, sensor: str) -> Presence:
    """A leak is over when the sensor says so; silence leaves it."""
    if reading.is_wet is None:
        return None, None
    code = "foreign_leak" if reading.is_wet else "foreign_dry"
    return reading.is_wet, Reason(code, sensor=sensor)


def _foreign_old(reading: ForeignReading, sensor: str) -> Presence:
    if reading.state == "waiting":  # after a start of the host
        return None, None
    if reading.state == "offline":
        return True, Reason("foreign_offline", sensor=sensor)
    if reading.state != "old":
        return False, Reason("foreign_fresh", sensor=sensor)
    code = "foreign_old" if reading.has_value else "foreign_silent"
    return True, Reason(code, sensor=sensor, age_ms=reading.age_ms)


def _foreign_implausible(reading: ForeignReading, sensor: str) -> Presence:
    if reading.refused is None:
        return (False if reading.state == "ok" else None), None
    channel = reading.adopted.channel
    quantity = protocol.split_channel(channel)[1]
    return True, Reason("foreign_implausible", sensor=sensor, channel=channel,
                        scaled=protocol.to_scaled(quantity, reading.refused))


def _foreign_down(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    problem = snapshot.foreign_problem
    if not problem:
        yield "", False, Reason("foreign_received")
    elif problem == PAUSED:
        yield "", True, Reason("foreign_paused")
    else:
        yield "", True, Reason("foreign_down", detail=problem)


def _foreign(evaluate: Callable[[ForeignReading, str], Presence]) -> Condition:
    """Return a watch of the host, on which no state of a node depends: one finding for each
    adopted reading."""
    def check(_rule: Rule, snapshot: Snapshot, _is_active: IsActive) -> Iterator[Host]:
        for reading in snapshot.foreign:
            adopted = reading.adopted
            sensor = f"{adopted.name} ({adopted.place})" if adopted.place else adopted.name
            yield (adopted.name, *evaluate(reading, sensor))

    return check


_HOST_WATCHES: dict[str, Condition] = {
    "broker_down": lambda _rule, snapshot, _is_active: [
        _down(snapshot.broker, "connected", "broker_down", "broker_works")],
    "store_down": lambda _rule, snapshot, _is_active: [
        _down(snapshot.store, "ok", "database_down", "database_works")],
    "spool_down": lambda _rule, snapshot, _is_active: [
        _down(snapshot.spool, "ok", "spool_down", "spool_works")],
    "standby_down": _standby_down, "taken_over": _taken_over,
    "feed_down": _feed_down, "thread_failed": _thread_failed, "disk_low": _disk_low,
    "host_clock": _host_clock, "undelivered": _undelivered, "update_stopped": _update_stopped,
    "foreign_leak": _foreign(_foreign_leak), "foreign_old": _foreign(_foreign_old),
    "foreign_implausible": _foreign(_foreign_implausible), "foreign_down": _foreign_down,
}
