"""Locale of an answer: negotiation, plurals, number formats, units and translated messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.i18n import translate
from idroserra.i18n.translate import (
    Locale,
    format_number,
    localize_numbers,
    negotiate_language,
    translate_message,
    use_locale,
)

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


def test_figures_of_a_sentence_change_units():
    text = "EC 1.83 mS/cm, 1500 uS/cm, 21.5 C, 80.0 L, version 1.2.3, 40 %"
    with use_locale(Locale("en", "ppm500", "F", "gal")):
        assert localize_numbers(text) == ("EC 915 ppm (500), 750 ppm (500), 70.7 °F, 21.1 gal, "
                                 "version 1.2.3, 40 %")
    with use_locale(Locale("it", "uS/cm")):
        assert localize_numbers(text) == (
            "EC 1830 µS/cm, 1500 µS/cm, 21,5 °C, 80,0 L, version 1.2.3, 40 %")


@given(st.text(max_size=80))
def test_whatever_is_said_stays_a_sentence(text):
    with use_locale(Locale("zh", "ppm700", "F", "gal")):
        assert isinstance(translate_message(text), str)
    assert translate_message(text) == text


@pytest.mark.parametrize(("speech", "english", "translated"), [
    (Locale("it"), "held: mixing, 4 min left", "in attesa: miscelazione, ancora 4 min"),
    (Locale("it"), "pH high: ph_down, 6.04 at 5.90, 12.0 ml/pH, drift +0.02/h",
     "pH alto: ph_down, 6,04 su 5,90, 12,0 ml/pH, deriva +0,02/h"),
    (Locale("zh", "ppm500"), "EC is 1.83 mS/cm, above 1.70 mS/cm.",
     "EC为915 ppm (500)，高于850 ppm (500)。"),
    (Locale("zh", temperature="F"), "by 2.0 C to 31.0 C", "升了3.6 °F，到87.8 °F"),
    (Locale("it"), "no pattern for this sentence: 2.5", "no pattern for this sentence: 2,5"),
])
def test_node_messages_are_translated(speech, english, translated):
    with use_locale(speech):
        assert translate_message(english) == translated
