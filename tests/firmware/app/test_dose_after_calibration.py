"""No dose of control by what a probe read before its calibration, or in a buffer."""

import pytest

from support.loops_rig import EVERY_MS, LoopsRig

MINUTE_MS = 60_000


@pytest.fixture
def node(tmp_path):
    rig = LoopsRig(tmp_path, **{"dosing.enabled": True})
    rig.read(ph=5.8, ec_us_cm=1_600)
    rig.run_for(20 * MINUTE_MS)
    assert not rig.events_of("dosed")
    yield rig
    rig.close()


def hold(node, for_ms, **values):
    """Pause for a calibration, with the probes reading `values`."""
    node.loops.pause_automation(for_ms)
    node.read(**values)
    node.run_for(for_ms - EVERY_MS)


@pytest.mark.parametrize("in_buffer", [4.01, 6.86, 9.18])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_probe_that_comes_back_from_a_buffer_doses_nothing(node, in_buffer, is_ended):
    hold(node, 10 * MINUTE_MS, ph=in_buffer)
    if is_ended:
        node.loops.pause_automation(0)
    node.read(ph=5.8)
    node.run_for(60 * MINUTE_MS)
    assert not node.events_of("dosed")


@pytest.mark.parametrize("before", [5.2, 6.4])
def test_a_calibration_without_a_hold_doses_nothing_by_the_old_one(node, before):
    node.loops.pause_automation(EVERY_MS)
    node.read(ph=before)
    node.run_for(2 * MINUTE_MS)
    node.loops.settings_changed({"ph.neutral_uv": 1_500_000})
    node.read(ph=5.8)
    node.run_for(60 * MINUTE_MS)
    assert not node.events_of("dosed")


def test_after_a_hold_dosing_waits_for_plausible_readings_again(node):
    hold(node, 5 * MINUTE_MS, ph=6.4)
    ended_ms = node.clock.now_ms()
    while not node.events_of("dosed", actuator="ph_down"):
        node.cycles(1)
    assert 2 * MINUTE_MS <= node.clock.now_ms() - ended_ms < 4 * MINUTE_MS


def test_a_calibration_leaves_circulation_on(node):
    edges = len([edge for edge in node.rig.edges if edge[1] == "circulation"])
    hold(node, 5 * MINUTE_MS, ph=7.0)
    node.read(ph=5.8)
    node.run_for(5 * MINUTE_MS)
    node.loops.settings_changed({"ph.neutral_uv": 1_500_000})
    node.run_for(5 * MINUTE_MS)
    assert len([edge for edge in node.rig.edges if edge[1] == "circulation"]) == edges
