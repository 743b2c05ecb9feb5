"""Every code of a reason or fault has one topic of the help, in every language."""

import re
from collections import Counter

import pytest

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.core.reasons import REASONS, VALUES
from idroserra.help.texts import BY_UNIT, MENDERS, SEVERITIES, mender_of, sentence_of, severity_of
from idroserra.help.topics import FILES, FOLDER, SEE, codes, groups, help_address, topic_of
from idroserra.i18n.translate import LANGUAGES, Locale, gettext, use_locale
from support.source_tree import ROOT, report

TOPICS = {name: topic for group in groups() for name, topic in group.topics.items()}
# Commands are for the terminal; the help is read on a phone, at the tank.
COMMAND = re.compile(r"idroserra |`")


def test_every_code_has_exactly_one_topic():
    why = "Add each code to one topic in host/idroserra/help/topics (CONTRIBUTING.md):"
    found = Counter(code for topic in TOPICS.values() for code in topic.codes)
    known = set(REASONS) | set(FAULT_TEXTS)
    wrong = [f"{code}: no topic" for code in sorted(known - set(found))]
    wrong += [f"{code}: unknown" for code in sorted(set(found) - known)]
    wrong += [f"{code}: {count} topics" for code, count in found.items() if count > 1]
    assert not wrong, report(why, wrong)
    assert set(codes()) == known


def test_names_of_topics_and_codes_are_anchors_of_one_page():
    names = [name for group in groups() for name in group.topics]
    assert len(names) == len(set(names))
    for name, topic in TOPICS.items():
        assert topic_of(name) in (None, topic), name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name


def test_every_file_is_a_group():
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(FILES)
    assert [group.name for group in groups()] == list(FILES)


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_of_plain_sentences(name):
    topic = TOPICS[name]
    assert topic.codes
    assert topic.do
    assert not topic.title.endswith(".")
    assert topic.means or not set(topic.codes) & set(REASONS)
    for text in (*filter(None, [topic.means]), *topic.do):
        assert text[-1] in ".?", text
        assert text[0].isupper(), text
        assert not COMMAND.search(text), text


def test_a_topic_refers_to_pages_of_the_documentation():
    assert {name for topic in TOPICS.values() for name in topic.see} == set(SEE)
    assert [name for name in SEE if not (ROOT / "docs" / f"{name}.md").is_file()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_has_sentence_severity_and_mender_in_every_language(language):
    with use_locale(Locale(language)):
        for code in codes():
            assert "{" not in sentence_of(code)
            assert bool(severity_of(code)) == bool(mender_of(code)) == (code in REASONS)


@pytest.mark.parametrize("language", list(LANGUAGES)[1:])
def test_a_topic_is_translated_with_its_emphasis(language):
    with use_locale(Locale(language)):
        for topic in TOPICS.values():
            for text in filter(None, (topic.title, topic.means, *topic.do)):
                assert gettext(text) != text or text == "Hardware"
                assert gettext(text).count("*") == text.count("*"), text


def test_every_unit_of_a_value_has_a_word():
    assert set(VALUES.values()) - set(BY_UNIT) == set()


def test_values_stand_as_words():
    assert sentence_of("mixing") == "the water is mixing, [time] left"
    assert sentence_of("ph_calibration_old") == "the pH probe was last calibrated [days] days ago"
    assert sentence_of("noisy") == FAULT_TEXTS["noisy"]


def test_severities_and_menders_are_those_of_the_contract():
    assert {row.severity for row in REASONS.values()} == set(SEVERITIES)
    assert {row.mender for row in REASONS.values()} == set(MENDERS)


def test_the_address_of_an_unknown_code_is_empty():
    assert help_address("mixing") == "/help/reasons#mixing"
    assert help_address("noisy") == "/help/reasons#noisy"
    assert help_address("a_code_of_a_newer_node") == ""
