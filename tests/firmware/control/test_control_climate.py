"""Tests of fan, heater and humidifier decisions by air, time and current state."""

import csv
import struct
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.control import climate, frozen_sensor, stuck_heater
from idro.control.climate import OutputState
from idro.control.filters import Reading
from idro.errors import SettingsError
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.reasons import REASONS

ORACLE = Path(__file__).parents[2] / "oracle"
VALUES = settings.defaults()
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
RESTED = OutputState(False, HOUR_MS)
RUNNING, JUST_ON = OutputState(True, HOUR_MS), OutputState(True, 1)
COLD = Reason("air_cold", deci_c=170, target_deci_c=180)
WARM = Reason("warm_enough", deci_c=200, target_deci_c=180)
MOIST = Reason("moist_enough", vpd_pa=1_194, target_pa=1_200)
DAY, NIGHT = climate.setpoints(VALUES, True), climate.setpoints(VALUES, False)


def reading(value):
    return Reading(None, value) if isinstance(value, str) else Reading(value, None)


def air(temp_c=20.0, rh_pct=60.0):
    return climate.combine(reading(temp_c), reading(rh_pct))


def conditions_of(*seen, values=VALUES, wanted=DAY):
    conditions = climate.AirConditions()
    for one in seen:
        conditions.update(one, wanted, values)
    return conditions


def fan(seen, output=RESTED, now_ms=30 * MINUTE_MS, must_cool=False, values=VALUES, wanted=DAY):
    conditions = conditions_of(seen, values=values, wanted=wanted)
    return climate.fan(seen, conditions, wanted, must_cool, values, output, now_ms)


def heater(seen, output=RESTED, is_fan_on=False, is_suspect=False, wanted=DAY):
    conditions = conditions_of(seen, wanted=wanted)
    return climate.heater(seen, conditions, wanted, is_suspect, is_fan_on, VALUES, output)


def humidifier(seen, output=RESTED):
    return climate.humidifier(seen, conditions_of(seen), DAY, output)


