"""Decides which notification is due. Pure.

Alarms are gathered into one notice: the first waits a moment for others, the next ones are spaced,
and at most three go out in half an hour. Only a new urgent alarm may exceed that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from idroserra.alarms.active import ActiveAlarm
from idroserra.alarms.rules import PRIORITIES

MOST_NOTICES = 3
WINDOW_MS = 1_800_000
SPACING_MS = (120_000, 600_000)  # the second notice of a window, the third and later ones
REMINDERS = 2
URGENT = PRIORITIES.index("urgent")


class Policy(NamedTuple):
    """least_rank: of rules to notify about; quiet: minutes of the day (from, until), or None."""

    least_rank: int = PRIORITIES.index("medium")
    gather_ms: int = 20_000
    quiet: tuple[int, int] | None = None


class LastNotification(NamedTuple):
    """When people were last notified of an alarm, and the number of reminders since."""

    key: str
    raised_unix_ms: int
    notified_unix_ms: int
    reminders: int = 0


class DueNotice(NamedTuple):
    """One notice to send now. kind: alarm or reminder; about: its alarms, unsorted."""

    kind: str
    about: tuple[ActiveAlarm, ...]
    notified: tuple[LastNotification, ...]


def due_notice(
    alarms: Iterable[ActiveAlarm], notified: Mapping[str, LastNotification],
    sent_unix_ms: Sequence[int], now_unix_ms: int, minute_of_day: int, policy: Policy,
) -> DueNotice | None:
    """Return the notice that is due, or None. sent_unix_ms: of the notices of the last window.

    After the clock was set back, what lies in the future does not count."""
    sent_unix_ms = [at for at in sent_unix_ms if at <= now_unix_ms]
    unseen = [one for one in alarms
              if one.state == "unacknowledged" and one.rule.rank >= policy.least_rank]
    if not unseen:
        return None
    least = URGENT if is_quiet_time(policy, minute_of_day) else 0
    new = [one for one in unseen if _is_new(one, notified, now_unix_ms)]
    if _may_notify([one for one in new if one.rule.rank >= least], sent_unix_ms, now_unix_ms,
                   policy):
        return DueNotice("alarm", tuple(new), tuple(
            LastNotification(one.key, one.alarm.raised_unix_ms or 0, now_unix_ms) for one in new))
    known = [one for one in unseen if one not in new]
    due = [one for one in known
           if one.rule.rank >= least and _is_due(one, notified[one.key], now_unix_ms)]
    if due and _spacing_ms(sent_unix_ms, now_unix_ms) is not None:
        return DueNotice("reminder", tuple(known), tuple(
            notified[one.key]._replace(notified_unix_ms=now_unix_ms,
                                       reminders=notified[one.key].reminders + 1)
            for one in known))
    return None


def is_quiet_time(policy: Policy, minute_of_day: int) -> bool:
    """Return True within the quiet hours, which may span midnight."""
    if policy.quiet is None:
        return False
    begins, ends = policy.quiet
    if begins <= ends:
        return begins <= minute_of_day < ends
    return minute_of_day >= begins or minute_of_day < ends


def _is_new(one: ActiveAlarm, notified: Mapping[str, LastNotification], now_unix_ms: int) -> bool:
    """Return True if this occurrence was not notified; a chattering alarm counts once a window."""
    last = notified.get(one.key)
    if last is None:
        return True
    return (last.raised_unix_ms != one.alarm.raised_unix_ms
            and not 0 <= now_unix_ms - last.notified_unix_ms < WINDOW_MS)


def _is_due(one: ActiveAlarm, last: LastNotification, now_unix_ms: int) -> bool:
    wait_ms = one.rule.respond_min * 60_000 * 2**last.reminders
    return last.reminders < REMINDERS and not 0 <= now_unix_ms - last.notified_unix_ms < wait_ms


def _may_notify(
    pressing: Sequence[ActiveAlarm], sent_unix_ms: Sequence[int], now_unix_ms: int, policy: Policy
) -> bool:
    if not pressing:
        return False
    waited_ms = now_unix_ms - min(one.changed_unix_ms for one in pressing)
    if 0 <= waited_ms < policy.gather_ms:
        return False
    last = max(sent_unix_ms, default=None)
    is_later = last is not None and now_unix_ms - last >= SPACING_MS[1]
    if is_later and any(one.rule.rank == URGENT for one in pressing):
        return True
    spacing_ms = _spacing_ms(sent_unix_ms, now_unix_ms)
    return spacing_ms is not None and (last is None or now_unix_ms - last >= spacing_ms)


def _spacing_ms(sent_unix_ms: Sequence[int], now_unix_ms: int) -> int | None:
    """Return the least time between the last notice and the next, or None if none may be sent."""
    count = sum(now_unix_ms - at < WINDOW_MS for at in sent_unix_ms)
    if count >= MOST_NOTICES:
        return None
    return 0 if count == 0 else SPACING_MS[count - 1]
