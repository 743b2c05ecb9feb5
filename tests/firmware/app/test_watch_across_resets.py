"""Tests of what a reset must not forget of doses that seem to have had no effect."""

import pytest

from idro.protocol.reason import Reason
from support.loops_rig import LoopsRig

MINUTE_MS = 60_000
LATCHED = [{"reason": Reason("latch_no_effect").as_json()}]


@pytest.fixture
def node(tmp_path):
    rig = LoopsRig(tmp_path, **{
        "dosing.enabled": True, "light.on_minute": 360, "light.on_minutes": 960})
    yield rig
    rig.close()


def until_watched(node, loop="ph", ph=6.9, ec_us_cm=1_600):
    """Run until the hour without doses has begun."""
    node.read(ph=ph, ec_us_cm=ec_us_cm)
    while "effect_watched" not in [reason.code for reason in node.reasons(loop)]:
        node.run_for(MINUTE_MS)
    assert not node.events_of("latched")


def acid_doses(node):
    return len(node.events_of("dosed", actuator="ph_down"))


@pytest.mark.parametrize("resets", [1, 3])
def test_a_power_cut_in_the_hour_without_doses_locks_before_another(node, resets):
    until_watched(node)
    doses = acid_doses(node)
    for _ in range(resets):
        node.reset(power_cut=True)
    node.read(ph=6.6)  # as if the doses had worked in the meantime
    node.run_for(90 * MINUTE_MS)
    assert acid_doses(node) == doses
    assert node.events_of("latched") == LATCHED
    assert Reason("doser_no_effect", actuator="ph_down") in node.reasons("ph")


def test_a_power_cut_after_a_watch_that_excused_doses_allows_no_second_one(node):
    until_watched(node)
    for _ in range(61):  # the water rises without doses: they held against it
        node.read(ph=node.sampler.readings["reservoir.ph"].value + 0.004)
        node.run_for(MINUTE_MS)
    node.reset(power_cut=True)
    node.read(ph=7.1)
    while not node.events_of("latched"):
        node.run_for(MINUTE_MS)
        assert node.reasons("ph")[-1].code != "effect_watched"


def test_a_fill_that_ends_the_hour_and_a_power_cut_forgive_nothing(node):
    until_watched(node)
    doses = acid_doses(node)
    node.dosing.invalidate()  # as a fill does
    node.run_for(MINUTE_MS)
    assert acid_doses(node) - doses <= 1
    doses = acid_doses(node)
    node.reset(power_cut=True)
    node.run_for(30 * MINUTE_MS)
    assert acid_doses(node) == doses
    assert node.events_of("latched") == LATCHED


def test_a_write_that_failed_is_tried_again(node):
    put = node.nvs.put

    def full(**values):
        if "learned" in values:
            raise OSError(28)
        put(**values)

    node.nvs.put = full
    until_watched(node)
    node.nvs.put = put
    node.run_for(MINUTE_MS)
    node.reset(power_cut=True)
    node.run_for(20 * MINUTE_MS)
    assert node.events_of("latched") == LATCHED


def test_the_pump_of_the_watched_doses_is_named_though_another_ran_since(node):
    until_watched(node, "ec", ph=5.8, ec_us_cm=1_300)
    node.reset(power_cut=True)
    node.read(ph=6.9, ec_us_cm="no_ack")
    node.run_for(30 * MINUTE_MS)
    assert acid_doses(node)
    node.read(ec_us_cm=1_300)
    node.run_for(30 * MINUTE_MS)
    assert Reason("doser_no_effect", actuator="nutrient_b") in node.reasons("ec")


def test_a_calibration_in_a_pause_forgives_across_a_power_cut(node):
    until_watched(node)
    node.loops.pause_automation(30 * MINUTE_MS)
    node.run_for(MINUTE_MS)
    node.loops.settings_changed({"ph.neutral_uv": 1_500_000})
    node.run_for(MINUTE_MS)
    node.reset(power_cut=True)
    node.read(ph=5.8)
    node.run_for(30 * MINUTE_MS)
    assert not node.events_of("latched")


def test_an_update_waits_for_the_end_of_the_hour(node):
    until_watched(node)
    node.run_for(10 * MINUTE_MS)
    obstacle = node.loops.restart_obstacle()
    assert obstacle.code == "effect_watched"
    assert 0 < obstacle.values["left_ms"] <= 50 * MINUTE_MS
    node.run_for(60 * MINUTE_MS)
    assert node.loops.restart_obstacle() is None


def test_a_boot_without_doses_writes_nothing_learned(node):
    node.kept.save_learned((1_009, 1_001, 1_003, 1_100, 1_000, 0))
    node.read(ph=5.8, ec_us_cm=1_600)
    for _ in range(5):
        node.reset(power_cut=True)
        node.run_for(3 * MINUTE_MS)
    assert node.kept.learned() == (1_009, 1_001, 1_003, 1_100, 1_000, 0)


def test_a_new_titration_survives_a_power_cut(node):
    node.read(ph=6.9, ec_us_cm=1_600)
    node.run_for(16 * MINUTE_MS)
    node.read(ph=6.65)  # three times the declared titration
    node.run_for(5 * MINUTE_MS)
    assert node.kept.learned()[0] > 1_500
    node.loops.settings_changed({"ph.down_ul_per_ph": 40_000})
    node.run_for(MINUTE_MS)
    assert node.kept.learned()[0] == 1_000
