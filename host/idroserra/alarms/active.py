"""An alarm with what it is about: what the panel shows, the book keeps and the notices tell."""

from __future__ import annotations

from typing import NamedTuple

from idroserra.alarms.rules import Rule
from idroserra.alarms.state_machine import NORMAL, Alarm


class ActiveAlarm(NamedTuple):
    """One alarm of one thing. changed_unix_ms: when it last changed its state."""

    key: str
    rule: Rule
    site: str
    node: str
    part: str
    text: str = ""
    alarm: Alarm = NORMAL
    changed_unix_ms: int = 0

    @property
    def state(self) -> str:
        """One of machine.STATES."""
        return self.alarm.state

    def concerns(self, site: str | None) -> bool:
        """True where it is about this site, or about all of them as the host's own are."""
        is_hosts = not self.node and not self.part.startswith("@")
        return site is None or is_hosts or self.site == site

    @property
    def is_told(self) -> bool:
        """True where a person should hear of it: it is so, and not put aside or folded."""
        return self.alarm.is_active and not self.alarm.is_quiet


class Transition(NamedTuple):
    """One line of the alarm journal. by, comment: of a person, else empty."""

    unix_ms: int
    key: str
    rule: str
    site: str
    node: str
    part: str
    priority: str
    was: str
    state: str
    text: str
    by: str = ""
    comment: str = ""


def change_of(
    old_state: str, new: ActiveAlarm, now_unix_ms: int, by: str = "", comment: str = ""
) -> Transition:
    """Return the journal's line for an alarm that was `old_state`."""
    return Transition(now_unix_ms, new.key, new.rule.name, new.site, new.node, new.part,
                  new.rule.priority, old_state, new.state, new.text, by, comment)


def by_severity(standing: ActiveAlarm) -> tuple[int, bool, int]:
    """Sort key: the most urgent first, then what nobody has seen, then the oldest."""
    return (-standing.rule.rank, not standing.alarm.wants_attention,
            standing.alarm.raised_unix_ms or standing.changed_unix_ms)
