"""`idroserra explain`: what the code of a reason, fault or alarm means, and what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from idroserra.core.errors import HostError
from idroserra.i18n.translate import LANGUAGES
from idroserra.i18n.translate import gettext as _

if TYPE_CHECKING:
    from idroserra.alarms.rules import Rule
    from idroserra.help.topics import Topic


class UnknownCode(HostError):
    """A code that is neither a reason, a fault nor an alarm."""

    exit_code = 2


def _complete(incomplete: str) -> list[str]:
    """Return the codes that begin so, for the completion of a shell."""
    from idroserra.alarms.rules import load_rules
    from idroserra.help.topics import codes

    return sorted({code for code in (*codes(), *load_rules()) if code.startswith(incomplete)})


def explain(
    code: Annotated[
        str | None,
        typer.Argument(help="Code of a reason, fault or alarm; without it, all are listed.",
                       autocompletion=_complete),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help=f"{', '.join(LANGUAGES)}; default: that of the terminal."),
    ] = None,
) -> None:
    """Explain a code: why the node does or does not dose, a fault of a sensor, or an alarm."""
    from idroserra.i18n.environment import terminal_locale
    from idroserra.i18n.translate import use_locale

    locale = terminal_locale()
    if language is not None:
        if language not in LANGUAGES:
            raise UnknownCode(f"--language: {language} is not one of {', '.join(LANGUAGES)}")
        locale = locale._replace(language=language)
    with use_locale(locale):
        for line in _list() if code is None else _explained(code):
            typer.echo(line)


def _explained(code: str) -> list[str]:
    """Return the lines about a code. Raises UnknownCode with codes that are similar."""
    from idroserra.alarms.rules import load_rules
    from idroserra.help.topics import codes, topic_of

    rules, topic = load_rules(), topic_of(code)
    lines = [] if topic is None else _of_topic(code, topic)
    if code in rules:
        lines += ["", *_of_alarm(rules[code])] if lines else _of_alarm(rules[code])
    if lines:
        return lines
    similar = get_close_matches(code.lower(), [*codes(), *rules], n=3)
    hint = _("Similar: {codes}").format(codes=", ".join(similar)) if similar else _(
        "`idroserra explain` lists all codes")
    raise UnknownCode(_("{code}: no reason, fault or alarm has this code. {hint}").format(
        code=code[:60], hint=hint))


def _of_topic(code: str, topic: Topic) -> list[str]:
    from idroserra.help.texts import mender_of, sentence_of, severity_of
    from idroserra.help.topics import SEE, help_address

    severity, mender = severity_of(code), mender_of(code)
    lines = [f"{code}: {sentence_of(code)}", "", _plain(_(topic.title))]
    if topic.means:
        lines.append(_plain(_(topic.means)))
    lines.append("")
    if severity:
        lines += [_("Severity: {severity}").format(severity=severity),
                  _("Who ends it: {who}").format(who=mender), ""]
    lines += [_("What to do:"), *_steps([_plain(_(step)) for step in topic.do]), ""]
    lines.append(_("On the page of your host: {address}").format(address=help_address(code)))
    if topic.see:
        pages = ", ".join(f"{_(SEE[name])} (docs/{name}.md)" for name in topic.see)
        lines.append(_("See also: {pages}").format(pages=pages))
    return lines


def _of_alarm(rule: Rule) -> list[str]:
    return [
        _("Alarm {name}: {title} ({priority})").format(
            name=rule.name, title=_(rule.title), priority=_(rule.priority)), "",
        _("If no one acts: {consequence}").format(consequence=_(rule.consequence)),
        _("What to do: {action}").format(action=_plain(_(rule.action))),
    ]


def _list() -> list[str]:
    """Return every code with its sentence, by group."""
    from idroserra.alarms.rules import load_rules
    from idroserra.help.texts import sentence_of
    from idroserra.help.topics import codes, groups

    rules = load_rules()
    wide = max(map(len, (*codes(), *rules)))
    lines = []
    for group in groups():
        lines += [_(group.title)]
        lines += [f"  {code:{wide}}  {sentence_of(code)}"
                  for topic in group.topics.values() for code in topic.codes]
        lines.append("")
    lines.append(_("Alarms"))
    return [*lines, *(f"  {name:{wide}}  {_(rule.title)}" for name, rule in rules.items())]


def _steps(steps: list[str]) -> list[str]:
    if len(steps) == 1:
        return [f"  {steps[0]}"]
    return [f"  {number}. {step}" for number, step in enumerate(steps, 1)]


def _plain(text: str) -> str:
    """Return a text without its marks of emphasis."""
    return text.replace("*", "")
