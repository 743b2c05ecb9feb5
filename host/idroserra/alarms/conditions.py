"""What each `watch` of a rule looks for. Pure: a picture in, findings out, nothing remembered.

A finding says whether it is so now; delays and states are `machine`. A limit with a deadband looks
at whether the alarm stands already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from idroserra.alarms import conditions_node
from idroserra.alarms.conditions_channel import CHANNEL_WATCHES, setpoint_of
from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import CHANNEL, DOSER, HOST, NODE, SITE, Rule
from idroserra.alarms.snapshot import Snapshot
from idroserra.i18n.channels import duration_text

# No clock of a host that runs this can be before this software was written: 2026-11-01.
WRITTEN_UNIX_MS = 1_793_491_200_000
LEAST_SILENT_NODES = 2

IsActive = Callable[[str], bool]
Host = tuple[str, bool | None, str]


def judged(
    rules: Mapping[str, Rule], facts: Snapshot, is_active: IsActive, standing: Collection[str]
) -> dict[str, tuple[Rule, Finding]]:
    """Return what every rule found that is so, or whose alarm stands, by the alarm's key."""
    found: dict[str, tuple[Rule, Finding]] = {}
    stand = {key.partition("/")[0] for key in standing}
    for name, rule in rules.items():
        for finding in _judge(rule, rules, facts, is_active):
            if finding.is_present or (name in stand and finding.key in standing):
                found[finding.key] = (rule, finding)
    return found


def _judge(
    rule: Rule, rules: Mapping[str, Rule], facts: Snapshot, is_active: IsActive
) -> Iterator[Finding]:
    if rule.watch in HOST:
        for part, is_present, text in _HOST_WATCHES[rule.watch](rule, facts, is_active):
            yield Finding(rule.name, facts.site, "", part, is_present, text)
    elif rule.watch in SITE:
        yield from _site_silent(rule, rules, facts, is_active)
    elif rule.watch in NODE:
        is_told = rule.watch not in conditions_node.SEEN_NOW
        for node in facts.nodes:
            for finding in conditions_node.NODE_WATCHES[rule.watch](rule, facts, node, is_active):
                is_known = finding.is_present or node.is_past_read or not is_told
                yield finding if is_known else Finding(*finding[:4], None, *finding[5:])
    elif rule.watch in DOSER:
        for node in facts.nodes:
            yield from conditions_node.bottle(rule, node)
    elif rule.watch in CHANNEL:
        others = _named_elsewhere(rule, rules)
        look = CHANNEL_WATCHES[rule.watch]
        for node in facts.nodes:
            for channel in setpoint_of(node.channels, rule.quantities, rule.source, others):
                yield look(rule, facts, node, channel, is_active)


def _named_elsewhere(rule: Rule, rules: Mapping[str, Rule]) -> frozenset[str]:
    """The quantities that other rules of the same watch name: one without a list leaves them."""
    if rule.quantities:
        return frozenset()
    return frozenset(
        quantity for other in rules.values() if other.watch == rule.watch
        for quantity in other.quantities)


def _site_silent(
    rule: Rule, rules: Mapping[str, Rule], facts: Snapshot, is_active: IsActive
) -> Iterator[Finding]:
    silent_rule = next((r for r in rules.values() if r.watch == "silent"), None)
    if silent_rule is None:
        return
    sites: dict[str, list[bool | None]] = {}
    for node in facts.nodes:
        if node.last_seen_unix_ms is not None:
            [finding] = conditions_node.silent(silent_rule, facts, node, is_active)
            sites.setdefault(node.site, []).append(finding.is_present)
    for site, silent in sites.items():
        count, known = silent.count(True), len(silent) - silent.count(None)
        is_present = None if known == 0 else (
            count >= LEAST_SILENT_NODES and 100 * count >= (rule.limit or 0) * len(silent))
        text = f"{count} of {len(silent)} nodes of {site} are silent."
        yield Finding(rule.name, site, "", f"@{site}", is_present, text)


def _broker_down(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    yield "", facts.broker != "connected", f"The broker: {facts.broker}."


def _store_down(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    yield "", facts.store != "ok", f"The database: {facts.store}."


def _spool_down(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    yield "", facts.spool != "ok", f"The queue on the host's disk: {facts.spool}."


def _thread_failed(rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for name, (unix_ms, error) in facts.failures.items():
        is_recent = facts.now_unix_ms - unix_ms < (rule.window_s or 0) * 1_000
        yield name, is_recent, f"The {name} failed: {error}"


def _disk_low(rule: Rule, facts: Snapshot, is_active: IsActive) -> Iterator[Host]:
    if facts.disk_free_mb is None:
        yield "", None, "The host's disk cannot be read."
        return
    limit_mb = (rule.limit or 0) + (rule.deadband if is_active(rule.name) else 0)
    yield "", facts.disk_free_mb < limit_mb, f"{facts.disk_free_mb:.0f} MB are free."


def _rejected(rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    begins = facts.now_unix_ms - (rule.window_s or 0) * 1_000
    counts = [count for unix_ms, count in facts.rejected if unix_ms >= begins]
    grown = counts[-1] - counts[0] if counts else 0
    yield ("", grown >= (rule.limit or 0),
           f"{grown} within {duration_text((rule.window_s or 0) * 1_000)}.")


def _host_clock(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    yield "", facts.now_unix_ms < WRITTEN_UNIX_MS, "It is set before this software was written."


def _undelivered(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for target, why in facts.undelivered.items():
        yield target, True, f"To {target}: {why}"


def _update_stopped(_rule: Rule, facts: Snapshot, _is_active: IsActive) -> Iterator[Host]:
    for board_class, why in facts.updates_stopped.items():
        yield board_class, True, f"Of {board_class}: {why}."


_HOST_WATCHES: dict[str, Callable[[Rule, Snapshot, IsActive], Iterable[Host]]] = {
    "broker_down": _broker_down, "store_down": _store_down, "spool_down": _spool_down,
    "thread_failed": _thread_failed, "disk_low": _disk_low, "rejected": _rejected,
    "host_clock": _host_clock, "undelivered": _undelivered, "update_stopped": _update_stopped,
}
