"""Checks whether a node can take a release at all, and whether it may be offered one now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from idroserra.alarms.active import ActiveAlarm
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.nodes.node import Node
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


def incompatibility(node: Node, wanted: Manifest) -> Reason | None:
    """Return why the node can never take this release, or None."""
    if not node.is_adopted:
        return Reason("not_adopted")
    info = node.info
    if info is None:
        return Reason("board_unreported")
    if wanted.board_class != f"{info.chip}/{info.board}":
        return Reason("other_board", board_class=wanted.board_class,
                      this_class=f"{info.chip}/{info.board}")
    if info.update.kernel == 0:
        return Reason("no_kernel")
    if info.update.kernel != wanted.kernel:
        return Reason("other_kernel", kernel=wanted.kernel, current_kernel=info.update.kernel)
    if wanted.security_counter < info.update.security_counter:
        return Reason("counter_low", counter=wanted.security_counter,
                      current_counter=info.update.security_counter)
    return None


def obstacle(
    node: Node, dosing: Dosing, active: Iterable[ActiveAlarm], rest_ms: int, now_unix_ms: int
) -> Reason | None:
    """Return why the node may be offered nothing now, or None."""
    if not node.is_adopted:  # forgotten meanwhile
        return Reason("not_adopted")
    if not node.online:
        return Reason("node_away")
    alarm = next((one for one in active if _blocks(one, node)), None)
    if alarm is not None:
        return Reason("alarm_active", alarm=alarm.rule.title)
    if not dosing.is_known:
        return Reason("last_dose_unknown")
    if dosing.correction_is_open:
        return Reason("correction_open")
    if dosing.is_asked:
        return Reason("dose_pending")
    if dosing.dosed_unix_ms is not None and now_unix_ms - dosing.dosed_unix_ms < rest_ms:
        return Reason("dosed_recently")
    return None


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
