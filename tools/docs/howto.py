"""Generates the pages of what to do at every alarm, at every fault and when nothing is dosed.

Titles, priorities, delays and consequences come from `alarms/rules`, faults from
idro.protocol.descriptions, reasons from idroserra.core.reasons. What a person does about each
alarm is in `host/docs/howto/*.toml`, about each fault and reason in `host/idroserra/help/topics`.
An entry without its counterpart raises ValueError.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.alarms.rules import FOLDER, Rule, load_rules
from idroserra.core.reasons import REASONS
from idroserra.help.texts import sentence_of
from idroserra.help.topics import SEE, Topic, groups, topic_of
from tools.docs.tables import anchor, table

HOWTO = Path(__file__).resolve().parents[2] / "host" / "docs" / "howto"
_GROUPS = {"host": "The host itself", "nodes": "Sites, nodes, dosing, water and climate",
           "readings": "Readings"}

_ALARMS = """# What to do at an alarm

For growers who were notified of an alarm. *Step by step* on the alarms page links to the section
of each alarm. How alarms work: [alarms](alarms.md).

Generated from `host/idroserra/alarms/rules/` and `host/docs/howto/` by `make site`.

A node with power controls the greenhouse without host and network: it doses within its budgets,
protects pumps from running dry and keeps its records.
"""
_FAULTS = """# What a fault of a sensor means

For growers and technicians: what to do when a tile shows a fault instead of a number.

Generated from `firmware/idro/protocol/descriptions.py` and `host/idroserra/help/topics/` by
`make site`. In your language: `/help/reasons` of your host, or `idroserra explain CODE`.

A failed reading is never replaced by a number. While the fault lasts, the node holds every output
that depends on the reading and continues with the rest. It doses by the reading again after 12
good readings over two minutes.
"""
_REASONS = """# Why is it not dosing?

For growers who see pH or EC drift: the node gives a reason for what it does and does not do, on
its page under *Events and reasons* and in `idroserra watch NODE`. Look up the reason; words in
brackets stand for its values. Reasons with a fault: [faults of sensors](faults.md).

Generated from `host/idroserra/help/topics/` by `make site`. The same in your language:
`/help/reasons` of your host, or `idroserra explain CODE`.
"""


def pages() -> dict[str, str]:
    """Return the pages by path under docs/. Raises ValueError if an entry is missing."""
    return {"alarm-howto.md": _alarms(), "faults.md": _faults(), "why-not-dosing.md": _reasons()}


def load_howto(name: str) -> dict[str, Any]:
    """Return the content of a file of host/docs/howto."""
    return tomllib.loads((HOWTO / f"{name}.toml").read_text("utf-8"))


def _alarms() -> str:
    rules = load_rules()
    parts = [_ALARMS, "## All alarms\n", table(
        ("alarm", "priority", "name"),
        [(f"[{rule.title}](#{name})", rule.priority, f"`{name}`") for name, rule in
         sorted(rules.items(), key=lambda item: (-item[1].rank, item[1].title))])]
    for group, title in _GROUPS.items():
        words = load_howto(f"alarms_{group}")
        shipped = tomllib.loads((FOLDER / f"{group}.toml").read_text("utf-8"))
        _check_same(f"alarms_{group}.toml", words, shipped)
        parts.append(f"## {title}\n")
        parts += [_alarm(rules[name], words[name], rules) for name in shipped]
    return "\n".join(parts)


def _alarm(rule: Rule, words: Mapping[str, Any], rules: Mapping[str, Rule]) -> str:
    seconds = rule.on_delay_s
    delay = "at once" if not seconds else f"after {seconds} s" if seconds < 120 else (
        f"after {seconds // 60} min")
    causes = ", ".join(f"[{rules[name].title.lower()}](#{name})" for name in rule.caused_by
                       if name in rules)
    return "\n".join((
        anchor(rule.name),
        f"### {rule.title}\n",
        f"`{rule.name}` · **{rule.priority}** · notified {delay} · respond within "
        f"{_minutes(rule.respond_min)}\n",
        f"**If no one acts:** {_begun_small(rule.consequence)}\n",
        f"**Check first:** {words['look']}\n",
        *(f"{number}. {step}" for number, step in enumerate(words["steps"], 1)),
        "",
        f"**Meanwhile:** {words['meanwhile']}\n",
        *([f"**Grouped under**, while active: {causes}.\n"] if causes else []),
    ))


def _minutes(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} days"


def _begun_small(sentence: str) -> str:
    """Return a sentence in lower case after a colon, except names such as EC and pH."""
    first = sentence.split(" ", 1)[0]
    return sentence if first[1:].lower() != first[1:] else sentence[0].lower() + sentence[1:]


def _faults() -> str:
    parts = [_FAULTS]
    for code, text in FAULT_TEXTS.items():
        topic = _topic(code)
        parts += [anchor(code), f"## `{code}`\n", f"{text}\n", *_steps(topic)]
    return "\n".join(parts)


def _reasons() -> str:
    missing = [code for code in REASONS if topic_of(code) is None]
    if missing:
        raise ValueError(f"host/idroserra/help/topics: no topic for {', '.join(missing)}")
    rows = [(f"*{_sentence(code)}*", f"[{_topic(code).title}](#{code})")
            for code in sorted(REASONS, key=lambda code: sentence_of(code).lower())]
    parts = [_REASONS, table(("reason", "section"), rows)]
    for group in groups():
        topics = {name: topic for name, topic in group.topics.items()
                  if any(code in REASONS for code in topic.codes)}
        parts.append(f"## {group.title}\n")
        for name, topic in topics.items():
            names = dict.fromkeys((name, *topic.codes))
            parts += ["".join(anchor(one).strip() for one in names) + "\n",
                      f"### {topic.title}\n",
                      *(f"- {_sentence(code)} (`{code}`)" for code in topic.codes
                        if code in REASONS), ""]
            parts += [f"{topic.means}\n", *_steps(topic)]
    return "\n".join(parts)


def _sentence(code: str) -> str:
    """Return the sentence of a reason; its brackets are no links.

    They are no `\\[` either: zensical would look for the end of a formula in the whole page.
    """
    return sentence_of(code).replace("[", "&#91;")


def _topic(code: str) -> Topic:
    topic = topic_of(code)
    if topic is None:
        raise ValueError(f"host/idroserra/help/topics: no topic for {code}")
    return topic


def _steps(topic: Topic) -> list[str]:
    """Return what to do as lines of Markdown."""
    steps = [f"**What to do:** {topic.do[0]}\n"] if len(topic.do) == 1 else [
        "**What to do:**\n", *(f"{number}. {step}" for number, step in enumerate(topic.do, 1)), ""]
    see = ", ".join(f"[{SEE[name]}]({name}.md)" for name in topic.see)
    return [*steps, f"See {see}.\n"] if see else steps


def _check_same(file: str, words: Mapping[str, Any], code: Mapping[str, Any]) -> None:
    missing = [f"{name}: no how-to in host/docs/howto/{file}" for name in code
               if name not in words]
    gone = [f"{name}: in host/docs/howto/{file}, but not in the code" for name in words
            if name not in code]
    if missing or gone:
        raise ValueError("; ".join(missing + gone))
