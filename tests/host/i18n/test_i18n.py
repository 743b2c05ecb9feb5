"""Locale of an answer: negotiation, number formats, and texts with values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core.text import Text
from idroserra.i18n import translate
from idroserra.i18n.translate import Locale, format_number, negotiate_language, use_locale

ITALIAN = Locale("it")


@pytest.mark.parametrize(("header", "language"), [
    ("", "en"), ("it", "it"), ("it-IT,it;q=0.9,en;q=0.8", "it"), ("de,zh-CN;q=0.5", "zh"),
    ("de", "en"), ("en;q=0.2, it;q=0.9", "it"), ("it;q=0, en", "en"), ("it;q=x,zh", "zh"),
    ("zh-TW", "zh"), (";;;,,", "en"),
])
def test_the_browser_is_understood(header, language):
    assert negotiate_language(header) == language


@given(st.text(max_size=60))
def test_any_header_gives_a_language(header):
    assert negotiate_language(header) in translate.LANGUAGES


def test_numbers_are_written_as_the_language_does():
    assert format_number(1.5, 2) == "1.50"
    with use_locale(ITALIAN):
        assert format_number(1.5, 2) == "1,50"
    assert format_number(1.5, 2) == "1.50"


def test_a_text_is_translated_by_its_template():
    text = Text("{what}: no reading. {fault}", what="ph-a",
                fault=Text("There is no recent reading."))
    assert text == "ph-a: no reading. There is no recent reading."
    with use_locale(ITALIAN):
        assert translate.translate(text) == "ph-a: nessuna lettura. Non c'è una lettura recente."


def test_a_name_in_a_text_is_not_translated():
    with use_locale(ITALIAN):
        assert translate.translate("room") == "stanza"
        assert translate.translate(Text("{what}: {fault}", what="room", fault="x")) == "room: x"


@given(st.text(max_size=80))
def test_an_unknown_text_stays_as_it_is(text):
    with use_locale(Locale("zh", "ppm700", "F", "gal")):
        assert translate.translate(f"{text}?!") == f"{text}?!"
