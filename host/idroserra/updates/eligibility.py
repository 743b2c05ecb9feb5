"""Why a node is offered no release now, or never this one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from idroserra.alarms.active import ActiveAlarm
from idroserra.core import protocol
from idroserra.nodes.registry import Node
from idroserra.updates.manifest import Manifest

BLOCKING_RANK = 2  # of rule.PRIORITIES: high
# What an update brought about stands in the way of no other update: that may be its cure.
OWN_RULES = ("update_failed", "update_stopped")


@dataclass(frozen=True)
class Dosing:
    """What the host knows of a node's dosing. is_known: its past could be read."""

    is_known: bool
    dosed_unix_ms: int | None
    correction_is_open: bool
    is_asked: bool  # a dose or a correction was commanded, and is not answered


def incompatibility(node: Node, wanted: Manifest) -> str:
    """Return why the node can never take this release, "" where it may."""
    if not node.is_adopted:
        return "not adopted"
    info = node.info
    if info is None:
        return "it has not said yet which board it is"
    if wanted.board_class != f"{info.chip}/{info.board}":
        return f"its board is {info.chip}/{info.board}, the release is for {wanted.board_class}"
    if info.update.kernel == 0:
        return "its firmware takes no updates over the air yet: flash it once over USB"
    if info.update.kernel != wanted.kernel:
        return (f"its kernel is {info.update.kernel}, the release needs {wanted.kernel}: flash it "
                "over USB")
    if wanted.security_counter < info.update.security_counter:
        return (f"its security counter is {info.update.security_counter}, the release has "
                f"{wanted.security_counter}: there is no way back below it")
    return ""


def obstacle(
    node: Node, dosing: Dosing, standing: Iterable[ActiveAlarm], rest_ms: int, now_unix_ms: int
) -> str:
    """Return why the node is left alone now, "" where it may be offered a release."""
    if not node.online:
        return "offline"
    alarm = next((one for one in standing if _blocks(one, node)), None)
    if alarm is not None:
        return f"an alarm stands: {alarm.rule.title}"
    if not dosing.is_known:
        return "not known yet when it dosed last"
    if dosing.correction_is_open:
        return "a correction is open"
    if dosing.is_asked:
        return "a dose is on its way"
    if dosing.dosed_unix_ms is not None and now_unix_ms - dosing.dosed_unix_ms < rest_ms:
        return "it dosed a short while ago"
    return ""


def has_new_alarm(node: Node, standing: Iterable[ActiveAlarm], since_unix_ms: int) -> bool:
    """True where an alarm of the node stands that was raised since then."""
    return any(
        one.node == node.node and one.alarm.is_active and one.rule.name not in OWN_RULES
        and (one.alarm.raised_unix_ms or 0) >= since_unix_ms for one in standing)


def runs(node: Node, sha256: str) -> protocol.RunningRelease | None:
    """Return what the node says of the application that runs, where that is this release."""
    running = None if node.info is None else node.info.update
    return running if running is not None and running.release == sha256 else None


def _blocks(one: ActiveAlarm, node: Node) -> bool:
    concerns = one.node == node.node or (not one.node and one.concerns(node.site))
    return (concerns and one.alarm.is_active and one.rule.rank >= BLOCKING_RANK
            and one.rule.name not in OWN_RULES)
