"""Every sentence the firmware can say to a person has its words in every language.

The sentences are read from the sources: each text of the folders that decide, guard and answer,
with an example for what is filled in. What only a console or a program reads is named below.
"""

import ast
import re

import pytest

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.i18n.events import fault_text
from idroserra.i18n.translate import (
    DEFAULT_LOCALE,
    LANGUAGES,
    current_locale,
    translate_message,
    use_locale,
)
from support.source_tree import ROOT, report

FIRMWARE = ROOT / "firmware" / "idro"
SOURCES = [*sorted(path for folder in ("control", "safety", "app", "update")
                   for path in (FIRMWARE / folder).glob("*.py")),
           FIRMWARE / "protocol" / "settings.py", FIRMWARE / "protocol" / "climate_settings.py"]
OTHERS = list(LANGUAGES)[1:]
# What fills a gap: a figure, a name of an output, a reason.
_FILLINGS = ("4", "ph_down", "day", "high")
_PERCENT = re.compile(r"%[\d.]*d")
_SENTENCE = re.compile(r"[a-z]{2,} [a-z]")
_LEFT = re.compile(r"[a-z]{2,} [a-z]{2,}")
# Written to the console of the board, or the inside of a line that nobody is shown.
_CONSOLE = {
    "authority cannot be kept:", "no ballast:", "the ballast stays:", "crashes cannot be kept:",
    "what was learned cannot be kept:", "nutrient B that is owed cannot be kept:", "event lost:",
    "the ledger cannot be noted:", "record lost:", "no data folder:", "the node ended",
    "no link: this board was never given a node id", "damaged head", "damaged text",
    "not the settings of a node",
    "{}: no bus {}", "{}: {} is no actuator", "{}: no limits are known for such a doser",
    "{}: no timer left for its cut-off", "settings cannot be read: {}", "append failed: {}",
    "what became of the update cannot be noted:", "what was told of the update stays:",
    "flash refuses, the flashed application runs:", "the security counter stays:",
    "flash refuses, the update will be taken back by its tries:", "flash refuses:",
    "restarted into an update",
    "the ledger cannot be written", "the ledger is full: too many runs today",
}
# Pieces: the sentence they are part of.
_WHOLE = {
    "had no effect: is the bottle empty, is air in the line, is the probe dead":
        "{} had no effect: is the bottle empty, is air in the line, is the probe dead?",
    "worked the wrong way: are tubes or bottles swapped, is the probe dead":
        "{} worked the wrong way: are tubes or bottles swapped, is the probe dead?",
    "held: pH is {} but comes back by itself, {}": "held: pH is low but comes back by itself, 5.5",
    "no flow is measured, ": "no flow is measured, the pump is on and nothing flows",
    "held for {} min": "automatic dosing and filling are held for {} min",
    "automatic dosing and filling are {}": "automatic dosing and filling are released",
    "budget of the {} is spent, {} ml{}": "budget of the day is spent, {} ml of 25 %",
    "{} is a {}": "ph_down is a doser",
    "{} is not above {}": "rev: {} is not above {}",
}
# The reasons of a refused setting stand behind its name.
_OF_SETTINGS = ("settings.py", "climate_settings.py")


def texts(path):
    """Yield (line, text with {} for each gap) of the strings of a file that are no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    passed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(node.value)
        if isinstance(node, ast.JoinedStr):
            passed |= set(node.values)
            yield node.lineno, "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed:
            yield node.lineno, node.value


def sentences():
    """Yield (where, text with {} for each gap) of what may be shown to people."""
    for path in SOURCES:
        for line, text in texts(path):
            if not _SENTENCE.search(text.replace("{}", " x ")) or text in _CONSOLE:
                continue
            whole = _WHOLE.get(text, text)
            if path.name in _OF_SETTINGS and whole == text:
                whole = f"ph.target: {text}"
            yield f"{path.relative_to(ROOT)}:{line}", _PERCENT.sub("{}", whole)


def is_told(text):
    """True where a translation is found with one of the fillings. In Chinese nothing of the
    English sentence may be left, so that a piece of it does not pass for the whole."""
    for filling in _FILLINGS:
        english = text.replace("{}", filling)
        told = translate_message(english)
        if told != english and not (current_locale().language == "zh" and _LEFT.search(told)):
            return True
    return False


def test_the_sentences_are_found():
    found = {text for _, text in sentences()}
    assert {"{} was given, {} left", "held: mixing", "stopped by a person"} & found
    assert len(found) > 120


@pytest.mark.parametrize("language", OTHERS)
def test_every_reason_of_the_firmware_has_its_words(language):
    with use_locale(DEFAULT_LOCALE._replace(language=language)):
        missing = [f"{where} {text!r}" for where, text in sentences() if not is_told(text)]
    assert not missing, report(
        "Add a pattern to host/idroserra/i18n/node_messages.py, `make words`, and translate it:",
        missing,
    )


@pytest.mark.parametrize("language", OTHERS)
def test_every_fault_has_its_words(language):
    with use_locale(DEFAULT_LOCALE._replace(language=language)):
        told = {code: fault_text(code) for code in FAULT_TEXTS}
    with use_locale(DEFAULT_LOCALE):
        assert [code for code in FAULT_TEXTS if told[code] == fault_text(code)] == []
