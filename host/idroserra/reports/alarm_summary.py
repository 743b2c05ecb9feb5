"""Counts the alarms of a time range: occurrences, durations and root causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from idroserra.alarms.active import Transition
from idroserra.alarms.engine import AlarmEngine
from idroserra.i18n.translate import gettext

MAX_CHANGES = 100_000
ACTIVE = ("unacknowledged", "acknowledged", "suppressed", "shelved", "out_of_service")


@dataclass(frozen=True)
class AlarmCount:
    """The alarms of one rule in a range. roots: occurrences that no other alarm caused.

    longest_ms ends with the range if the alarm was still active."""

    title: str
    count: int
    roots: int
    longest_ms: int
    is_active: bool


def alarms_of(
    engine: AlarmEngine, node: str, from_unix_ms: int, to_unix_ms: int
) -> list[AlarmCount]:
    """Return the alarms of a node that were active in a range, also those that began before it,
    with titles in the reader's language."""
    changes = [*engine.standing(node, from_unix_ms),
               *engine.history(from_unix_ms, to_unix_ms, MAX_CHANGES, node)]
    titles = {change.rule: gettext(engine.title(change.rule)) for change in changes}
    return count_alarms(changes, titles, to_unix_ms)


def count_alarms(
    changes: Iterable[Transition], titles: Mapping[str, str], to_unix_ms: int
) -> list[AlarmCount]:
    """Return the alarms of a range, most frequent first. `changes`: oldest first."""
    began: dict[str, int] = {}
    times: dict[str, list[tuple[int, bool]]] = {}  # rule: (duration in ms, was a root cause)
    is_root: dict[str, bool] = {}
    rule_of: dict[str, str] = {}
    for change in changes:
        rule_of[change.key] = change.rule
        if change.state in ACTIVE:
            began.setdefault(change.key, change.unix_ms)
            is_root[change.key] = is_root.get(change.key, False) or change.state != "suppressed"
        elif change.key in began:
            lasted = change.unix_ms - began.pop(change.key)
            times.setdefault(change.rule, []).append((lasted, is_root.pop(change.key)))
    active = {rule_of[key] for key in began}
    for key, since in began.items():
        times.setdefault(rule_of[key], []).append((to_unix_ms - since, is_root[key]))
    found = [AlarmCount(titles.get(rule, rule), len(all_), sum(root for _, root in all_),
                  max(lasted for lasted, _ in all_), rule in active)
             for rule, all_ in times.items()]
    return sorted(found, key=lambda one: (-one.roots, -one.count, one.title))
