"""Alarms across a start of the node or of the host."""

import pytest

from support.alarm_rig import AlarmRig


@pytest.fixture
def rig(tmp_path):
    rig = AlarmRig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize(("kind", "detail", "key"), [
    ("water", {"state": "falls", "moved_mm": 12}, "leak/idro-0"),
    ("irrigation_no_flow", {"state": "began", "on_ms": 20_000}, "roots_dry/idro-0"),
])
def test_a_failure_of_before_a_start_of_the_node_is_over_and_the_next_one_is_news(
        rig, kind, detail, key):
    """A node that has started reports no end of what it watched before."""
    rig.add_event("idro-0", kind, **detail)
    rig.step()
    rig.alarms.acknowledge([key], "anna", "", rig.now_unix_ms)
    rig.add_event("idro-0", "boot")
    rig.more["idro-0"]["boots_unix_ms"] = (rig.now_unix_ms,)
    rig.step()
    assert rig.states() == {}
    rig.more["idro-0"]["boots_unix_ms"] = ()  # of a day ago
    rig.now_unix_ms += 86_400_000
    rig.step()
    assert rig.states() == {}
    rig.add_event("idro-0", kind, **detail)
    rig.step()
    assert rig.states() == {key: "unacknowledged"}


def test_a_bottle_whose_doses_are_not_counted_yet_keeps_its_alarm(rig):
    """As where the database starts later than the host."""
    rig.more["idro-0"] = {"left_pct": {"ph_down": 0.0}}
    rig.step()
    rig.alarms.acknowledge(["bottle_empty/idro-0/ph_down"], "anna", "", rig.now_unix_ms)
    rig.restart()
    rig.more["idro-0"] = {"left_pct": {"ph_down": None}}
    assert rig.step(60_000) == []
    assert rig.states()["bottle_empty/idro-0/ph_down"] == "acknowledged"
    rig.more["idro-0"] = {"left_pct": {"ph_down": 90.0}}
    rig.step()
    assert rig.states() == {}
