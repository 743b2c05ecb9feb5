"""Tests of the calibration hold on dosing and filling, and of expired calibrations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.control.calibration_age import PH_MAX_DAYS, ph_decision
from idro.protocol import messages
from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold
from support.loops_rig import LoopsRig

MINUTE_MS = 60_000
DAY_MS = 86_400_000
DAY_2000 = 10_957
ACID = Decision("ph_down", 1_000, None, None, Reason("ph_high_dose", actuator="ph_down"))
DOSING = {"dosing.enabled": True, "level.target_mm": 200, "mixing.wait_ms": 120_000}


@pytest.fixture
def node(tmp_path):
    rig = LoopsRig(tmp_path, **DOSING)
    yield rig
    rig.close()


def test_a_hold_stops_dosing_and_filling_and_reports_its_time(node):
    node.read(ph=6.8, ec_us_cm=1_200, level_mm=150)
    node.loops.pause_automation(12 * MINUTE_MS)
    node.run_for(11 * MINUTE_MS)
    assert node.reasons("ph") == [Reason("calibration", left_ms=12 * MINUTE_MS)]
    assert node.reasons("ec") == node.reasons("ph") == node.reasons("top_off")
    assert not node.events_of("dosed")
    assert not node.outputs["top_off"].driver.is_on


def test_a_hold_expires(node):
    node.read(ph=6.8, ec_us_cm=1_600)
    node.loops.pause_automation(12 * MINUTE_MS)
    node.run_for(20 * MINUTE_MS)
    assert node.events_of("dosed", actuator="ph_down")
    assert node.loops.pause_left_ms == 0


def test_a_hold_of_0_or_a_reset_ends_it_immediately(node):
    node.read(ph=6.8, ec_us_cm=1_600)
    node.loops.pause_automation(60 * MINUTE_MS)
    node.run_for(4 * MINUTE_MS)
    node.loops.pause_automation(0)
    node.run_for(3 * MINUTE_MS)  # two of them until the readings count again
    assert node.events_of("dosed", actuator="ph_down")
    node.loops.pause_automation(60 * MINUTE_MS)
    node.reset(power_cut=False)
    assert node.loops.pause_left_ms == 0


def test_an_active_fill_is_paused_and_resumes_without_a_timeout(node):
    node.read(level_mm=150)
    node.run_for(9 * MINUTE_MS)
    assert node.outputs["top_off"].driver.is_on
    node.loops.pause_automation(30 * MINUTE_MS)
    node.cycles(1)
    assert not node.outputs["top_off"].driver.is_on
    node.loops.pause_automation(0)
    node.cycles(1)
    assert node.outputs["top_off"].driver.is_on


def test_moving_a_probe_between_cups_is_not_noise(node):
    node.loops.pause_automation(30 * MINUTE_MS)
    for step in range(60):
        node.read(ph=7.0 - step * 0.05)  # 0.3 a minute, for ten minutes
        node.cycles(1)
    assert not node.events_of("fault_began")


def test_the_duration_of_the_command_is_bounded():
    messages.check_args("hold", {"for_ms": 0})
    messages.check_args("hold", {"for_ms": 3_600_000})
    for args in ({}, {"for_ms": 3_600_001}, {"for_ms": -1}, {"for_ms": 1.5}):
        with pytest.raises(messages.ProtocolError):
            messages.check_args("hold", args)


def test_an_expired_calibration_holds_acid_if_the_date_is_known(node):
    node.settings.values["ph.calibrated_day"] = 9_000
    node.read(ph=6.8, ec_us_cm=1_600)
    node.clock.unix_ms = lambda: (DAY_2000 + 9_061) * DAY_MS
    node.run_for(10 * MINUTE_MS)
    assert node.reasons("ph")[-1] == Reason("ph_calibration_old", days=61)
    assert not node.events_of("dosed")
    node.clock.unix_ms = lambda: None
    node.run_for(10 * MINUTE_MS)
    assert node.events_of("dosed", actuator="ph_down")


def test_a_ph_that_needs_a_calibration_gives_no_acid_before_its_first():
    hold_it = Reason("no_ph", fault="uncalibrated")
    for unix_ms in (None, 9_000 * DAY_MS):
        assert ph_decision(ACID, 0, unix_ms, needs_calibration=True) == hold(hold_it)
        assert ph_decision(ACID, 0, unix_ms, needs_calibration=False) is ACID
    assert ph_decision(ACID, 9_000, None, needs_calibration=True) is ACID
    quiet = hold(Reason("ph_in_band", milli_ph=5_800, target_milli_ph=5_800))
    assert ph_decision(quiet, 0, None, needs_calibration=True) is quiet


@given(st.integers(0, 36_524), st.none() | st.integers(0, 4_102_444_800_000))
def test_only_a_known_and_expired_age_holds(calibrated_day, unix_ms):
    decision = ph_decision(ACID, calibrated_day, unix_ms, needs_calibration=False)
    is_old = (
        calibrated_day > 0 and unix_ms is not None
        and unix_ms >= (DAY_2000 + calibrated_day + PH_MAX_DAYS + 1) * DAY_MS
    )
    assert (decision.actuator is None) == is_old
    assert decision is ACID or decision.reason.code == "ph_calibration_old"
    quiet = hold(Reason("ph_in_band", milli_ph=5_800, target_milli_ph=5_800))
    assert ph_decision(quiet, calibrated_day, unix_ms, needs_calibration=False) is quiet
