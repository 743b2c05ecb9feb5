"""Tests of irrigation with the other loops: water in the beds holds filling and dosing."""

import asyncio

import pytest

from idro.protocol import settings
from idro.protocol.reason import Reason
from support.loops_rig import EVERY_MS, LoopsRig

EBB = {"irrigation.on_s": 900, "irrigation.off_s": 3_600, "irrigation.drain_s": 1_200}
MINUTE_MS = 60_000


@pytest.fixture
def rig(tmp_path):
    rig = LoopsRig(tmp_path, has_irrigation=True, **EBB, **{"dosing.enabled": True})
    yield rig
    rig.close()


def change(rig, **changed):
    """Apply settings as the node does."""
    values = {key.replace("__", "."): value for key, value in changed.items()}
    rig.settings.values.update(settings.check(rig.settings.values | values))


def test_irrigation_starts_first_and_holds_filling_and_dosing(rig):
    rig.read(level_mm=150, ph=7.0, flow_ml_per_min=3_000)
    rig.run_for(15 * MINUTE_MS)
    rig.read(flow_ml_per_min=0)
    rig.run_for(15 * MINUTE_MS)
    assert rig.rig.runs("irrigation") == [(0, 900_000)]
    assert rig.rig.runs("top_off") == []
    assert not rig.events_of("dosed")
    assert rig.reasons("top_off") == [Reason("beds_wet")]
    assert rig.reasons("ph")[0] == Reason("beds_wet")
    rig.run_for(10 * MINUTE_MS)
    assert rig.rig.runs("top_off")
    rig.read(level_mm=200)
    rig.run_for(20 * MINUTE_MS)
    assert rig.events_of("dosed")


def test_a_flood_is_not_reported_as_a_leak(rig):
    for _ in range(6):
        rig.read(level_mm=150, flow_ml_per_min=3_000)
        rig.run_for(15 * MINUTE_MS)
        rig.read(level_mm=200, flow_ml_per_min=0)
        rig.run_for(60 * MINUTE_MS)
    assert len(rig.rig.runs("irrigation")) >= 6
    assert not rig.events_of("water")


def test_missing_and_unexpected_flow_are_reported(rig):
    rig.run_for(MINUTE_MS)
    assert rig.events_of("irrigation_no_flow") == [{"state": "began", "on_ms": 20_000}]
    missing = rig.reasons("irrigation")[-1]
    assert (missing.code, missing.values["why"].code) == ("flow_missing", "watering")
    rig.read(flow_ml_per_min=3_000)
    rig.run_for(MINUTE_MS)
    assert len(rig.events_of("irrigation_no_flow", state="ended")) == 1
    rig.run_for(60 * MINUTE_MS)  # flow continues with the pump off
    assert len(rig.events_of("irrigation_stuck_on", state="began")) == 1
    assert rig.reasons("ph")[-1] == Reason("beds_wet")


def test_bursts_end_on_time_and_are_reported_as_one_run(rig):
    change(rig, irrigation__on_s=4, irrigation__off_s=56, irrigation__drain_s=0)
    rig.run_for(10 * MINUTE_MS)
    assert [off - on for on, off in rig.rig.runs("irrigation")] == [4_000] * 9
    assert not rig.events_of("ran", actuator="irrigation")
    turns = Reason("irrigation_turns", on_ms=4_000, every_ms=60_000)
    assert rig.reasons("irrigation")[0] == turns
    assert rig.reasons("irrigation")[1:] in ([], [Reason("flow_missing", why=turns)])
    rig.read(level_mm=100)
    rig.run_for(MINUTE_MS)
    assert rig.events_of("ran", actuator="irrigation")[0]["on_ms"] == 36_000


