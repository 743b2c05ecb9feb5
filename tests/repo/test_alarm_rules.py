"""Every alarm, fault and reason has instructions, and the docs have a how-to for it."""

import re

from idro.protocol.descriptions import FAULT_TEXTS
from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import WATCHES, load_rules
from idroserra.core.config import load_config
from idroserra.core.reasons import REASONS
from support.source_tree import ROOT
from tools.docs import howto


def page() -> str:
    return (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")


def test_every_alarm_has_its_how_to():
    why = "Every alarm links to its section of docs/alarm-howto.md:"
    shown = howto.pages()["alarm-howto.md"]  # refuses one without the other
    anchors = re.findall(r'^<a id="(\w+)"></a>$', shown, re.M)
    assert sorted(anchors) == sorted(load_rules()), why
    for group in ("host", "nodes", "readings"):
        for name, words in howto.load_howto(f"alarms_{group}").items():
            assert set(words) == {"look", "steps", "meanwhile"}, name
            sentences = [words["look"], *words["steps"], words["meanwhile"]]
            assert all(text[-1] in ".?" for text in sentences), name


def test_every_fault_has_its_how_to():
    shown = howto.pages()["faults.md"]
    assert re.findall(r'^<a id="(\w+)"></a>$', shown, re.M) == list(FAULT_TEXTS)


def test_every_reason_has_its_section():
    shown = howto.pages()["why-not-dosing.md"]
    anchors = re.findall(r'<a id="(\w+)"></a>', shown)
    assert len(anchors) == len(set(anchors))
    assert set(REASONS) <= set(anchors)
    linked = re.findall(r"\]\(#(\w+)\)", shown)
    assert sorted(linked) == sorted(REASONS)
    assert "## Why dosing locks itself\n" in shown  # host/docs/howto/alarms_nodes.toml links to it


def test_the_examples_of_the_page_are_valid(tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", page(), re.S)
    assert len(blocks) == 2
    for block in blocks:
        file = tmp_path / "host.toml"
        file.write_text(block)
        config = load_config(file).alarms
        load_rules(config.rules)
        open_targets(config.targets)
    assert [target.name for target in config.targets] == ["anna-phone", "office", "boss"]


def test_every_watch_has_a_rule():
    assert {rule.watch for rule in load_rules().values()} == set(WATCHES)


def test_action_and_consequence_are_sentences():
    for rule in load_rules().values():
        assert rule.action.endswith("."), rule.name
        assert rule.consequence.endswith("."), rule.name
        assert not rule.title.endswith("."), rule.name
