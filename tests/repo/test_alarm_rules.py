"""Every shipped alarm tells a person what to do, and docs/alarms.md has a how-to for it."""

import re

from source_tree import ROOT, report

from idroserra.alarms.rule import WATCHES, load_rules
from idroserra.alarms.targets import open_targets
from idroserra.config import load_config


def page() -> str:
    return (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")


def facts(rule) -> str:
    """Return the sentence of the page that repeats what the rule says."""
    seconds = rule.on_delay_s
    delay = "at once" if not seconds else f"after {seconds} s" if seconds < 120 else (
        f"after {seconds // 60} min")
    return (f"{rule.priority.capitalize()}, told {delay}, to be answered within "
            f"{rule.respond_min} min. {rule.consequence}")


def test_every_alarm_has_its_how_to():
    why = "Somebody is woken at night and looks here; docs/alarms.md differs from the rules:"
    sections = dict(re.findall(r"^### `(\w+)`: (.+?)(?=^##|\Z)", page(), re.M | re.S))
    rules = load_rules()
    found = [f"{name}: no such rule" for name in sections if name not in rules]
    for name, rule in rules.items():
        section = " ".join(sections.get(name, "").split())
        if not section.startswith(f"{rule.title} {facts(rule)}"):
            found.append(f"{name}: says not: {rule.title} / {facts(rule)}")
        if not re.search(r"^1\. ", sections.get(name, ""), re.M):
            found.append(f"{name}: no steps")
    assert not found, report(why, found)


def test_the_examples_of_the_page_are_good(tmp_path):
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


def test_a_rule_says_what_to_do_in_a_sentence():
    for rule in load_rules().values():
        assert rule.action.endswith("."), rule.name
        assert rule.consequence.endswith("."), rule.name
        assert not rule.title.endswith("."), rule.name
