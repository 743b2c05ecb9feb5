"""Correction events of the firmware and their texts on the host agree in every state."""

import pytest

from idroserra.i18n.events import event_text
from idroserra.nodes.correction_state import described
from support.fresh_fill import fresh_fill


@pytest.fixture
def node(tmp_path):
    with fresh_fill(tmp_path) as rig:
        yield rig


def test_from_opened_to_the_target(node):
    node.correction.begin("ph_down", 6_000, 400_000, "ann")
    node.cycles(60)
    node.cycles(1, held_ms=1_000)
    node.cycles(5)
    node.read(ph=6.03)
    node.cycles(60)
    reports = [described(detail, 0) for detail in node.events_of("correction")]
    states = list(dict.fromkeys(one["state"] for one in reports))
    assert set(states) == {"opened", "held", "ready", "given", "ended"}
    assert [one["is_open"] for one in reports] == [True] * (len(reports) - 1) + [False]
    assert reports[-1]["is_reached"]
    assert reports[-1]["given_ul"] == 30_000
    assert {one["total_ul"] for one in reports} == {400_000}
    ready = next(one for one in reports if one["state"] == "ready")
    assert ready["text"] == "Press the button on the board: 30.0 ml of pH down"
    waits = [one for one in reports if one["wait_until_unix_ms"]]
    assert waits
    assert all(one["wait_until_unix_ms"] <= 300_000 for one in waits)
    assert all("left" not in one["text"] for one in waits)


def test_every_state_is_a_sentence(node):
    node.correction.begin("ph_down", 6_000, 400_000, "ann")
    node.read(ph="no_ack")
    node.cycles(30)
    node.gate.stop("ben")
    node.cycles(5)
    sentences = [event_text("correction", detail) for detail in node.events_of("correction")]
    assert sentences[-1] == (
        "Correction with pH down is over: a person stopped dosing, 0.00 ml given")
    assert any(text.startswith("Correction with pH down waits: ") for text in sentences)
    assert not described(node.events_of("correction")[-1], 0)["is_reached"]


@pytest.mark.parametrize("state", ["opened", "held", "ready", "given", "ended"])
@pytest.mark.parametrize("value", ["", "soon", True, {"code": "gap", "values": {}}])
def test_values_of_another_type_are_no_times_and_volumes(state, value):
    reason = {"code": "mixing", "values": {"left_ms": value, "volume_ul": value}}
    found = described({"state": state, "reason": reason, "next_ul": value}, 5)
    assert found["text"]
    assert found["wait_until_unix_ms"] in (None, 6)
