"""What rules look for on one node: silence, locks, water, restarts, clock, buses, bottles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import NodeSnapshot, Snapshot
from idroserra.i18n.channels import display_of, duration_text, plain_name
from idroserra.i18n.events import event_text, reason_text
from idroserra.nodes.calibration_age import day_of

IsActive = Callable[[str], bool]
# Watches that need nothing the node told earlier.
SEEN_NOW = ("silent", "clock_off", "settings_refused", "recipe_held", "bus_dead",
            "calibration", "update_failed")
# Faults of a sensor that does not answer at all; others say something of the one sensor.
_DEAD = ("no_ack", "timeout", "crc", "power_on_value")


def _found(
    rule: Rule, node: NodeSnapshot, is_present: bool | None, text: str, part: str = "",
    covers: frozenset[str] = frozenset(),
) -> Finding:
    return Finding(rule.name, node.site, node.node, part, is_present, text, covers)


def silent(
    rule: Rule, facts: Snapshot, node: NodeSnapshot, is_active: IsActive
) -> Iterator[Finding]:
    """No message for `limit` seconds, or its last will. One that stands ends with a message."""
    limit_ms = round((rule.limit or 0) * 1_000)
    seen, since = node.last_seen_unix_ms, facts.since_unix_ms
    if seen is None:
        yield _found(rule, node, False, "Never heard of yet.")
        return
    age_ms = max(0, facts.now_unix_ms - seen)
    text = f"Last heard {duration_text(age_ms)} ago."
    if age_ms <= limit_ms:  # its last will comes at once; the delay waits for a reconnect
        yield _found(rule, node, not node.is_online, text)
        return
    if since is None:  # nothing can arrive: its silence says nothing new
        yield _found(rule, node, True, text)
        return
    has_waited = facts.now_unix_ms - since > limit_ms
    stands = is_active(Finding(rule.name, node.site, node.node, "", None, "").key)
    yield _found(rule, node, True if has_waited or stands else None, text)


def _latched(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    held = [node.events[kind] for kind in ("latched", "resumed") if kind in node.events]
    newest = max(held, key=lambda told: told.unix_ms, default=None)
    if newest is None or newest.kind == "resumed":
        yield _found(rule, node, False, "Dosing is not locked.")
        return
    reason = reason_text(newest.detail.get("reason")) or "the node gives no reason"
    yield _found(rule, node, True, f"Why: {reason}.")


def _water(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    told = node.events.get("water")
    if told is None:
        yield _found(rule, node, False, "The water stands as it should.")
        return
    yield _found(rule, node, told.detail.get("state") == rule.state,
                 event_text("water", told.detail))


def _calibration(
    rule: Rule, facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """The pH probe was calibrated more than `limit` days ago; one that never was is no alarm."""
    day = int(node.settings.get("ph.calibrated_day", 0))
    if not day or "reservoir.ph" not in node.channels:
        yield _found(rule, node, False, "No calibration of pH is known.")
        return
    days = day_of(facts.now_unix_ms) - day
    yield _found(rule, node, days > (rule.limit or 0), f"It was calibrated {days} days ago.")


Watch = Callable[[Rule, Snapshot, NodeSnapshot, IsActive], Iterator[Finding]]


def _began(kind: str, well: str) -> Watch:
    """An event of this kind says that it began, and none that it ended; a start forgets it."""

    def look(
        rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        told = node.events.get(kind)
        started = max(node.boots_unix_ms, default=0)
        if told is None or told.detail.get("state") != "began" or told.unix_ms < started:
            yield _found(rule, node, False, well)
        else:
            yield _found(rule, node, True, event_text(kind, told.detail))

    return look


def _reset_loop(
    rule: Rule, facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    window_ms = (rule.window_s or 0) * 1_000
    count = sum(facts.now_unix_ms - unix_ms < window_ms for unix_ms in node.boots_unix_ms)
    text = f"{count} starts within {duration_text(window_ms)}."
    if "boot" in node.events:
        text += f" {event_text('boot', node.events['boot'].detail)}"
    yield _found(rule, node, count >= (rule.limit or 0), text)


def _recent(kind: str) -> Callable[[Rule, Snapshot, NodeSnapshot, IsActive], Iterator[Finding]]:
    def look(
        rule: Rule, facts: Snapshot, node: NodeSnapshot, _active: IsActive
    ) -> Iterator[Finding]:
        told = node.events.get(kind)
        window_ms = (rule.window_s or 0) * 1_000
        is_recent = told is not None and facts.now_unix_ms - told.unix_ms < window_ms
        text = event_text(kind, told.detail) if told is not None else ""
        yield _found(rule, node, is_recent, text)

    return look


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
    yield _found(rule, node, bool(node.settings_error), f"It says: {node.settings_error}.")


def _recipe_held(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    yield _found(rule, node, node.recipe_held is not None, f"Why: {node.recipe_held}.")


def _update_failed(
    rule: Rule, _facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    yield _found(rule, node, node.update_failed is not None, f"Why: {node.update_failed}.")


def _bus_dead(
    rule: Rule, facts: Snapshot, node: NodeSnapshot, _active: IsActive
) -> Iterator[Finding]:
    """Two channels or more of a bus, and every one of those that report, do not answer.

    The widest such bus is the one; what hangs on it is no second alarm."""
    explained: frozenset[str] = frozenset()
    for group in node.groups:
        readings = [node.readings[c] for c in sorted(group.channels) if c in node.readings]
        fresh = [r for r in readings if facts.now_unix_ms - r.unix_ms <= node.stale_after_ms]
        labels = ", ".join(display_of(c).label for c in sorted(group.channels))
        dead = [r for r in fresh if r.fault in _DEAD]
        is_dead = len(fresh) >= 2 and len(dead) == len(fresh)
        is_present = None if not fresh else is_dead and not group.channels <= explained
        yield _found(rule, node, is_present, f"{group.name}: {labels} do not answer.",
                     group.name, group.channels)
        if is_dead:
            explained |= group.channels


def bottle(rule: Rule, node: NodeSnapshot) -> Iterator[Finding]:
    """Less than `limit` % of a bottle is left, by what was dosed since it was filled."""
    for doser, left_pct in node.left_pct.items():
        name = plain_name(doser)
        yield _found(rule, node, left_pct < (rule.limit or 0),
                     f"{name}: {max(0.0, left_pct):.0f} % left.", doser)


NODE_WATCHES: dict[str, Callable[[Rule, Snapshot, NodeSnapshot, IsActive], Iterator[Finding]]] = {
    "silent": silent, "latched": _latched, "water": _water, "reset_loop": _reset_loop,
    "flash_failed": _recent("flash_failed"), "thinned": _recent("gap"), "clock_off": _clock_off,
    "settings_refused": _settings_refused, "recipe_held": _recipe_held,
    "update_failed": _update_failed,
    "bus_dead": _bus_dead, "calibration": _calibration,
    "irrigation_no_flow": _began("irrigation_no_flow", "Water flows to the roots."),
    "irrigation_stuck_on": _began("irrigation_stuck_on", "The pump off, nothing flows."),
    "air_too_hot": _began("air_too_hot", "The air is not too hot."),
    "air_warms": _began("air_warms", "The air does not warm by itself."),
}
