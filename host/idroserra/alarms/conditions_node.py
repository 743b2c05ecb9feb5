"""Conditions of one node: silence, latch, water, restarts, clock, buses, bottles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import NodeSnapshot, Snapshot
from idroserra.core.protocol import Detail, int_of
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.node_state.calibration_age import day_of
from idroserra.nodes.states import water_reason

IsActive = Callable[[str], bool]
Watch = Callable[[Rule, Snapshot, NodeSnapshot, IsActive], Iterator[Finding]]
# Watches that do not depend on earlier events.
NEEDS_NO_EVENTS = ("silent", "clock_off", "settings_refused", "recipe_held", "bus_dead",
                   "calibration", "update_failed", "micropython", "psram", "cpu")
# A message may be later than the snapshot by this much, as after a small correction of the clock.
_AHEAD_MS = 20_000
# Faults of a sensor that does not answer; other faults concern the single sensor.
_DEAD = ("no_ack", "timeout", "crc", "power_on_value")


def _found(
    rule: Rule, node: NodeSnapshot, is_present: bool | None, reason: Reason | None,
    part: str = "", covers: frozenset[str] = frozenset(),
) -> Finding:
    return Finding(rule.name, node.site, node.node, part, is_present, reason, covers)


def silent(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, is_active: IsActive
) -> Iterator[Finding]:
    """No message for `limit` seconds, or a last will. Only a message ends an active alarm."""
    limit_ms = round((rule.limit or 0) * 1_000)
    seen, since = node.last_seen_unix_ms, snapshot.since_unix_ms
    if seen is None:
        yield _found(rule, node, False, Reason("never_heard"))
        return
    was_active = is_active(Finding(rule.name, node.site, node.node, "", None, None).key)
    is_certain = True
    if since is not None and not since <= seen <= snapshot.now_unix_ms + _AHEAD_MS:
        # Heard before messages began to arrive, or before the clock was set back.
        seen, is_certain = min(seen, since), not was_active
    age_ms = max(0, snapshot.now_unix_ms - seen)
    reason = Reason("last_heard", age_ms=age_ms)
    if age_ms <= limit_ms and is_certain:
        # The last will is immediate; the on-delay allows for a reconnect.
        yield _found(rule, node, not node.is_online, reason)
        return
    if since is None:  # the host receives nothing: silence is no evidence
        yield _found(rule, node, True, reason)
        return
    has_waited = snapshot.now_unix_ms - since > limit_ms
    yield _found(rule, node, True if has_waited or was_active else None, reason)


def _latched(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    events = [node.events[kind] for kind in ("latched", "resumed") if kind in node.events]
    newest = max(events, key=lambda event: event.unix_ms, default=None)
    if newest is None or newest.kind == "resumed":
        yield _found(rule, node, False, Reason("dosing_free"))
        return
    yield _found(rule, node, True, _own(newest.detail))


def _water(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    detail = _of_this_boot(node, "water")
    yield _found(rule, node, detail.get("state") == rule.state,
                 water_reason(detail) or Reason("water_normal"))


def _calibration(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """The pH probe was calibrated more than `limit` days ago; never calibrated is not an alarm."""
    day = int(node.settings.get("ph.calibrated_day", 0))
    if not day or "reservoir.ph" not in node.channels:
        yield _found(rule, node, False, Reason("calibration_unknown"))
        return
    days = day_of(snapshot.now_unix_ms) - day
    yield _found(rule, node, days > (rule.limit or 0), Reason("ph_calibration_old", days=days))


def _of_this_boot(node: NodeSnapshot, kind: str) -> Detail:
    """Return the detail of the newest event of a kind, {} if the node has started since.

    A node forgets at a start what it watched, and reports no end of it."""
    event, boot = node.events.get(kind), node.events.get("boot")
    if event is None or (boot is not None and event.unix_us < boot.unix_us):
        return {}
    return event.detail


def _began(kind: str, normal: str, reason_of: Callable[[Detail], Reason]) -> Watch:
    """An event of this kind reports the start and the end of the condition."""

    def check(
        rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        detail = _of_this_boot(node, kind)
        is_present = detail.get("state") == "began"
        yield _found(rule, node, is_present, reason_of(detail) if is_present else Reason(normal))

    return check


def _own(detail: Detail) -> Reason:
    """Return the reason that the node gives."""
    return reason_from_json(detail.get("reason")) or Reason("no_reason")


def _reset_loop(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    window_ms = (rule.window_s or 0) * 1_000
    count = sum(snapshot.now_unix_ms - unix_ms < window_ms for unix_ms in node.boots_unix_ms)
    boot = node.events.get("boot")
    yield _found(rule, node, count >= (rule.limit or 0),
                 _restarts(count, window_ms, None if boot is None else boot.detail))


def _restarts(count: int, for_ms: int, boot: Detail | None) -> Reason:
    """Return the reason of a number of starts; `boot`: the detail of the last one, if known."""
    if boot is None:
        return Reason("restarts", count=count, for_ms=for_ms)
    reset, error = str(boot.get("reset") or ""), str(boot.get("last_error") or "")
    if not error:
        return Reason("restarts_after", count=count, for_ms=for_ms, reset=reset)
    return Reason("restarts_error", count=count, for_ms=for_ms, reset=reset, detail=error)


def _recent(kind: str, reason_of: Callable[[Detail], Reason]) -> Watch:
    def check(
        rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        event = node.events.get(kind)
        window_ms = (rule.window_s or 0) * 1_000
        is_recent = event is not None and snapshot.now_unix_ms - event.unix_ms < window_ms
        yield _found(rule, node, is_recent, None if event is None else reason_of(event.detail))

    return check


def _flash_failed(detail: Detail) -> Reason:
    return Reason("node_flash_failed", part=str(detail.get("part", "files")),
                  detail=str(detail.get("error", "")))


def _clock_off(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, is_active: IsActive
) -> Iterator[Finding]:
    off_ms = node.clock_off_ms
    if off_ms is None:
        yield _found(rule, node, None, None)
        return
    key = Finding(rule.name, node.site, node.node, "", None, None).key
    limit_ms = 1_000 * ((rule.limit or 0) - (rule.deadband if is_active(key) else 0))
    reason = Reason("clock_ahead" if off_ms > 0 else "clock_behind", off_ms=abs(off_ms))
    yield _found(rule, node, abs(off_ms) > limit_ms, reason)


def _has(reason_of: Callable[[NodeSnapshot], Reason | None]) -> Watch:
    """The node has this reason, which is None without the condition."""

    def check(
        rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        reason = reason_of(node)
        yield _found(rule, node, reason is not None, reason)

    return check


def _system(part: str) -> Watch:
    """A part that the node does not report has no problem."""

    def check(
        rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        if node.system_problems is None:
            yield _found(rule, node, None, None)
            return
        problem = node.system_problems.get(part)
        is_known = part in node.system_problems
        normal = Reason("system_supported") if is_known else None
        yield _found(rule, node, problem is not None, problem or normal)

    return check


def _bus_dead(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """At least two channels of a bus report, and all that report have failed to answer.

    The widest such bus is the finding; a bus within it is not a second alarm."""
    explained: frozenset[str] = frozenset()
    for group in node.groups:
        readings = [node.readings[c] for c in sorted(group.channels) if c in node.readings]
        fresh = [r for r in readings if snapshot.now_unix_ms - r.unix_ms <= node.stale_after_ms]
        dead = [r for r in fresh if r.fault in _DEAD]
        is_dead = len(fresh) >= 2 and len(dead) == len(fresh)
        is_present = None if not fresh else is_dead and not group.channels <= explained
        reason = Reason("bus_silent", bus=group.bus, channels=" ".join(sorted(group.channels)))
        yield _found(rule, node, is_present, reason, group.name, group.channels)
        if is_dead:
            explained |= group.channels


def bottle(rule: Rule, node: NodeSnapshot) -> Iterator[Finding]:
    """Less than `limit` % is left in a bottle, from the volume dosed since it was filled.

    None until the doses are counted: the store may not answer at the start of the host."""
    for doser, left_pct in node.left_pct.items():
        if left_pct is None:
            yield _found(rule, node, None, None, doser)
            continue
        reason = Reason("bottle_left", actuator=doser, left_pct=round(max(0.0, left_pct)))
        yield _found(rule, node, left_pct < (rule.limit or 0), reason, doser)


NODE_WATCHES: dict[str, Watch] = {
    "silent": silent, "latched": _latched, "water": _water, "reset_loop": _reset_loop,
    "flash_failed": _recent("flash_failed", _flash_failed),
    "thinned": _recent("gap", lambda detail: Reason(
        "readings_thinned", count=int_of(detail, "count"))),
    "clock_off": _clock_off, "settings_refused": _has(lambda node: node.settings_error),
    "recipe_held": _has(lambda node: node.recipe_held),
    "update_failed": _has(lambda node: node.update_failed),
    "bus_dead": _bus_dead, "calibration": _calibration,
    **{part: _system(part) for part in ("micropython", "psram", "cpu")},
    "irrigation_no_flow": _began("irrigation_no_flow", "flow_normal", lambda detail: Reason(
        "pump_without_flow", on_ms=int_of(detail, "on_ms"))),
    "irrigation_stuck_on": _began("irrigation_stuck_on", "pump_off", lambda detail: Reason(
        "flow_with_pump_off", flow_ml_per_min=int_of(detail, "flow_ml_per_min"))),
    "air_too_hot": _began("air_too_hot", "air_not_hot", _own),
    "air_warms": _began("air_warms", "air_steady", _own),
}
