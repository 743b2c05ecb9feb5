"""Checks whether a node can take a release at all, and whether it may be offered one now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from idroserra.alarms.active import ActiveAlarm
from idroserra.core import protocol
from idroserra.nodes.registry import Node
from idroserra.updates.manifest import Manifest

BLOCKING_RANK = 2  # of rule.PRIORITIES: high
# An alarm caused by an update does not block another update, which may be the remedy.
OWN_RULES = ("update_failed", "update_stopped")


@dataclass(frozen=True)
class Dosing:
    """The node's dosing as known to the host. is_known: its past could be read."""

    is_known: bool
    dosed_unix_ms: int | None
    correction_is_open: bool
    is_asked: bool  # a dose or a correction was commanded, and not answered yet


def incompatibility(node: Node, wanted: Manifest) -> str:
    """Return why the node can never take this release, or ""."""
    if not node.is_adopted:
        return "not adopted"
    info = node.info
    if info is None:
        return "it has not reported its board yet"
    if wanted.board_class != f"{info.chip}/{info.board}":
        return f"its board is {info.chip}/{info.board}, the release is for {wanted.board_class}"
    if info.update.kernel == 0:
        return "its firmware supports no over-the-air updates yet: flash it once over USB"
    if info.update.kernel != wanted.kernel:
        return (f"its kernel is {info.update.kernel}, the release needs {wanted.kernel}: flash it "
                "over USB")
    if wanted.security_counter < info.update.security_counter:
        return (f"its security counter is {info.update.security_counter}, the release has "
                f"{wanted.security_counter}: it cannot be lowered")
    return ""


def obstacle(
    node: Node, dosing: Dosing, active: Iterable[ActiveAlarm], rest_ms: int, now_unix_ms: int
) -> str:
    """Return why the node may be offered nothing now, or ""."""
    if not node.online:
        return "offline"
    alarm = next((one for one in active if _blocks(one, node)), None)
    if alarm is not None:
        return f"an alarm is active: {alarm.rule.title}"
    if not dosing.is_known:
        return "the last dose is not known yet"
    if dosing.correction_is_open:
        return "a correction is open"
    if dosing.is_asked:
        return "a dose is pending"
    if dosing.dosed_unix_ms is not None and now_unix_ms - dosing.dosed_unix_ms < rest_ms:
        return "it dosed recently"
    return ""


def has_new_alarm(node: Node, active: Iterable[ActiveAlarm], since_unix_ms: int) -> bool:
    """Return True if an active alarm of the node was raised since then."""
    return any(
        one.node == node.node and one.alarm.is_active and one.rule.name not in OWN_RULES
        and (one.alarm.raised_unix_ms or 0) >= since_unix_ms for one in active)


def runs(node: Node, sha256: str) -> protocol.RunningRelease | None:
    """Return the running application as reported by the node if it is this release, else None."""
    running = None if node.info is None else node.info.update
    return running if running is not None and running.release == sha256 else None


def _blocks(one: ActiveAlarm, node: Node) -> bool:
    concerns = one.node == node.node or (not one.node and one.concerns(node.site))
    return (concerns and one.alarm.is_active and one.rule.rank >= BLOCKING_RANK
            and one.rule.name not in OWN_RULES)
