"""Conditions of one channel: stale, faulty, beyond a limit, outside the control band.

Only a fresh reading is compared with a limit. Without one the result is None and the alarm keeps
its state: the missing reading raises its own alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from idroserra.alarms.finding import Finding
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import NodeSnapshot, Reading, Snapshot
from idroserra.core import protocol
from idroserra.core.reasons import Reason

IsActive = Callable[[str], bool]
Watch = Callable[[Rule, Snapshot, NodeSnapshot, str, IsActive], Finding]


@lru_cache(maxsize=4_096)
def matching_channels(
    channels: tuple[str, ...], quantities: tuple[str, ...], source: str | None,
    others: frozenset[str],
) -> tuple[str, ...]:
    """Return the channels a rule applies to: of its quantities, or of all but `others`."""
    found = []
    for channel in channels:
        its_source, quantity = protocol.split_channel(channel)
        is_listed = quantity.key in quantities if quantities else quantity.key not in others
        if is_listed and source in (None, its_source):
            found.append(channel)
    return tuple(found)


def _fresh(snapshot: Snapshot, node: NodeSnapshot, channel: str) -> Reading | None:
    reading = node.readings.get(channel)
    if reading is None or snapshot.now_unix_ms - reading.unix_ms > node.stale_after_ms:
        return None
    return reading


def _stale(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, channel: str, _is_active: IsActive
) -> Finding:
    """No reading for the staleness period, counted from the contact too: a node that comes back
    sends stored readings before new ones. None meanwhile if the reading was old before."""
    reading, contact = node.readings.get(channel), node.contact_since_unix_ms
    is_renewing = contact is not None and snapshot.now_unix_ms - contact <= node.stale_after_ms
    reason: Reason | None
    if reading is None:  # none since the host started: allow one staleness period
        is_waiting = (snapshot.since_unix_ms is None
                      or snapshot.now_unix_ms - snapshot.since_unix_ms <= node.stale_after_ms)
        is_present = None if is_waiting or node.last_seen_unix_ms is None else True
        reason = Reason("no_reading", channel=channel)
    else:
        age_ms = max(0, snapshot.now_unix_ms - reading.unix_ms)
        is_old = age_ms > node.stale_after_ms
        was_old = (node.settled_unix_ms or 0) - reading.unix_ms > node.stale_after_ms
        is_present = None if is_old and is_renewing and was_old else is_old and not is_renewing
        reason = (Reason("reading_old", channel=channel, age_ms=age_ms) if is_present
                  else _normal(channel) if is_present is False else None)
    return Finding(rule.name, node.site, node.node, channel, is_present, reason)


def _fault(
    rule: Rule, snapshot: Snapshot, node: NodeSnapshot, channel: str, _is_active: IsActive
) -> Finding:
    reading = _fresh(snapshot, node, channel)
    covered = _covered_channels(node, channel)
    if reading is None:
        return Finding(rule.name, node.site, node.node, channel, None, None, covered)
    reason = _normal(channel) if reading.fault is None else Reason(
        "channel_fault", channel=channel, fault=reading.fault)
    return Finding(rule.name, node.site, node.node, channel, reading.fault is not None, reason,
                   covered)


@lru_cache(maxsize=4_096)
def _normal(channel: str) -> Reason:
    return Reason("reading_normal", channel=channel)


def _covered_channels(node: NodeSnapshot, channel: str) -> frozenset[str]:
    """Return the channels whose faults this one explains: itself, and those compensated by it."""
    source, quantity = protocol.split_channel(channel)
    if quantity.key != "temp_c":
        return frozenset({channel})
    return frozenset({channel} | {
        other for other, reading in node.readings.items()
        if reading.fault == "no_temperature" and protocol.split_channel(other)[0] == source})


def _beyond(side: str, edge_of: Callable[[str, Mapping[str, Any]], float | None]) -> Watch:
    sign = 1 if side == "above" else -1

    def check(
        rule: Rule, snapshot: Snapshot, node: NodeSnapshot, channel: str, is_active: IsActive
    ) -> Finding:
        reading = _fresh(snapshot, node, channel)
        edge = edge_of(channel, node.settings)
        if reading is None or reading.value is None or edge is None:
            return Finding(rule.name, node.site, node.node, channel, None, None)
        limit = edge + sign * (rule.limit or 0)
        inside = Finding(rule.name, node.site, node.node, channel, False, _normal(channel))
        threshold = limit - sign * rule.deadband if is_active(inside.key) else limit
        if sign * (reading.value - threshold) <= 0:
            return inside
        quantity = protocol.split_channel(channel)[1]
        return inside._replace(is_present=True, reason=Reason(
            f"reading_{side}", channel=channel, scaled=protocol.to_scaled(quantity, reading.value),
            limit_scaled=protocol.to_scaled(quantity, limit)))

    return check


def _zero(_channel: str, _settings: Mapping[str, Any]) -> float | None:
    return 0.0


def _edge(sign: int) -> Callable[[str, Mapping[str, Any]], float | None]:
    """Return a function for the node's own band edge: upper for sign 1, lower for -1, or None."""

    def edge_of(channel: str, settings: Mapping[str, Any]) -> float | None:
        quantity = protocol.split_channel(channel)[1].key
        if quantity == "level_mm":
            found = settings.get("level.full_mm" if sign > 0 else "level.low_mm")
            return None if found is None else float(found)
        keys = {"ph": ("ph.target", "ph.deadband"),
                "ec_us_cm": ("ec.target_us_cm", "ec.deadband_us_cm")}.get(quantity)
        if keys is None or not all(key in settings for key in keys):
            return None
        target, deadband = (float(settings[key]) for key in keys)
        return target + sign * deadband

    return edge_of


CHANNEL_WATCHES: dict[str, Watch] = {
    "stale": _stale, "fault": _fault,
    "above": _beyond("above", _zero),
    "below": _beyond("below", _zero),
    "above_band": _beyond("above", _edge(1)),
    "below_band": _beyond("below", _edge(-1)),
}
