"""Every word that a node sends, such as the name of its task, is in the catalogs."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from idroserra.boards.compiler import load
from idroserra.i18n.channels import plain_name
from idroserra.i18n.reasons import reset_text
from idroserra.i18n.translate import LANGUAGES, Locale, catalog_file, use_locale

ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "firmware" / "idro" / "app"
OTHERS = [name for name in LANGUAGES if name != "en"]
RESETS = ("power_on", "brown_out", "hard", "watchdog", "deep_sleep", "soft", "unknown")
# Names of tasks and of parts in the code of the node.
_NAMES = (re.compile(r'\badd\("(\w+)"'), re.compile(r'\bmemory_refused\("(\w+)"'),
          re.compile(r'"part": "(\w+)"'))


@pytest.fixture(scope="module", params=OTHERS)
def catalog(request):
    """Return the English texts that have a translation."""
    with catalog_file(request.param).open("rb") as file:
        return {message.id for message in read_po(file) if message.string}


def tasks_and_parts():
    found = {"outbox", "ledger", "settings"}  # in a loop of app/node.py
    for file in APP.rglob("*.py"):
        text = file.read_text("utf-8")
        found |= {name for pattern in _NAMES for name in pattern.findall(text)}
    return found


def names_of_boards():
    """Return the sources and outputs of every shipped board."""
    boards = [load(file.stem) for file in (ROOT / "boards").glob("*.toml") if file.stem != "parts"]
    assert boards
    return {one["name"] for board in boards for one in board["actuators"]} | {
        one["source"] for board in boards for one in board["sensors"]}


def test_tasks_parts_sources_and_outputs_are_translated(catalog):
    assert {"control", "wifi", "line", "events", "records", "space"} <= tasks_and_parts()
    names = tasks_and_parts() | names_of_boards()
    missing = sorted(plain_name(name) for name in names if plain_name(name) not in catalog)
    assert not missing, f"mark them with N_() in i18n/channels.py: {missing}"


@pytest.mark.parametrize("language", OTHERS)
def test_resets_are_translated(language):
    english = {reset: reset_text(reset) for reset in RESETS}
    with use_locale(Locale(language)):
        assert [reset for reset in RESETS if reset_text(reset) == english[reset]] == []


# What people read in a template or script without a translation: text between tags, and the
# attributes that are read out.
_JINJA = re.compile(
    r"{% block (?:script|frame|look) %}.*?{% endblock %}|{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)
_SILENT = re.compile(
    r'data-[\w-]+="[^"]*"|<(script|style|symbol|code|pre)\b.*?</\1>|<!--.*?-->|&\w+;', re.DOTALL)
_TAG = re.compile(r"""<(?:[^<>"]|"[^"]*")*>""")
_READ_OUT = re.compile(r'\b(?:aria-label|alt|placeholder|title)="([^"]*)"')
_WORD = re.compile(r"[A-Za-z]{3,}")
_SET_BY_SCRIPT = re.compile(
    r"""(?:textContent|innerText|placeholder|\.title)\s*[:=]\s*["'`]([^"'`$]*)["'`]"""
    r"""|"aria-label",\s*["'`]([^"'`$]*)["'`]""")
_SAME_EVERYWHERE = {"Idroserra", "PDF", "CSV", "JSON", "ZIP", "SHA", "Telegram", "ntfy", "https"}
WEB = ROOT / "host" / "idroserra" / "web"


def test_no_page_has_words_outside_of_the_catalogs():
    found = []
    for file in sorted((WEB / "templates").glob("*.html")):
        text = _SILENT.sub("", _JINJA.sub("", file.read_text("utf-8")))
        shown = [*_READ_OUT.findall(text), *_TAG.sub("\n", text).splitlines()]
        found += [f"{file.name}: {one.strip()}" for one in shown
                  if set(_WORD.findall(one)) - _SAME_EVERYWHERE]
    for file in sorted((WEB / "static" / "js").glob("*.js")):
        for one in _SET_BY_SCRIPT.findall(file.read_text("utf-8")):
            words = "".join(one)
            if set(_WORD.findall(words)) - _SAME_EVERYWHERE:
                found.append(f"{file.name}: {words}")
    assert not found, "\n".join(found)
