"""Topics of the help: each explains some codes of reasons and faults in a grower's words.

The texts are in `topics/*.toml`, one file a group, and are translated like every text of the
host. Every code has exactly one topic. A topic has the name of a code only if it explains that
code, so both are anchors of one page.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.core.reasons import REASONS
from idroserra.i18n.marker import N_

FOLDER = Path(__file__).resolve().parent / "topics"
# The files in the order of the help.
FILES = (
    "contact", "dosing", "latches", "limits", "readings", "water", "climate", "corrections",
    "calibrations", "recipes", "commands", "settings", "host", "updates", "rollouts")
PAGE = "/help/reasons"
# Pages of the documentation that a topic refers to, with their titles.
SEE = {
    "boards": N_("Boards"),
    "calibration": N_("Calibration"),
    "commissioning": N_("Commissioning"),
    "flash": N_("Flashing a board"),
    "hardware": N_("Hardware"),
    "modbus": N_("Modbus probes"),
    "irrigation-climate": N_("Irrigation and climate"),
    "recipes": N_("Recipes and a first crop"),
    "update": N_("Updates over the air"),
}


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What some codes mean, and what to do, step by step. see: keys of SEE.

    means: "" if the text of the fault says it all."""

    codes: tuple[str, ...]
    title: str
    do: tuple[str, ...]
    means: str = ""
    see: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """The topics of one subject by name."""

    name: str
    title: str
    topics: dict[str, Topic]


@cache
def groups() -> tuple[Group, ...]:
    """Return every group with its topics, in the order of the help."""
    found = []
    for name in FILES:
        body = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
        title = body.pop("group")
        found.append(Group(name, title, msgspec.convert(body, dict[str, Topic])))
    return tuple(found)


@cache
def _by_code() -> dict[str, Topic]:
    return {code: topic for group in groups() for topic in group.topics.values()
            for code in topic.codes}


def codes() -> list[str]:
    """Return every code of a reason or a fault."""
    return list(dict.fromkeys((*REASONS, *FAULT_TEXTS)))


def topic_of(code: str) -> Topic | None:
    """Return the topic of a code, None for a code that this host does not know."""
    return _by_code().get(code)


def help_address(code: str) -> str:
    """Return the address of the help on a code, "" for a code that this host does not know."""
    return f"{PAGE}#{code}" if code in _by_code() else ""
