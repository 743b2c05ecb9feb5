"""Every alarm, fault and refusal tells a person what to do, and the docs have a how-to for it."""

import re

from idro.protocol.descriptions import FAULT_TEXTS
from idro.safety.ledger import LATCHES
from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import WATCHES, load_rules
from idroserra.core.config import load_config
from support.source_tree import ROOT
from tools.docs import howto


def page() -> str:
    return (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")


def test_every_alarm_has_its_how_to():
    why = "Somebody is woken at night and follows the link of the alarm to docs/alarm-howto.md:"
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


def reasons_of_the_gate() -> dict[str, str]:
    """Return {what is said: code} of each refusal of the firmware."""
    found = {}
    for name in ("interlocks", "air", "gate"):
        text = (ROOT / "firmware" / "idro" / "safety" / f"{name}.py").read_text()
        for code, said in re.findall(r'(?:return|=) \(?"([a-z_]+)", f?"([^"]+)', text):
            found[said] = code
    return found


def reasons_of_the_loops() -> list[str]:
    """Return how each reason for holding a dose or a fill begins, without its "held:"."""
    names = ("control/dosing", "control/topoff", "control/water_balance", "control/calibration",
             "app/loops")
    texts = "".join((ROOT / "firmware" / "idro" / f"{name}.py").read_text() for name in names)
    return [said for said in re.findall(r'f?"held: ([^"{]+)', texts) if said.strip()]


def test_every_reason_not_to_dose_is_explained():
    why = "A grower looks up why nothing is dosed; host/docs/howto/reasons.toml does not say:"
    words = howto.load_howto("reasons")
    held = [one for one in words.values() if "latch" not in one]
    known = [word for one in held for word in one["words"]]
    said = [*reasons_of_the_gate(), *reasons_of_the_loops()]
    assert len(said) > 30
    missing = [text for text in said
               if not text.startswith("{") and not text.startswith(tuple(known))]
    assert missing == [], why


def test_every_code_of_the_gate_is_explained():
    words = howto.load_howto("reasons").values()
    named = [one.get("code", []) for one in words]
    codes = {code for found in named for code in ([found] if isinstance(found, str) else found)}
    assert codes == set(reasons_of_the_gate().values()) | {"latched", "arming"}
    assert {one["latch"] for one in words if "latch" in one} == set(LATCHES) - {""}


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
