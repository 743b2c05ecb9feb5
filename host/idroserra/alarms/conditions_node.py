"""Conditions of one node: silence, latch, water, restarts, clock, buses, bottles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import NodeSnapshot, Snapshot
from idroserra.i18n.channels import display_of, duration_text, plain_name
from idroserra.i18n.events import event_text, reason_text
from idroserra.nodes.calibration_age import day_of

IsActive = Callable[[str], bool]
Watch = Callable[[Rule, Snapshot, NodeSnapshot, IsActive], Iterator[Finding]]
# Watches that do not depend on earlier events.
NEEDS_NO_EVENTS = ("silent", "clock_off", "settings_refused", "recipe_held", "bus_dead",
                   "calibration", "update_failed")
# Faults of a sensor that does not answer; other faults concern the single sensor.
_DEAD = ("no_ack", "timeout", "crc", "power_on_value")


def _found(
    rule: Rule, node: NodeSnapshot, is_present: bool | None, text: str, part: str = "",
    covers: frozenset[str] = frozenset(),
) -> Finding:
    return Finding(rule.name, node.site, node.node, part, is_present, text, covers)


def silent(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, is_active: IsActive
) -> Iterator[Finding]:
    """No message for `limit` seconds, or a last will. Only a message ends an active alarm."""
    limit_ms = round((rule.limit or 0) * 1_000)
    seen, since = node.last_seen_unix_ms, snapshot.since_unix_ms
    if seen is None:
        yield _found(rule, node, False, "No message yet.")
        return
    age_ms = max(0, snapshot.now_unix_ms - seen)
    text = f"Last heard {duration_text(age_ms)} ago."
    if age_ms <= limit_ms:  # the last will is immediate; the on-delay allows for a reconnect
        yield _found(rule, node, not node.is_online, text)
        return
    if since is None:  # the host receives nothing: silence is no evidence
        yield _found(rule, node, True, text)
        return
    has_waited = snapshot.now_unix_ms - since > limit_ms
    was_active = is_active(Finding(rule.name, node.site, node.node, "", None, "").key)
    yield _found(rule, node, True if has_waited or was_active else None, text)


def _latched(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    events = [node.events[kind] for kind in ("latched", "resumed") if kind in node.events]
    newest = max(events, key=lambda event: event.unix_ms, default=None)
    if newest is None or newest.kind == "resumed":
        yield _found(rule, node, False, "Dosing is not locked.")
        return
    reason = reason_text(newest.detail.get("reason")) or "the node gives no reason"
    yield _found(rule, node, True, f"Why: {reason}.")


def _water(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    event = node.events.get("water")
    if event is None:
        yield _found(rule, node, False, "The water level is normal.")
        return
    yield _found(rule, node, event.detail.get("state") == rule.state,
                 event_text("water", event.detail))


def _calibration(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """The pH probe was calibrated more than `limit` days ago; never calibrated is not an alarm."""
    day = int(node.settings.get("ph.calibrated_day", 0))
    if not day or "reservoir.ph" not in node.channels:
        yield _found(rule, node, False, "No pH calibration is known.")
        return
    days = day_of(snapshot.now_unix_ms) - day
    yield _found(rule, node, days > (rule.limit or 0), f"It was calibrated {days} days ago.")

def _began(kind: str, normal_text: str) -> Watch:
    """An event of this kind reports only the start; the node's next boot ends the condition."""

    def check(
        rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        event = node.events.get(kind)
        started = max(node.boots_unix_ms, default=0)
        if event is None or event.detail.get("state") != "began" or event.unix_ms < started:
            yield _found(rule, node, False, normal_text)
        else:
            yield _found(rule, node, True, event_text(kind, event.detail))

    return check


def _reset_loop(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    window_ms = (rule.window_s or 0) * 1_000
    count = sum(snapshot.now_unix_ms - unix_ms < window_ms for unix_ms in node.boots_unix_ms)
    text = f"{count} starts within {duration_text(window_ms)}."
    if "boot" in node.events:
        text += f" {event_text('boot', node.events['boot'].detail)}"
    yield _found(rule, node, count >= (rule.limit or 0), text)


def _recent(kind: str) -> Watch:
    def check(
        rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        event = node.events.get(kind)
        window_ms = (rule.window_s or 0) * 1_000
        is_recent = event is not None and snapshot.now_unix_ms - event.unix_ms < window_ms
        text = "" if event is None else event_text(kind, event.detail)
        yield _found(rule, node, is_recent, text)

    return check


def _clock_off(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, is_active: IsActive
) -> Iterator[Finding]:
    off_ms = node.clock_off_ms
    if off_ms is None:
        yield _found(rule, node, None, "Not known yet.")
        return
    key = Finding(rule.name, node.site, node.node, "", None, "").key
    limit_ms = 1_000 * ((rule.limit or 0) - (rule.deadband if is_active(key) else 0))
    side = "ahead of" if off_ms > 0 else "behind"
    text = f"The host's clock is {duration_text(abs(off_ms))} {side} this node's time."
    yield _found(rule, node, abs(off_ms) > limit_ms, text)


def _settings_refused(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    text = f"The node reports: {node.settings_error}."
    yield _found(rule, node, bool(node.settings_error), text)


def _recipe_held(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    yield _found(rule, node, node.recipe_held is not None, f"Why: {node.recipe_held}.")


def _update_failed(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    yield _found(rule, node, node.update_failed is not None, f"Why: {node.update_failed}.")


def _bus_dead(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """At least two channels of a bus report, and all that report have failed to answer.

    The widest such bus is the finding; a bus within it is not a second alarm."""
    explained: frozenset[str] = frozenset()
    for group in node.groups:
        readings = [node.readings[c] for c in sorted(group.channels) if c in node.readings]
        fresh = [r for r in readings if snapshot.now_unix_ms - r.unix_ms <= node.stale_after_ms]
        labels = ", ".join(display_of(c).label for c in sorted(group.channels))
        dead = [r for r in fresh if r.fault in _DEAD]
        is_dead = len(fresh) >= 2 and len(dead) == len(fresh)
        is_present = None if not fresh else is_dead and not group.channels <= explained
        yield _found(rule, node, is_present, f"{group.name}: {labels} do not answer.",
                     group.name, group.channels)
        if is_dead:
            explained |= group.channels


def bottle(rule: Rule, node: NodeSnapshot) -> Iterator[Finding]:
    """Less than `limit` % is left in a bottle, from the volume dosed since it was filled."""
    for doser, left_pct in node.left_pct.items():
        name = plain_name(doser)
        yield _found(rule, node, left_pct < (rule.limit or 0),
                     f"{name}: {max(0.0, left_pct):.0f} % left.", doser)


NODE_WATCHES: dict[str, Watch] = {
    "silent": silent, "latched": _latched, "water": _water, "reset_loop": _reset_loop,
    "flash_failed": _recent("flash_failed"), "thinned": _recent("gap"), "clock_off": _clock_off,
    "settings_refused": _settings_refused, "recipe_held": _recipe_held,
    "update_failed": _update_failed, "bus_dead": _bus_dead, "calibration": _calibration,
    "irrigation_no_flow": _began("irrigation_no_flow", "Water flows to the roots."),
    "irrigation_stuck_on": _began("irrigation_stuck_on", "The pump is off and nothing flows."),
    "air_too_hot": _began("air_too_hot", "The air is not too hot."),
    "air_warms": _began("air_warms", "The air does not warm by itself."),
}
