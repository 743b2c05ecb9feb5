"""The translations: whole, with every name and tag of the English text, and nothing left over."""

import re
from collections import Counter

import pytest
from babel.messages.pofile import read_po

from idroserra.i18n.node_messages import MESSAGE_PATTERNS
from idroserra.i18n.translate import LANGUAGES, catalog_file, plural_forms
from support.source_tree import report
from tools import extract_messages

OTHERS = list(LANGUAGES)[1:]
# `{name}`, tags with what is in them that is no text, and commands between backticks.
_KEPT = re.compile(r"\{\w+\}|</?\w+[^>]*>|`[^`]*`|&\w+;")


def catalog(language):
    with catalog_file(language).open("rb") as file:
        return read_po(file, locale=language)


def kept(text):
    return Counter(_KEPT.findall(text))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_keeps_every_name_and_tag(language):
    wrong = []
    for message in catalog(language):
        ids = plural_forms(message.id)
        for form in plural_forms(message.string):
            # A form for "1" may name the number or not.
            if form and message.id and kept(form) not in [kept(one) for one in ids]:
                wrong.append(f"{ids[0]!r} became {form!r}")
    assert not wrong, report("`{name}`, tags and commands stay as in English:", wrong)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_tree_has_a_translation(language):
    missing = [plural_forms(message.id)[0] for message in extract_messages.updated(language)
               if message.id and not extract_messages.is_translated(message)]
    left = {message.id for message in catalog(language)} - {
        message.id for message in extract_messages.updated(language)}
    assert not missing, report("Run `make words` and translate (docs/languages.md):", missing)
    assert not left, report("Run `make words`: nobody says this any more:", sorted(map(str, left)))


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_fuzzy_or_obsolete(language):
    found = catalog(language)
    assert [message.id for message in found if message.id and message.fuzzy] == []
    assert not found.obsolete


def test_every_form_of_code_is_found():
    """The extraction sees each way a text is marked, so that completeness means something."""
    texts = {plural_forms(message.id)[0] for message in extract_messages.template() if message.id}
    for text in ("Log in", "Confirmed: {volume} of {what} given", "Explains 1 other alarm",
                 "All is well: readings are fresh and in their bands.",
                 "The broker does not answer",
                 "rosette", "setpoint of pH", "rising", "pH down", *MESSAGE_PATTERNS):
        assert text in texts
