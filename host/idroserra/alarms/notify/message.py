"""Composes notices: the cause first, what to do, and the number of other alarms.

A notice is composed once in English and once in each other language of the targets. It is plain
text: what a node says in it is one line, every control character shown by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from idroserra.alarms.active import ActiveAlarm
from idroserra.alarms.rules import PRIORITIES
from idroserra.alarms.summary import active_alarms, titled
from idroserra.core.terminal_text import printable
from idroserra.i18n.translate import DEFAULT_LOCALE, ngettext, use_locale
from idroserra.i18n.translate import gettext as _

MOST_LINES = 10
MOST_TITLE_CHARS = 160
MOST_BODY_CHARS = 3_000


class Notice(NamedTuple):
    """One message to people, in English. kind: alarm, reminder, daily or test. id: 0 until stored.
    words: {language: (title, body)} in the targets' other languages. sites: those it concerns, all
    if empty; not stored."""

    unix_ms: int
    kind: str
    priority: str
    title: str
    body: str
    id: int = 0
    words: Mapping[str, tuple[str, str]] = {}
    sites: tuple[str, ...] = ()

    def in_language(self, language: str) -> Notice:
        """Return it in a language, or in English if it was not composed in that language."""
        title, body = self.words.get(language, (self.title, self.body))
        return self._replace(title=title, body=body)


def composed_in(languages: Iterable[str], make: Callable[[], Notice]) -> Notice:
    """Return the notice that `make` composes, in English and in each of `languages`."""
    with use_locale(DEFAULT_LOCALE):
        notice = make()
    words = {}
    for language in languages:
        with use_locale(DEFAULT_LOCALE._replace(language=language)):
            made = make()
        words[language] = (made.title, made.body)
    return notice._replace(words=words)


def alarm_notice(
    kind: str, about: Iterable[ActiveAlarm], alarms: Iterable[ActiveAlarm], site: str,
    now_unix_ms: int, state_text: Callable[[str], str],
) -> Notice:
    """Return the notice about some of `alarms`: causes, worst first, with their counts, and the
    states of their nodes. `state_text` returns a node's state in words, "" if it is unknown."""
    about = list(about)
    keys = {one.key for one in about}
    causes = [one for one in active_alarms(alarms) if one["key"] in keys]
    first = causes[0]
    head = f"{_where(first)}{first['title']}"
    if len(causes) > 1:
        head = _("{count} alarms. First: {alarm}").format(count=len(causes), alarm=head)
    if kind == "reminder":
        head = _("Still not acknowledged: {alarm}").format(alarm=head)
    lines = [_lines(one) for one in causes[:MOST_LINES]]
    if len(causes) > MOST_LINES:
        lines.append(_("And {count} more, on the alarm page.").format(
            count=len(causes) - MOST_LINES))
    lines += _states(causes[:MOST_LINES], state_text)
    return Notice(now_unix_ms, kind, max((one["priority"] for one in causes),
                                         key=PRIORITIES.index),
                  f"{site}: {head}"[:MOST_TITLE_CHARS], "\n\n".join(lines)[:MOST_BODY_CHARS],
                  sites=() if any(one.concerns("") for one in about) else tuple(
                      sorted({one.site for one in about})))


def daily_notice(alarms: Sequence[ActiveAlarm], site: str, now_unix_ms: int) -> Notice:
    """Return the daily confirmation that the alarm system works."""
    active = [one for one in alarms if one.is_annunciated]
    head = _("alarm system working, no active alarms") if not active else ngettext(
        "alarm system working, {count} active alarm, {unseen} not acknowledged",
        "alarm system working, {count} active alarms, {unseen} not acknowledged",
        len(active)).format(
            count=len(active), unseen=sum(one.alarm.is_unacknowledged for one in active))
    return Notice(now_unix_ms, "daily", "low", f"{site}: {head}",
                  _("This message is sent daily. If it does not arrive, check the host."))


def notice_of_test(site: str, by: str, now_unix_ms: int) -> Notice:
    """Return the notice of the test button."""
    head = _("test of the notifications")
    body = _("Requested by {name}. There is nothing to do.")
    return Notice(now_unix_ms, "test", "low", f"{site}: {head}", body.format(name=by))


def merged(notices: Sequence[Notice], language: str = "en") -> Notice:
    """Return one notice for all that wait for the same target, the newest first, in the target's
    language."""
    newest, *older = sorted(
        (notice.in_language(language) for notice in notices), key=lambda one: -one.unix_ms)
    if not older:
        return newest
    worst = max(notices, key=lambda notice: PRIORITIES.index(notice.priority))
    with use_locale(DEFAULT_LOCALE._replace(language=language)):
        earlier = _("Earlier: {alarm}")
        title = _("{alarm} (and {count} earlier)").format(alarm=newest.title, count=len(older))
    parts = [newest.body, *(f"{earlier.format(alarm=one.title)}\n{one.body}" for one in older)]
    return newest._replace(
        priority=worst.priority, title=title, body="\n\n".join(parts)[:MOST_BODY_CHARS])


def _lines(one: Mapping[str, Any]) -> str:
    action = _("Action: {action}").format(action=one["action"])
    reason = one["reason"]
    what = titled(one["title"], "" if reason is None else printable(reason["text"]))
    text = f"{_(one['priority']).upper()} {_where(one)}{what}\n{action}"
    count = len(one["consequences"])
    if not count:
        return text
    more = ngettext("Explains {count} other alarm.", "Explains {count} other alarms.", count)
    return f"{text}\n{more.format(count=count)}"


def _states(causes: Iterable[Mapping[str, Any]], state_text: Callable[[str], str]) -> list[str]:
    """Return a paragraph with the state of each node, or none."""
    states = {one["node"]: state_text(one["node"]) for one in causes if one["node"]}
    lines = [_("{node} now: {state}").format(node=node, state=printable(state))
             for node, state in states.items() if state]
    return ["\n".join(lines)] if lines else []


def _where(one: Mapping[str, Any]) -> str:
    return f"{one['node']}: " if one["node"] else ""
