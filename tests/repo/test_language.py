"""Prose is plain English: banned expressions and what replaces each."""

import re
from pathlib import PurePath

import pytest

from support.source_tree import report, texts

BANNED = {
    r"anew": "again",
    r"told": "notified, reported",
    r"nobody": "no one, None",
    r"whoever": "anyone who",
    r"befalls?": "happens to",
    r"is no [a-z]+ of": "is not a ... of",
    r"none where": "None if, none",
    r"taken for granted": "assumed",
    r"put aside": "shelved",
    r"at hand": "available",
}
PATTERN = re.compile(rf"\b(?:{'|'.join(BANNED)})\b", re.IGNORECASE)
# Translations and reference tables are not English prose; the changelog quotes what was; the
# outbox and its test name a table of older databases.
UNCHECKED = ("*.po", "CHANGELOG.md", "tests/oracle/*", "tests/repo/test_language.py",
             "host/idroserra/alarms/notify/outbox.py",
             "tests/host/alarms/test_alarm_notices.py")


def calques(line: str) -> list[str]:
    """Return each banned expression in a line with its replacement."""
    return [
        f"{match[0]!r}: write {plain!r}"
        for match in PATTERN.finditer(line)
        for banned, plain in BANNED.items()
        if re.fullmatch(banned, match[0], re.IGNORECASE)
    ]


def test_prose_is_plain_english():
    found = [
        f"{name}:{number} {calque}"
        for name, lines in texts()
        if not any(PurePath(name).match(unchecked) for unchecked in UNCHECKED)
        for number, line in enumerate(lines, 1)
        for calque in calques(line)
    ]
    assert not found, report("Write the standard term:", found)


@pytest.mark.parametrize(("line", "message"), [
    ("It starts anew.", "'anew': write 'again'"),
    ("Nobody knows.", "'Nobody': write 'no one, None'"),
    ("whoever asks", "'whoever': write 'anyone who'"),
    ("what befalls it", "'befalls': write 'happens to'"),
    ("x is no manifest of an image", "'is no manifest of': write 'is not a ... of'"),
    ("Return it, None where it has none.", "'None where': write 'None if, none'"),
    ("people are told", "'told': write 'notified, reported'"),
    ("a buffer at hand", "'at hand': write 'available'"),
    ("alarms put aside", "'put aside': write 'shelved'"),
    ("taken for granted", "'taken for granted': write 'assumed'"),
])
def test_a_planted_calque_is_found(line, message):
    assert calques(line) == [message]


@pytest.mark.parametrize("line", [
    "retold", "told_at_ms", "is not a manifest of", "at handover", "put it aside", "None if",
])
def test_other_words_are_not(line):
    assert not calques(line)
