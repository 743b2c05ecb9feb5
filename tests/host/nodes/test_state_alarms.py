"""Alarms, circulation and channels in the state of a node: never green beside an alarm."""

from dataclasses import replace

import pytest

from idroserra.alarms.rules import CHANNEL, NODE, load_rules
from idroserra.core.reasons import Reason
from idroserra.node_state.calibration_age import day_of
from idroserra.node_state.inputs import EC, LEAK, LEVEL, PH, RaisedAlarm, Reported
from idroserra.node_state.state import state_of
from support.node_inputs import (
    BEFORE,
    NOW,
    WELL,
    blocked,
    changed,
    check_is_complete,
    check_is_no_lie,
    reading,
    with_readings,
    with_settings,
)

# An alarm that the state has a cause for, with its level; and the same without that cause.
ALARMS = {
    "silent": ("", changed(is_online=False), "bad"),
    "latched": ("", changed(hold=Reported(Reason("latch_no_effect"), BEFORE)), "bad"),
    "water": ("", changed(conditions=(Reported(Reason("water_rises", moved_mm=9), BEFORE),)),
              "bad"),
    "settings_refused": ("", changed(settings_error=Reason("setting_unknown", setting="x")),
                         "bad"),
    "recipe_held": ("", changed(recipe_paused=Reported(Reason("host_silent"), BEFORE)), "bad"),
    "calibration": ("", with_settings(ph__calibrated_day=day_of(NOW) - 31), "bad"),
    "stale": ("air.temp_c", with_readings(air=reading(20.0, ago_ms=90_000)), "bad"),
    "fault": ("air.temp_c", with_readings(air=reading(fault="crc")), "bad"),
    "above_band": (PH, with_readings(ph=reading(6.15, low=5.7, high=6.1)), "bad"),
    "below_band": (LEVEL, with_readings(level=reading(90, low=120, high=240)), "bad"),
    "irrigation_no_flow": (
        "", changed(conditions=(Reported(Reason("pump_without_flow", on_ms=9), BEFORE),)), "bad"),
    "irrigation_stuck_on": (
        "", changed(conditions=(
            Reported(Reason("flow_with_pump_off", flow_ml_per_min=9), BEFORE),)), "bad"),
    "air_too_hot": ("", changed(conditions=(Reported(Reason("hot_lock_warm"), BEFORE),)), "bad"),
    "air_warms": ("", changed(conditions=(Reported(Reason("heater_suspect"), BEFORE),)), "bad"),
    "above": (LEAK, lambda inputs: replace(
        inputs, readings=inputs.readings | {LEAK: reading(1)}), "bad"),
    "flash_failed": ("", None, "bad"),
}


def alarm(watch, part="", priority="high", *, is_active=True):
    return RaisedAlarm(watch, "It is wrong", priority, BEFORE, watch, part, is_active)


@pytest.mark.parametrize("watch", ALARMS)
def test_a_node_with_a_high_alarm_is_never_green_and_shows_it_once(watch):
    part, change, level = ALARMS[watch]
    beside = state_of(replace(WELL, alarms=(alarm(watch, part),)))
    assert (beside.level, beside.cause.code) == (level, "alarm_raised")
    check_is_complete(beside)
    if change is None:
        return
    inputs = change(WELL)
    state = state_of(replace(inputs, alarms=(alarm(watch, part),)))
    assert state.level == level
    assert [one.reason.code for one in state.causes] == [
        one.reason.code for one in state_of(inputs).causes]


@pytest.mark.parametrize(("priority", "level"), [
    ("low", "note"), ("medium", "note"), ("high", "warn"), ("urgent", "warn")])
def test_an_alarm_that_is_over_is_shown_until_it_is_acknowledged(priority, level):
    state = state_of(replace(WELL, alarms=(alarm("silent", "", priority, is_active=False),)))
    assert (state.level, state.cause.code) == (level, "alarm_returned")
    assert state.dosing_cause is None
    check_is_complete(state)


def test_the_alarm_rules_watch_nothing_that_the_state_does_not_merge():
    named = {rule.watch for rule in load_rules(None).values() if rule.watch in (*NODE, *CHANNEL)}
    found_by_alarm_only = {"reset_loop", "flash_failed", "thinned", "clock_off", "bus_dead",
                           "update_failed", "micropython", "psram", "cpu", "below"}
    assert named - found_by_alarm_only <= set(ALARMS)


def circulation(on_pct, **settings):
    return lambda inputs: with_settings(**settings)(replace(
        inputs, readings=inputs.readings | {"circulation.on_pct": reading(on_pct)}))


def test_continuous_circulation_that_stands_still_forbids_doses():
    """The node gives no dose while its circulation pump is off."""
    state = state_of(circulation(0, circulation__off_ms=0)(WELL))
    assert (state.cause.code, state.level) == ("circulation_off", "warn")
    assert state.levels_by_channel["circulation.on_pct"] == "warn"
    check_is_no_lie(state)
    check_is_complete(state)
    assert state_of(circulation(100, circulation__off_ms=0)(WELL)).level == "ok"
    assert state_of(circulation(0, circulation__off_ms=60_000)(WELL)).level == "ok"  # its rest
    blocked_too = blocked("circulation_off")(circulation(0, circulation__off_ms=0)(WELL))
    assert [one.reason.code for one in state_of(blocked_too).causes] == ["circulation_off"]


def test_the_level_of_each_channel_is_that_of_its_worst_cause():
    """Water low beside EC far off: both tiles show it."""
    state = state_of(with_readings(level=reading(90, low=120, high=240),
                                   ec=reading(900, low=1_500, high=1_700),
                                   ph=reading(6.15, low=5.7, high=6.1),
                                   air=reading(fault="crc"))(WELL))
    assert state.levels_by_channel == {
        LEVEL: "bad", EC: "warn", PH: "note", "air.temp_c": "bad"}
