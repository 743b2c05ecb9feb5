"""The translations are complete and current, and contain the placeholders of the English text."""

import re
from collections import Counter

import pytest
from babel.messages.pofile import read_po

from idroserra.i18n.translate import LANGUAGES, catalog_file, plural_forms
from support.source_tree import report
from tools import extract_messages

OTHERS = list(LANGUAGES)[1:]
# `{name}`, tags with their attributes, commands between backticks, and entities.
_PLACEHOLDERS = re.compile(r"\{\w+\}|</?\w+[^>]*>|`[^`]*`|&\w+;")

_WORD = re.compile(r"[A-Za-z]{3,}")
# Texts that are the same in both languages.
SAME = {
    "it": {
        "Account", "Android", "Backup", "Base", "Computer", "E-mail", "Formula", "Hardware", "Max",
        "Min", "Offset", "Offset, mV", "Password", "Pin", "Scenario", "Server", "Volume",
        "Volume, ml", "Webhook (JSON)", "base", "broker", "bus", "dimmer", "file", "min", "volume",
        "{count} min", "{name}, meq", "{what}, max", "{what}, min"},
    "zh": {"Android", "Webhook (JSON)"},
}


def catalog(language):
    with catalog_file(language).open("rb") as file:
        return read_po(file, locale=language)


def placeholders(text):
    return Counter(_PLACEHOLDERS.findall(text))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_placeholders_of_its_text(language):
    wrong = []
    for message in catalog(language):
        ids = plural_forms(message.id)
        for form in plural_forms(message.string):
            # The singular form may omit the number.
            if form and message.id and placeholders(form) not in map(placeholders, ids):
                wrong.append(f"{ids[0]!r} became {form!r}")
    assert not wrong, report("Do not translate `{name}`, tags and commands:", wrong)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_tree_has_a_translation(language):
    updated = extract_messages.updated(language)
    missing = [plural_forms(message.id)[0] for message in updated
               if message.id and not extract_messages.is_translated(message)]
    left = {message.id for message in catalog(language)} - {message.id for message in updated}
    assert not missing, report("Run `make words` and translate (CONTRIBUTING.md):", missing)
    assert not left, report("Run `make words`; these are not used:", sorted(map(str, left)))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_not_the_english_text(language):
    """Words of the page that stayed English, such as the name of a channel."""
    same = {form for message in catalog(language) if message.id
            for form in {*plural_forms(message.id)} & {*plural_forms(message.string)}
            if _WORD.search(_PLACEHOLDERS.sub("", form))}
    assert not same - SAME[language], report("Translate, or add to SAME:", same - SAME[language])


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_fuzzy_or_obsolete(language):
    found = catalog(language)
    assert [message.id for message in found if message.id and message.fuzzy] == []
    assert not found.obsolete


def test_extraction_finds_every_kind_of_source():
    texts = {plural_forms(message.id)[0] for message in extract_messages.template() if message.id}
    for text in ("Log in", "Confirmed: {volume} of {what} dosed", "1 grouped alarm",
                 "all is well: readings are fresh and in their bands",
                 "The broker does not answer",
                 "rosette", "target pH", "rising", "pH down", "water is on the floor",
                 "the pH probe was last calibrated {days} day ago"):
        assert text in texts