def test_it_can_be_overridden_on_and_off(rig):
    rig.read(flow_ml_per_min=3_000)
    rig.run_for(20 * MINUTE_MS)
    rig.overrides.set("irrigation", 300_000, 100, "ann")
    assert rig.loops.apply_override("irrigation") is None
    rig.run_for(10 * MINUTE_MS)
    assert rig.rig.runs("irrigation")[1:] == [(1_200_000, 1_500_000)]
    rig.overrides.set("irrigation", 7_200_000, 0, "ann")
    rig.run_for(119 * MINUTE_MS)
    assert len(rig.rig.runs("irrigation")) == 2
    rig.run_for(2 * MINUTE_MS)
    assert len(rig.rig.runs("irrigation")) == 3  # starts with irrigation


def test_a_manual_run_between_bursts_is_attributed_to_its_user(rig):
    change(rig, irrigation__on_s=4, irrigation__off_s=600, irrigation__drain_s=0)
    rig.run_for(MINUTE_MS)
    rig.overrides.set("irrigation", 60_000, 0, "ann")
    rig.loops.apply_override("irrigation")
    assert rig.events_of("ran", actuator="irrigation")[0]["on_ms"] == 4_000
    rig.overrides.set("irrigation", 60_000, 100, "ann")
    rig.loops.apply_override("irrigation")
    rig.run_for(2 * MINUTE_MS)
    hers = rig.events_of("ran", actuator="irrigation", by="ann")
    assert [detail["on_ms"] for detail in hers] == [60_000]


def test_low_water_refuses_control_and_users(rig):
    rig.run_for(MINUTE_MS)
    rig.read(level_mm=119)
    rig.run_for(20_000)
    assert rig.rig.runs("irrigation") == [(0, 70_000)]  # a jump is accepted once it persists
    ran = rig.events_of("ran", actuator="irrigation")[0]
    low = Reason("water_low", level_mm=119, low_mm=120)
    assert ran["reason"] == low.as_json()
    rig.overrides.set("irrigation", 300_000, 100, "ann")
    assert rig.loops.apply_override("irrigation") == low


def test_irrigation_starts_after_a_reset_during_a_pause(rig):
    rig.read(flow_ml_per_min=3_000)
    rig.run_for(40 * MINUTE_MS)
    rig.reset(power_cut=True)
    rig.run_for(MINUTE_MS)
    assert rig.rig.runs("irrigation")[-1][0] == 40 * MINUTE_MS


class Stop(Exception):
    """Ends an endless task."""


def test_its_task_wakes_at_the_end_of_each_phase(rig):
    change(rig, irrigation__on_s=7, irrigation__off_s=11, irrigation__drain_s=0)
    rig.cycles(1)
    pauses = []

    async def sleep_ms(duration_ms):
        pauses.append(duration_ms)
        rig.clock.advance(duration_ms)
        if len(pauses) > 8:
            raise Stop

    rig.clock.sleep_ms = sleep_ms
    with pytest.raises(Stop):
        asyncio.run(rig.loops.irrigation.run())
    runs = rig.rig.runs("irrigation")
    assert runs[0] == (0, 7_000)
    later = runs[1:-1]
    assert {off - on for on, off in later} == {7_000}
    assert {b[0] - a[1] for a, b in zip(later, later[1:], strict=False)} == {11_000}
    assert EVERY_MS not in pauses


def test_it_waits_for_the_first_sample(rig):
    seen = []

    async def sleep_ms(duration_ms):
        seen.append(duration_ms)
        raise Stop

    rig.clock.sleep_ms = sleep_ms
    with pytest.raises(Stop):
        asyncio.run(rig.loops.irrigation.run())
    assert seen == [20_000]
    assert rig.rig.runs("irrigation") == []


def test_a_changed_program_of_short_waterings_is_reported(rig):
    rig.read(flow_ml_per_min=3_000)
    change(rig, irrigation__on_s=20, irrigation__off_s=300, irrigation__drain_s=0)
    rig.run_for(20 * MINUTE_MS)
    change(rig, irrigation__off_s=900)
    rig.run_for(20 * MINUTE_MS)
    turns = [reason for reason in rig.reasons("irrigation") if reason.code == "irrigation_turns"]
    assert turns == [
        Reason("irrigation_turns", on_ms=20_000, every_ms=320_000),
        Reason("irrigation_turns", on_ms=20_000, every_ms=920_000)]
