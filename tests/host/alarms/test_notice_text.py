"""What a node says is one line of a notice."""

import pytest

from idroserra.core.reasons import Reason
from support.alarm_rig import MINUTE_MS, AlarmRig


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x7f", "\x9b", "\u202e"])
def test_a_text_of_a_node_forges_no_line_about_another_one(tmp_path, receiver, mark):
    forged = f"{mark}idro-1 now: All is well."
    config = {"targets": [{"name": "phone", "url": receiver.url()}]}
    rig = AlarmRig(tmp_path, count=2, config=config)
    rig.node_states = {"idro-0": f"Dosing is locked{forged}"}
    rig.add_event("idro-0", "latched", reason=Reason("actuator_failed", detail=forged).as_json())
    rig.step(2 * MINUTE_MS)
    rig.close()
    [message] = receiver.messages
    assert mark not in message["message"]
    assert message["message"].count("idro-1 now") == 2
    assert len(message["message"].splitlines()) == 4
