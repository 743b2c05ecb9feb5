"""Every message of the firmware to a person is translated into every language.

The messages are read from the sources, with an example for each placeholder. Texts that only the
console or a program reads are listed below.
"""

import ast
import re

import pytest

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.i18n.events import fault_text
from idroserra.i18n.translate import (
    LANGUAGES,
    PLAIN,
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
# Examples for a placeholder: a number, the name of an output, a reason.
_EXAMPLES = ("4", "ph_down", "day", "high")
_PERCENT = re.compile(r"%[\d.]*d")
_SENTENCE = re.compile(r"[a-z]{2,} [a-z]")
_ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")
# Console messages, and errors that are not shown.
_CONSOLE = {
    "dosing authority not saved:", "no space reserved:", "reserved space not released:",
    "crash count not saved:",
    "learned dose response not saved:", "owed nutrient B not saved:", "event lost:",
    "ledger mark not saved:", "record lost:", "no data folder:", "the node ended",
    "no network: this board has no node id", "damaged head", "damaged text",
    "not the settings of a node",
    "{}: no bus {}", "{}: {} is no actuator", "{}: no limits are known for such a doser",
    "{}: no timer left for its cut-off", "settings cannot be read: {}", "append failed: {}",
    "rollback not saved:", "update report not saved:", "update report not cleared:",
    "flash failed, the flashed application runs:", "security counter not raised:",
    "flash failed, the update will be rolled back by its tries:", "flash failed:",
    "restarted into an update",
    "the ledger cannot be written", "the ledger is full: too many runs today",
}
# Fragments, each with the message that contains it.
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
# The reason of a refused setting follows its name.
_OF_SETTINGS = ("settings.py", "climate_settings.py")


def texts(path):
    """Yield (line, text with {} for each placeholder) of the strings except docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped |= set(node.values)
            yield node.lineno, "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, node.value


def sentences():
    """Yield (place, text with {} for each placeholder) of the messages to people."""
    for path in SOURCES:
        for line, text in texts(path):
            if not _SENTENCE.search(text.replace("{}", " x ")) or text in _CONSOLE:
                continue
            whole = _WHOLE.get(text, text)
            if path.name in _OF_SETTINGS and whole == text:
                whole = f"ph.target: {text}"
            yield f"{path.relative_to(ROOT)}:{line}", _PERCENT.sub("{}", whole)


def is_translated(text):
    """Return whether one of the examples is translated. In Chinese, no English may remain."""
    for example in _EXAMPLES:
        english = text.replace("{}", example)
        found = translate_message(english)
        if found != english and not (current_locale().language == "zh" and _ENGLISH.search(found)):
            return True
    return False


def test_the_messages_are_found():
    found = {text for _, text in sentences()}
    assert {"{} was given, {} left", "held: mixing", "stopped by a person"} & found
    assert len(found) > 120


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_of_the_firmware_is_translated(language):
    with use_locale(PLAIN._replace(language=language)):
        missing = [f"{where} {text!r}" for where, text in sentences() if not is_translated(text)]
    assert not missing, report(
        "Add a pattern to host/idroserra/i18n/node_messages.py, `make words`, and translate it:",
        missing,
    )


@pytest.mark.parametrize("language", OTHERS)
def test_every_fault_is_translated(language):
    with use_locale(PLAIN._replace(language=language)):
        translated = {code: fault_text(code) for code in FAULT_TEXTS}
    with use_locale(PLAIN):
        assert [code for code in FAULT_TEXTS if translated[code] == fault_text(code)] == []
