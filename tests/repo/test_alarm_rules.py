"""Every alarm, fault and refusal has instructions, and the docs have a how-to for it."""

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


def reasons_of_the_gate() -> dict[str, str]:
    """Return {reason: code} of each refusal of the firmware."""
    found = {}
    for name in ("interlocks", "air_interlocks", "gate"):
        text = (ROOT / "firmware" / "idro" / "safety" / f"{name}.py").read_text()
        for code, reason in re.findall(r'(?:return|=) \(?"([a-z_]+)", f?"([^"]+)', text):
            found[reason] = code
    return found


def reasons_of_the_loops() -> list[str]:
    """Return the beginning of each reason for holding a dose or a fill, without "held:"."""
    names = ("control/dosing", "control/top_off", "control/water_balance",
             "control/calibration_age", "app/control_cycle")
    texts = "".join((ROOT / "firmware" / "idro" / f"{name}.py").read_text() for name in names)
    return [reason for reason in re.findall(r'f?"held: ([^"{]+)', texts) if reason.strip()]


def test_every_reason_not_to_dose_is_explained():
    why = "host/docs/howto/reasons.toml must explain every reason for not dosing:"
    words = howto.load_howto("reasons")
    held = [entry for entry in words.values() if "latch" not in entry]
    known = tuple(word for entry in held for word in entry["words"])
    reasons = [*reasons_of_the_gate(), *reasons_of_the_loops()]
    assert len(reasons) > 30
    missing = [text for text in reasons if not text.startswith(("{", *known))]
    assert missing == [], why


def test_every_code_of_the_gate_is_explained():
    words = howto.load_howto("reasons").values()
    named = [entry.get("code", []) for entry in words]
    codes = {code for found in named for code in ([found] if isinstance(found, str) else found)}
    assert codes == set(reasons_of_the_gate().values()) | {"latched", "arming"}
    assert {entry["latch"] for entry in words if "latch" in entry} == set(LATCHES) - {""}


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
