"""Tests of irrigation timing and of the location of the water, by examples and by hypothesis."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from idro.control import irrigation, top_off
from idro.control.filters import Reading
from idro.errors import SettingsError
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.reasons import REASONS
from support.irrigation_rig import FULL, LOST, MIDNIGHT_S, MIST, NFT, NOON_S, Pump

# ------------------------------------------------------------------ phases

def test_irrigation_starts_at_boot():
    pump = Pump(**NFT)
    pump.update()
    assert pump.is_on
    assert pump.reasons == [Reason("watering", left_ms=900_000)]


def test_nft_alternates_run_and_pause():
    pump = Pump(**NFT)
    pump.run_for(3_600)
    assert [off - on for on, off in pump.runs] == [900_000, 900_000]
    assert pump.runs[1][0] - pump.runs[0][1] == 900_000
    assert Reason("irrigation_rest", left_ms=900_000) in pump.reasons


def test_aeroponics_bursts_last_five_seconds_at_any_control_period():
    pump = Pump(**MIST)
    pump.run_for(3_600)
    assert {off - on for on, off in pump.runs} == {5_000}
    starts = [on for on, _ in pump.runs]
    assert {b - a for a, b in zip(starts, starts[1:], strict=False)} == {305_000}
    assert set(pump.reasons) == {Reason("irrigation_turns", on_ms=5_000, every_ms=305_000)}
    assert irrigation.is_burst(pump.values)


def test_a_continuous_pump_is_leased_for_a_minute_at_a_time():
    pump = Pump(irrigation__off_s=0)
    pump.update()
    assert pump.until_ms - pump.now_ms == 60_000
    pump.run_for(86_400)
    assert len(pump.runs) == 1
    assert set(pump.reasons) == {Reason("irrigation_always")}


def test_a_pump_with_no_run_time_stays_off():
    pump = Pump(irrigation__on_s=0)
    pump.run_for(3_600)
    assert not pump.runs
    assert set(pump.reasons) == {Reason("irrigation_off")}


def test_the_night_has_its_own_pause():
    pump = Pump(**NFT, irrigation__night_off_s=3_600)
    pump.second_of_day = MIDNIGHT_S
    pump.run_for(5_400)
    assert pump.runs[1][0] - pump.runs[0][1] == 3_600_000
    assert irrigation.rest_s(NOON_S, pump.values) == 900
    assert irrigation.rest_s(NOON_S, settings.check(NFT)) == 900
    assert irrigation.rest_s(MIDNIGHT_S, settings.check(NFT)) == 900  # 0: as by day


@pytest.mark.parametrize(("second", "is_night"), [
    (21_599, True), (21_600, False), (79_199, False), (79_200, True),
])
def test_night_is_the_time_outside_the_photoperiod(second, is_night):
    values = settings.check({**NFT, "irrigation.night_off_s": 1_800})
    assert irrigation.rest_s(second, values) == (1_800 if is_night else 900)


def test_morning_ends_the_night_pause():
    pump = Pump(**NFT, irrigation__night_off_s=7_200)
    pump.second_of_day = MIDNIGHT_S
    pump.run_for(3_600)
    assert not pump.is_on
    pump.second_of_day = NOON_S
    pump.update()
    assert pump.is_on


# ------------------------------------------------------------------ interlocks

def test_low_water_stops_irrigation_which_runs_first_afterwards():
    pump = Pump(**NFT)
    pump.run_for(600)
    pump.level = Reading(119, None)
    pump.update()
    assert not pump.is_on
    assert pump.reasons[-1] == Reason("water_low", level_mm=119, low_mm=120)
    assert pump.timer.due_ms is None
    pump.run_for(7_200)
    assert len(pump.runs) == 1
    pump.level = Reading(124, None)
    pump.update()
    assert not pump.is_on  # within the hysteresis
    pump.level = Reading(125, None)
    pump.update()
    assert pump.is_on
    assert pump.reasons[-1] == Reason("watering", left_ms=900_000)


def test_a_flood_that_empties_the_tank_waits_for_draining():
    pump = Pump(**NFT)
    pump.run_for(600)
    pump.level = Reading(119, None)
    pump.update()
    pump.level = FULL
    pump.run_for(299)
    assert len(pump.runs) == 1
    pump.now_ms += 1_000
    pump.update()
    assert len(pump.runs) == 2


def test_a_refusal_holds_for_its_duration():
    pump = Pump(**NFT)
    pump.run_for(600)
    pump.refusal = Reason("leak")
    pump.update()
    assert not pump.is_on
    pump.refusal = None
    pump.run_for(290)
    assert pump.reasons[-1] == Reason("leak")
    pump.run_for(20)
    assert pump.is_on


def test_a_lost_level_does_not_stop_irrigation():
    pump = Pump(level=LOST, **NFT)
    pump.run_for(3_600)
    assert len(pump.runs) == 2


# ------------------------------------------------------------------ location of the water

def test_water_is_out_of_the_tank_until_it_has_drained():
    pump = Pump(**NFT)
    assert pump.is_water_out  # the previous boot is unknown
    pump.run_for(900)
    assert pump.is_water_out
    pump.run_for(300)
    pump.update()
    assert not pump.is_water_out


def test_mist_never_reports_water_out():
    pump = Pump(**MIST)
    for _ in range(700):
        pump.run_for(1, 1_000)
        assert not pump.is_water_out


def test_a_continuous_pump_does_not_report_water_out():
    pump = Pump(irrigation__off_s=0, irrigation__drain_s=300)
    pump.run_for(299)
    assert pump.is_water_out
    pump.run_for(30)
    assert pump.is_on
    assert not pump.is_water_out


def test_a_fill_waits_with_its_timer_paused():
    values, progress = settings.defaults(), top_off.FillProgress()
    low = Reading(190, None)
    assert top_off.decide(low, values, progress, 0).on_ms == 600_000
    progress.pause(100_000)
    progress.pause(200_000)
    assert top_off.decide(low, values, progress, 900_000).on_ms == 500_000
    progress.pause(1_000_000)
    progress.cancel()
    assert top_off.decide(low, values, progress, 1_100_000).on_ms == 600_000


@pytest.mark.parametrize("key", ["irrigation.off_s", "irrigation.night_off_s"])
def test_a_pause_must_leave_time_to_fill(key):
    with pytest.raises(SettingsError) as refused:
        settings.check({**NFT, key: 419})
    assert refused.value.reason.code == "drain_rest"
    assert refused.value.reason.values == {"setting": key, "least_s": 420}
    assert settings.check({**NFT, key: 420})[key] == 420
    assert settings.check({**NFT, key: 0})[key] == 0
    assert settings.check({**MIST, key: 1})[key] == 1


# ------------------------------------------------------------------ invariants

ACTS = st.sampled_from(
    ["level_low", "level_lost", "level_full", "night", "day", "refuse", "allow"]
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    on_s=st.integers(1, 3_600), off_s=st.integers(0, 7_200), night_off_s=st.integers(0, 7_200),
    drain_s=st.integers(0, 1_800), acts=st.lists(st.tuples(ACTS, st.integers(1, 4_000))),
)
def test_no_run_or_pause_exceeds_its_setting(
    on_s, off_s, night_off_s, drain_s, acts
):
    values = {"irrigation.on_s": on_s, "irrigation.off_s": off_s, "irrigation.drain_s": drain_s,
              "irrigation.night_off_s": night_off_s}
    try:
        settings.check(values)
    except SettingsError:
        return
    pump = Pump(**values)
    longest_s = max(off_s, night_off_s)
    for act, duration_s in acts:
        before_ms, count = pump.now_ms, len(pump.runs)
        if act.startswith("level"):
            pump.level = {"level_low": Reading(100, None), "level_lost": LOST,
                          "level_full": FULL}[act]
        elif act in ("night", "day"):
            pump.second_of_day = MIDNIGHT_S if act == "night" else NOON_S
        else:
            pump.refusal = Reason("leak") if act == "refuse" else None
        pump.run_for(duration_s)
        may_run = pump.refusal is None and pump.level.value != 100
        if not may_run:
            assert not pump.is_on
            assert len(pump.runs) == count
        elif duration_s > longest_s + drain_s + 10:
            assert pump.runs[-1][1] >= before_ms
        if pump.is_on and drain_s and irrigation.rest_s(pump.second_of_day, pump.values):
            assert pump.is_water_out
    if off_s:
        assert all(off - on <= on_s * 1_000 for on, off in pump.runs)
    assert all(reason.code in REASONS for reason in pump.reasons)
