"""The words of a notice: the cause first, what to do, and how much more there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from idroserra.alarms.panel import panel
from idroserra.alarms.rule import PRIORITIES
from idroserra.alarms.standing import Standing

MOST_LINES = 10
MOST_TITLE_CHARS = 160
MOST_BODY_CHARS = 3_000


class Notice(NamedTuple):
    """One message to people. kind: alarm, reminder, daily or test. id: 0 before it is kept."""

    unix_ms: int
    kind: str
    priority: str
    title: str
    body: str
    id: int = 0


def notice_of(
    kind: str, about: Iterable[Standing], standing: Iterable[Standing], site: str,
    now_unix_ms: int,
) -> Notice:
    """Return the notice about some of what stands: causes, worst first, with their counts."""
    keys = {one.key for one in about}
    causes = [one for one in panel(standing) if one["key"] in keys]
    first = causes[0]
    many = f"{len(causes)} alarms. First: " if len(causes) > 1 else ""
    again = "Still not acknowledged: " if kind == "reminder" else ""
    title = f"{site}: {again}{many}{_where(first)}{first['title']}"
    lines = [_lines(one) for one in causes[:MOST_LINES]]
    if len(causes) > MOST_LINES:
        lines.append(f"And {len(causes) - MOST_LINES} more, on the alarm page.")
    return Notice(now_unix_ms, kind, max((one["priority"] for one in causes),
                                         key=PRIORITIES.index),
                  title[:MOST_TITLE_CHARS], "\n\n".join(lines)[:MOST_BODY_CHARS])


def daily_notice(standing: Sequence[Standing], site: str, now_unix_ms: int) -> Notice:
    """Return the word of every day that alarms work."""
    told = [one for one in standing if one.is_told]
    what = "no alarm stands" if not told else (
        f"{len(told)} alarm{'s' if len(told) > 1 else ''} standing, "
        f"{sum(one.alarm.wants_attention for one in told)} not acknowledged")
    return Notice(now_unix_ms, "daily", "low", f"{site}: alarms work, {what}",
                  "This comes every day. When it does not, look at the host.")


def notice_of_test(site: str, by: str, now_unix_ms: int) -> Notice:
    """Return what the test button sends."""
    return Notice(now_unix_ms, "test", "low", f"{site}: test of the notifications",
                  f"Nothing is wrong. {by} asked for this.")


def merged(notices: Sequence[Notice]) -> Notice:
    """Return one notice for those that waited for the same address, the newest first."""
    newest, *older = sorted(notices, key=lambda notice: -notice.unix_ms)
    if not older:
        return newest
    parts = [newest.body, *(f"Earlier: {one.title}\n{one.body}" for one in older)]
    worst = max(notices, key=lambda notice: PRIORITIES.index(notice.priority))
    return newest._replace(
        priority=worst.priority, title=f"{newest.title} (and {len(older)} earlier)",
        body="\n\n".join(parts)[:MOST_BODY_CHARS])


def _lines(one: Mapping[str, Any]) -> str:
    text = (f"{one['priority'].upper()} {_where(one)}{one['title']}. {one['text']}\n"
            f"Do: {one['action']}")
    count = len(one["consequences"])
    return f"{text}\nExplains {count} other alarm{'s' if count > 1 else ''}." if count else text


def _where(one: Mapping[str, Any]) -> str:
    return f"{one['node']}: " if one["node"] else ""