def rows(name):
    with (ORACLE / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def test_vpd_matches_the_tables():
    count = 0
    for row in rows("psychrometrics.csv"):
        found = climate.vpd_pa(float(row["temp_C"]), float(row["RH_pct"]))
        assert found == pytest.approx(float(row["VPD_Pa"]), rel=0.002, abs=1), row
        count += 1
    for row in rows("sat_vapour_pressure.csv"):
        found = climate.vpd_pa(float(row["temp_C"]), 0.0)
        assert found == pytest.approx(float(row["IAPWS_IF97_Pa"]), rel=0.001, abs=1), row
        assert found == pytest.approx(float(row["Buck1996_Pa"]), abs=0.6), row
        count += 1
    assert count == 105


@given(st.floats(-40, 85, width=32), st.floats(0, 100, width=32))
def test_vpd_is_an_integer_that_falls_with_humidity(temp_c, rh_pct):
    found = climate.vpd_pa(temp_c, rh_pct)
    assert isinstance(found, int)
    assert 0 <= found <= 60_000
    assert climate.vpd_pa(temp_c, min(100.0, rh_pct + 1)) <= found
    assert abs(climate.vpd_pa(single(temp_c * 1.000_000_1), rh_pct) - found) <= 2


@pytest.mark.parametrize(("clock", "by_day"), [
    ((5, 59), False), ((6, 0), True), ((21, 59), True), ((22, 0), False), ((0, 0), False),
])
def test_day_is_the_photoperiod(clock, by_day):
    assert climate.is_day(clock[0] * 3_600 + clock[1] * 60, VALUES) is by_day


def test_photoperiods_of_24_hours_and_of_0():
    for length, by_day in ((1_440, True), (0, False)):
        values = VALUES | {"light.on_minutes": length}
        assert {climate.is_day(s, values) for s in range(0, 86_400, 600)} == {by_day}


def test_setpoints_follow_the_photoperiod():
    assert DAY == (18.0, 24.0, 400, 1_200)
    assert NIGHT == (16.0, 22.0, 200, 1_000)


@pytest.mark.parametrize(("seen", "wanted", "is_on", "reason"), [
    (air(20.0), DAY, False, Reason("air_well")),
    (air(24.1), DAY, True, Reason("air_warm", deci_c=241, target_deci_c=240)),
    (air(23.0), NIGHT, True, Reason("air_warm", deci_c=230, target_deci_c=220)),
    (air(20.0, 85.4), DAY, True, Reason("air_humid", rh_pct=85, limit_pct=85)),
    (air(18.5, 84.0), DAY, True, Reason("vpd_low", vpd_pa=341, target_pa=400)),
    (air(18.5, 84.0), NIGHT, False, Reason("air_well")),
    (air(17.9, 99.0), DAY, False, Reason("air_well")),  # heating comes first
    (air(20.0, "no_ack"), DAY, False, Reason("no_humidity", fault="no_ack")),
    (air(24.1, "no_ack"), DAY, True, Reason("air_warm", deci_c=241, target_deci_c=240)),
    (air("no_ack", 99.0), DAY, False, Reason("blind_rest", fault="no_ack")),
])
def test_fan_decisions(seen, wanted, is_on, reason):
    decision = fan(seen, wanted=wanted)
    assert decision.reason == reason
    assert decision.actuator == (climate.FAN if is_on else None)
    assert decision.on_ms == (climate.FAN_LEASE_MS if is_on else None)


def minutes_on(seen, **values):
    values = VALUES | values
    return [
        minute for minute in range(60)
        if fan(seen, now_ms=5 * HOUR_MS + minute * MINUTE_MS, values=values).actuator
    ]


def test_air_exchange_every_hour():
    assert minutes_on(air()) == [0, 1, 2, 3, 4]
    assert minutes_on(air(17.0)) == []
    assert minutes_on(air(), **{"climate.vent_minutes": 0}) == []


def test_blind_ventilation_continues():
    for fault in ("no_ack", "stale", "crc"):
        assert minutes_on(air(fault, fault)) == list(range(20))
    assert len(minutes_on(air("stale"), **{"climate.blind_vent_minutes": 60})) == 60


def test_the_fan_cools_unexpected_heating():
    decision = fan(air(20.0), must_cool=True)
    assert (decision.actuator, decision.reason) == (climate.FAN, Reason("heater_off_warms"))


@pytest.mark.parametrize(("seen", "output", "is_on"), [
    (air(30.0), OutputState(False, 59_999), False), (air(30.0), OutputState(False, 60_000), True),
    (air(20.0), OutputState(True, 59_999), True), (air(20.0), OutputState(True, 60_000), False),
])
def test_the_fan_relay_holds_each_state_for_a_minute(seen, output, is_on):
    decision = fan(seen, output)
    assert (decision.actuator is not None) is is_on
    if is_on is output.is_on:
        assert decision.reason == Reason("stays_on" if is_on else "stays_off")


@pytest.mark.parametrize(("seen", "more", "is_on", "reason"), [
    (air(17.9), {}, True, Reason("air_cold", deci_c=179, target_deci_c=180)),
    (air(17.9, "crc"), {}, True, Reason("air_cold", deci_c=179, target_deci_c=180)),
    (air(17.9), {"wanted": NIGHT}, False, Reason("warm_enough", deci_c=179, target_deci_c=160)),
    (air(18.0), {}, False, Reason("warm_enough", deci_c=180, target_deci_c=180)),
    (air(17.0), {"is_fan_on": True}, False, Reason("fan_runs")),
    (air(17.0), {"is_suspect": True}, False, Reason("heater_suspect")),
    (air(35.0), {}, False, Reason("air_too_hot", deci_c=350, limit_deci_c=350)),
    (air("stale"), {}, False, Reason("no_air_temp", fault="stale")),
    (air(17.0), {"output": OutputState(False, 179_999)}, False, Reason("stays_off")),
    (air(17.0), {"output": OutputState(False, 180_000)}, True, COLD),
    (air(20.0), {"output": OutputState(True, 59_999)}, True, Reason("stays_on")),
    (air(20.0), {"output": OutputState(True, 60_000)}, False, WARM),
    # Immediate switch-off ignores the hold time of the relay.
    (air("no_ack"), {"output": JUST_ON}, False, Reason("no_air_temp", fault="no_ack")),
    (air(36.0), {"output": JUST_ON}, False, Reason("air_too_hot", deci_c=360, limit_deci_c=350)),
    (air(20.0), {"output": JUST_ON, "is_fan_on": True}, False, Reason("fan_runs")),
])
def test_heater_decisions(seen, more, is_on, reason):
    decision = heater(seen, **more)
    assert decision.reason == reason
    assert decision.actuator == (climate.HEATER if is_on else None)
    assert decision.on_ms == (climate.LEASE_MS if is_on else None)


@pytest.mark.parametrize(("seen", "output", "is_on", "reason"), [
    (air(24.0, 50.0), RESTED, True, Reason("vpd_high", vpd_pa=1_492, target_pa=1_200)),
    (air(24.0, 60.0), RESTED, False, MOIST),
    (air(40.0, 86.0), RESTED, False, Reason("air_moist", rh_pct=86)),
    (air(24.0, "no_ack"), RUNNING, False, Reason("no_vpd", fault="no_ack")),
    (air("crc", 40.0), RUNNING, False, Reason("no_vpd", fault="crc")),
    (air(24.0, 50.0), OutputState(False, 59_999), False, Reason("stays_off")),
    (air(24.0, 60.0), OutputState(True, 29_999), True, Reason("stays_on")),
    (air(24.0, 60.0), OutputState(True, 30_000), False, MOIST),
])
def test_humidifier_decisions(seen, output, is_on, reason):
    decision = humidifier(seen, output)
    assert decision.reason == reason
    assert decision.actuator == (climate.HUMIDIFIER if is_on else None)


@pytest.mark.parametrize(("name", "seen"), [
    ("is_cold", [(17.9, 60, True), (18.9, 60, True), (19.0, 60, False), (18.5, 60, False)]),
    ("is_warm", [(24.1, 60, True), (23.1, 60, True), (23.0, 60, False), (23.5, 60, False)]),
    ("is_humid", [(20, 86, True), (20, 81, True), (20, 80, False), (20, 83, False)]),
    ("is_vpd_low", [(19, 83, True), (19, 78, True), (19, 77, False), (19, 79, False)]),
    ("is_vpd_high", [(24, 59, True), (24, 62, True), (24, 64, False), (24, 62, False)]),
])
def test_hysteresis(name, seen):
    conditions = climate.AirConditions()
    for temp_c, rh_pct, wanted in seen:
        conditions.update(air(float(temp_c), float(rh_pct)), DAY, VALUES)
        assert getattr(conditions, name) is wanted, (temp_c, rh_pct)
    conditions.update(air("stale", "stale"), DAY, VALUES)
    assert not getattr(conditions, name)


SENSED = st.one_of(st.floats(-40, 85, width=32), st.sampled_from(["stale", "no_ack"]))
HUMID = st.one_of(st.floats(0, 100, width=32), st.sampled_from(["stale", "no_ack"]))
RUNS = st.builds(OutputState, st.booleans(), st.integers(0, 2 * HOUR_MS))


@settings_of(deadline=None)
@given(
    st.lists(st.tuples(SENSED, HUMID), min_size=1, max_size=5), st.booleans(), st.booleans(),
    st.booleans(), RUNS, st.integers(0, 100 * HOUR_MS),
)
def test_decisions_are_safe_in_any_air(seen, by_day, is_suspect, is_fan_on, output, now_ms):
    wanted = climate.setpoints(VALUES, by_day)
    airs = [air(*one) for one in seen]
    conditions = conditions_of(*airs, wanted=wanted)
    last = airs[-1]
    temp_c = last.thermometer.value
    fanned = climate.fan(last, conditions, wanted, is_suspect, VALUES, output, now_ms)
    heated = climate.heater(last, conditions, wanted, is_suspect, is_fan_on, VALUES, output)
    misted = climate.humidifier(last, conditions, wanted, output)
    for decision, name in ((fanned, "fan"), (heated, "heater"), (misted, "humidifier")):
        assert decision.reason.code in REASONS
        assert (decision.actuator, decision.on_ms is None) in ((name, False), (None, True))
    if heated.actuator:
        assert temp_c is not None
        assert temp_c < VALUES["climate.max_c"]
        assert not is_fan_on
        assert not is_suspect
        assert temp_c < wanted.heat_c + VALUES["climate.deadband_c"] or output.for_ms < MINUTE_MS
    if misted.actuator:
        assert last.vpd_pa is not None
        assert not conditions.is_humid
    if temp_c is not None and temp_c > wanted.cool_c and output.for_ms >= MINUTE_MS:
        assert fanned.actuator
    assert not (conditions.is_cold and conditions.is_warm)
    assert not (conditions.is_vpd_low and conditions.is_vpd_high)


@pytest.mark.parametrize(("changed", "key"), [
    ({"climate.heat_day_c": 22.0}, "climate.cool_day_c"),
    ({"climate.heat_night_c": 20.0}, "climate.cool_night_c"),
    ({"climate.deadband_c": 3.0}, "climate.cool_day_c"),
    ({"climate.cool_day_c": 35.0}, "climate.max_c"),
    ({"climate.max_c": 22.0, "climate.cool_day_c": 21.0}, "climate.max_c"),
    ({"climate.vpd_low_day_pa": 1_000}, "climate.vpd_high_day_pa"),
    ({"climate.vpd_high_night_pa": 400}, "climate.vpd_high_night_pa"),
    ({"climate.vpd_deadband_pa": 400}, "climate.vpd_high_day_pa"),
    ({"climate.vent_minutes": 30}, "climate.blind_vent_minutes"),
    ({"climate.max_c": 41.0}, "climate.max_c"),
    ({"climate.blind_vent_minutes": 4}, "climate.blind_vent_minutes"),
])
def test_contradictions_are_refused(changed, key):
    with pytest.raises(SettingsError) as caught:
        settings.check(changed)
    assert key in str(caught.value)


def test_settings_at_their_limits_are_accepted():
    for changed in (
        {"climate.heat_day_c": 21.9}, {"climate.cool_day_c": 34.9},
        {"climate.vpd_low_day_pa": 999}, {"climate.vent_minutes": 20},
    ):
        assert settings.check(changed)


# unexpected heating


def watch(steps):
    """Let (minutes, temp_c at the end, is_heating, by_day) pass, straight lines in between, in
    steps of 10 s; returns [(minute, is_suspect)] of each change."""
    watcher, changes, now_ms, temp_c = stuck_heater.StuckHeaterDetector(), [], 0, steps[0][1]
    for minutes, end_c, is_heating, by_day in steps:
        start_c, count = temp_c, minutes * 6
        for step in range(1, count + 1):
            now_ms += 10_000
            temp_c = None if end_c is None else start_c + (end_c - start_c) * step / count
            if watcher.update(temp_c, is_heating, by_day, 18.0, 1.0, now_ms):
                changes.append((now_ms / MINUTE_MS, watcher.is_suspect))
        temp_c = start_c if end_c is None else end_c
    return changes


def test_a_heater_stuck_on_is_detected():
    changes = watch([
        (10, 19, True, False), (5, 24, False, False), (20, 21, False, False),
        (20, 18.5, False, False), (20, 16.5, False, False),
    ])
    assert [is_suspect for _, is_suspect in changes] == [True, False]
    assert 13 < changes[0][0] <= 15
    assert changes[1][0] > 65


def test_the_fan_cools_down_to_the_end_of_the_heating_band():
    watcher, now_ms, seen = stuck_heater.StuckHeaterDetector(), 600_000, []
    for temp_c in (19.0, 23.0, 19.1, 19.0, 20.5, 20.6, 19.0, 17.0, 16.9, 20.6):
        now_ms += 60_000
        watcher.update(temp_c, False, False, 18.0, 1.0, now_ms)
        seen.append((watcher.is_suspect, watcher.must_cool))
    yes, rests, no = (True, True), (True, False), (False, False)
    assert seen == [no, yes, yes, rests, rests, yes, rests, rests, no, no]


@pytest.mark.parametrize("steps", [
    [(30, 19, True, False), (60, 16, False, False)],  # it cools
    [(30, 19, True, False), (60, 25, False, False)],  # 6 C an hour: sun
    [(30, 19, True, False), (30, 21.9, False, False)],
    [(60, 16, False, False), (2, 16, False, True), (20, 22, False, True)],  # lamps switched on
    [(60, 10, False, False), (10, 16, False, False)],  # still below the heating target
    [(30, 10, False, False), (30, 25, True, False)],  # it is being heated
])
def test_other_heat_sources_are_not_suspected(steps):
    assert watch(steps) == []


def test_gaps_in_the_readings_are_not_compared():
    watcher, now_ms = stuck_heater.StuckHeaterDetector(), 0
    for temp_c in (19.0, None, 30.0, 30.0):
        for _ in range(30):
            now_ms += 10_000
            assert not watcher.update(temp_c, False, False, 18.0, 1.0, now_ms)


@given(st.lists(st.tuples(
    st.one_of(st.none(), st.floats(-20, 60)), st.booleans(), st.booleans(),
), max_size=40))
def test_suspicion_requires_a_rise_and_a_high_temperature(cycles):
    watcher, now_ms, lowest_c = stuck_heater.StuckHeaterDetector(), 0, None
    for temp_c, is_heating, by_day in cycles:
        now_ms += 120_000
        was_suspect = watcher.is_suspect
        has_changed = watcher.update(temp_c, is_heating, by_day, 18.0, 1.0, now_ms)
        assert has_changed is (was_suspect is not watcher.is_suspect)
        if temp_c is not None:
            lowest_c = temp_c if lowest_c is None else min(lowest_c, temp_c)
        if has_changed and watcher.is_suspect:
            assume(temp_c is not None)
            assert temp_c > 19.0
            assert not is_heating
            assert temp_c - lowest_c >= stuck_heater.RISE_C


# flat temperature


def cycles_until_flat(values, is_heating=True, step_ms=10_000):
    """Return the number of the first flat cycle, or None."""
    still = frozen_sensor.FrozenSensorDetector()
    for number, value in enumerate(values, 1):
        if still.check(reading(value), is_heating, number * step_ms) == (None, "flat"):
            return number
    return None


def test_a_constant_value_during_heating_is_flat():
    assert cycles_until_flat([15.0] * 200) == 91
    assert cycles_until_flat([15.0, 15.004] * 100) == 91
    assert cycles_until_flat([15.0] * 200, step_ms=60_000) == 16


@pytest.mark.parametrize(("values", "is_heating"), [
    ([15.0] * 1_000, False), ([15.0, 15.02] * 500, True),
    ([15.0] * 80 + ["no_ack"] + [15.0] * 80, True), ([15.0] * 80 + [15.1] * 80, True),
])
def test_a_changing_value_is_accepted(values, is_heating):
    assert cycles_until_flat(values, is_heating) is None


def test_a_flat_value_is_accepted_again_once_it_changes():
    still, now_ms = frozen_sensor.FrozenSensorDetector(), 0
    for _ in range(100):
        now_ms += 10_000
        last = still.check(reading(15.0), True, now_ms)
    assert last.fault == "flat"
    assert still.check(reading(15.0), False, now_ms + 10_000).fault == "flat"
    assert still.check(reading("stale"), False, now_ms + 20_000).fault == "stale"
    assert still.check(reading(15.1), False, now_ms + 30_000).value == 15.1
