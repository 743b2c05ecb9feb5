"""An alarm with its subject and reason, and the journal entry of a state change."""

from __future__ import annotations

from typing import NamedTuple

from idroserra.alarms.rules import Rule
from idroserra.alarms.state_machine import NORMAL, Alarm
from idroserra.core.reasons import Reason


class ActiveAlarm(NamedTuple):
    """One alarm of a host, site, node or part. changed_unix_ms: of its last state change."""

    key: str
    rule: Rule
    site: str
    node: str
    part: str
    reason: Reason | None = None
    alarm: Alarm = NORMAL
    changed_unix_ms: int = 0

    @property
    def state(self) -> str:
        """One of state_machine.STATES."""
        return self.alarm.state

    def concerns(self, site: str | None) -> bool:
        """True if it belongs to this site, or to all sites as the alarms of the host do."""
        is_hosts = not self.node and not self.part.startswith("@")
        return site is None or is_hosts or self.site == site

    @property
    def is_annunciated(self) -> bool:
        """True if people are to be notified: active, and not suppressed or shelved."""
        return self.alarm.is_active and not self.alarm.is_quiet


class Transition(NamedTuple):
    """One entry of the alarm journal. by, comment: of the operator, else ""."""

    unix_ms: int
    key: str
    rule: str
    site: str
    node: str
    part: str
    priority: str
    was: str
    state: str
    reason: Reason | None
    by: str = ""
    comment: str = ""


def transition_of(
    old_state: str, new: ActiveAlarm, now_unix_ms: int, by: str = "", comment: str = ""
) -> Transition:
    """Return the journal entry of an alarm that left `old_state`."""
    return Transition(now_unix_ms, new.key, new.rule.name, new.site, new.node, new.part,
                      new.rule.priority, old_state, new.state, new.reason, by, comment)


def by_severity(active: ActiveAlarm) -> tuple[int, bool, int]:
    """Sort key: most urgent first, then unacknowledged, then oldest."""
    return (-active.rule.rank, not active.alarm.is_unacknowledged,
            active.alarm.raised_unix_ms or active.changed_unix_ms)
