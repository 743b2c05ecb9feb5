"""Leases of switches and dimmers, and fills that are charged ahead: to the millisecond."""

import pytest

from idro.protocol.types import Sample
from idro.safety.interlocks import LEAK
from idro.safety.outputs import Refused
from support.safety_rig import HOUR_MS, Pin, Rig

MAX_ON_MS = 900_000


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.sense(level_mm=150)
    return rig


def run(rig, actuator, for_ms, by="ann", reason="test"):
    rig.gate.run(actuator, for_ms, reason, by, rig.readings)


def refused(rig, actuator, for_ms):
    with pytest.raises(Refused) as caught:
        run(rig, actuator, for_ms)
    return caught.value


def break_flash(rig):
    """Let the flash refuse every write from now on."""
    for name in ("ledger.a", "ledger.b"):
        (rig.folder / name).unlink()
        (rig.folder / name).mkdir()


def test_a_lease_ends_by_itself(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(59_999)
    assert rig.level("circulation") == 1
    rig.clock.advance(1)
    assert rig.level("circulation") == 0


@pytest.mark.parametrize(("asked_at_ms", "ends_at_ms"), [(29_999, 60_000), (30_000, 90_000)])
def test_a_lease_is_renewed_when_half_of_it_is_over(rig, asked_at_ms, ends_at_ms):
    run(rig, "circulation", 60_000)
    rig.clock.advance(asked_at_ms)
    run(rig, "circulation", 60_000)
    rig.clock.advance(200_000)
    assert rig.runs("circulation") == [(0, ends_at_ms)]


@pytest.mark.parametrize(("asked_at_ms", "ends_at_ms"), [(29_999, 60_000), (30_000, 90_000)])
def test_so_is_that_of_a_dimmer(rig, asked_at_ms, ends_at_ms):
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.clock.advance(asked_at_ms)
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.clock.advance(200_000)
    assert rig.runs("light") == [(0, ends_at_ms)]


def test_the_least_light_is_renewed_too(rig):
    rig.gate.set_duty("light", 1, 60_000, "control")
    rig.clock.advance(30_000)
    rig.gate.set_duty("light", 1, 60_000, "control")
    rig.clock.advance(200_000)
    assert rig.runs("light") == [(0, 90_000)]


def test_a_light_that_is_dark_is_left_alone(rig, monkeypatch):
    writes = []
    monkeypatch.setattr(Pin, "duty_u16", lambda pin, duty: writes.append(duty))
    rig.gate.set_duty("light", 0, 60_000, "control")
    assert writes == []
    rig.gate.set_duty("light", 1, 60_000, "control")
    assert writes == [655]


def test_a_lease_that_ended_is_given_anew(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    assert rig.runs("circulation") == [(0, 60_000), (70_000, 130_000)]


def test_no_lease_is_longer_than_the_output_may_be_on(rig):
    run(rig, "circulation", 2_000_000)
    rig.gate.set_duty("light", 50, 2_000_000, "ann")
    rig.clock.advance(3_000_000)
    assert rig.runs("circulation") == [(0, MAX_ON_MS)]
    assert rig.runs("light") == [(0, MAX_ON_MS)]


def test_the_half_of_a_bounded_lease_is_that_of_its_bound(rig):
    run(rig, "circulation", MAX_ON_MS + 100_000)
    rig.clock.advance(550_000)
    run(rig, "circulation", MAX_ON_MS + 100_000)
    rig.clock.advance(3_000_000)
    assert rig.runs("circulation") == [(0, 550_000 + MAX_ON_MS)]


def test_another_level_of_a_dimmer_is_in_force_at_once(rig):
    light = rig.outputs["light"].driver
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.gate.set_duty("light", 30, 60_000, "control")
    assert light.duty_pct == 30
    rig.gate.set_duty("light", 0, 60_000, "control")
    assert (light.duty_pct, rig.level("light")) == (0, 0)
    rig.gate.set_duty("light", 0, 60_000, "control")
    rig.gate.set_duty("light", 30, 60_000, "control")
    assert rig.level("light") == 1


def test_a_level_that_is_none_leaves_the_light_dark_and_is_told(rig):
    rig.gate.set_duty("light", 80, 60_000, "ann")
    with pytest.raises(Refused) as caught:
        rig.gate.set_duty("light", 101, 60_000, "ann")
    assert caught.value.code == "actuator"
    assert rig.level("light") == 0
    assert rig.events_of("refused") == [
        {"actuator": "light", "reason": "light: 101 % is not in 0..100", "by": "ann"}
    ]


def test_a_run_of_no_length_is_refused_told_and_off(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    refusal = refused(rig, "circulation", 0)
    assert refusal.code == "actuator"
    assert refusal.reason == "circulation: 0 ms is not in 1..900000"
    assert rig.level("circulation") == 0
    assert rig.events_of("ran") == [{
        "actuator": "circulation", "on_ms": 60_000, "by": "ann",
        "reason": "circulation: 0 ms is not in 1..900000",
    }]


def test_a_run_is_told_once_with_who_asked_and_why(rig):
    run(rig, "circulation", 60_000, "ann", "to mix")
    rig.clock.advance(10_000)
    run(rig, "circulation", 60_000, "control", "again")
    rig.clock.advance(10_000)
    rig.gate.end("circulation")
    rig.gate.end("circulation")
    assert rig.events_of("ran") == [
        {"actuator": "circulation", "on_ms": 20_000, "reason": "to mix", "by": "ann"}
    ]


def test_low_water_ends_circulation_and_names_the_level(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(5_000)
    rig.sense(level_mm=119)
    refusal = refused(rig, "circulation", 60_000)
    assert (refusal.code, refusal.reason) == ("low", "water is low, 119 of 120 mm")
    assert rig.events_of("ran")[0]["reason"] == "water is low, 119 of 120 mm"


def test_low_water_ends_irrigation_too(rig):
    run(rig, "irrigation", 60_000)
    rig.sense(level_mm=119)
    assert refused(rig, "irrigation", 60_000).code == "low"
    assert rig.level("irrigation") == 0


def test_irrigation_needs_no_level(rig):
    rig.sense(level_mm="no_ack")
    run(rig, "irrigation", 60_000)
    assert rig.level("irrigation") == 1


@pytest.mark.parametrize("actuator", ["irrigation", "top_off"])
def test_water_on_the_floor_ends_what_moves_water(rig, actuator):
    run(rig, actuator, 60_000)
    rig.readings[LEAK] = Sample(LEAK, 1, None, rig.clock.now_ms())
    refusal = refused(rig, actuator, 60_000)
    assert (refusal.code, refusal.reason) == ("leak", "water is on the floor")
    assert rig.level(actuator) == 0
    rig.readings[LEAK] = Sample(LEAK, 0, None, rig.clock.now_ms())
    run(rig, actuator, 60_000)
    assert rig.level(actuator) == 1


def test_and_leaves_the_water_moving_in_the_tank(rig):
    rig.readings[LEAK] = Sample(LEAK, 1, None, rig.clock.now_ms())
    run(rig, "circulation", 60_000)
    assert rig.level("circulation") == 1


def test_what_ran_makes_the_next_refusal_of_control_news(rig):
    for _ in range(2):
        rig.sense(level_mm=119)
        for _ in range(2):
            with pytest.raises(Refused):
                run(rig, "circulation", 60_000, "control")
        rig.sense(level_mm=150)
        run(rig, "circulation", 60_000, "control")
    assert len(rig.events_of("refused")) == 2


# Fills.


def test_a_fill_is_charged_ahead_and_settled_with_what_ran(rig):
    run(rig, "top_off", 90_000)
    assert rig.ledger.spent("top_off", HOUR_MS) == (90_000, 0)
    rig.clock.advance(20_000)
    rig.gate.end("top_off", "it is enough")
    assert rig.ledger.spent("top_off", HOUR_MS) == (20_000, 0)
    assert rig.events_of("ran") == [
        {"actuator": "top_off", "on_ms": 20_000, "reason": "it is enough", "by": "ann"}
    ]


def test_a_fill_under_way_is_neither_extended_nor_charged_twice(rig):
    run(rig, "top_off", 90_000)
    rig.clock.advance(25_000)
    rig.sense(level_mm=150)
    run(rig, "top_off", 90_000)
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 90_000
    rig.clock.advance(100_000)
    assert rig.runs("top_off") == [(0, 90_000)]


def test_a_fill_that_ran_out_is_settled_when_the_next_begins(rig):
    run(rig, "top_off", 10_000)
    rig.clock.advance(25_000)
    rig.sense(level_mm=150)
    run(rig, "top_off", 10_000, "control", "level")
    assert rig.events_of("ran") == [
        {"actuator": "top_off", "on_ms": 10_000, "reason": "test", "by": "ann"}
    ]
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 20_000


def test_a_fill_is_ten_minutes_at_most(rig):
    run(rig, "top_off", 2_000_000)
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 600_000


@pytest.mark.parametrize(("day_ms", "runs_ms"), [(100, 100), (5_000, 5_000)])
def test_a_fill_has_what_the_day_leaves(tmp_path, day_ms, runs_ms):
    rig = Rig(tmp_path, **{"topoff.max_ms_day": day_ms})
    rig.sense(level_mm=150)
    run(rig, "top_off", 60_000)
    rig.clock.advance(60_000)
    assert rig.runs("top_off") == [(0, runs_ms)]


def test_a_blink_of_the_valve_is_no_fill(tmp_path):
    rig = Rig(tmp_path, **{"topoff.max_ms_day": 10_099})
    rig.sense(level_mm=150)
    run(rig, "top_off", 10_000)
    rig.clock.advance(20_000)
    rig.sense(level_mm=150)
    refusal = refused(rig, "top_off", 10_000)
    assert (refusal.code, refusal.reason) == ("budget", "top-off time of the day is spent")
    assert rig.events_of("refused") == [
        {"actuator": "top_off", "reason": refusal.reason, "by": "ann"},
    ]
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 10_000


@pytest.mark.parametrize(("changed", "code"), [({"level_mm": 240}, "full"), ({}, "reading")])
def test_no_fill_of_a_full_tank_or_on_an_old_reading(rig, changed, code):
    if changed:
        rig.sense(**changed)
    else:
        rig.clock.advance(30_001)
    assert refused(rig, "top_off", 10_000).code == code
    assert rig.runs("top_off") == []


def test_a_flash_that_refuses_lets_no_water_in(rig):
    break_flash(rig)
    refusal = refused(rig, "top_off", 10_000)
    assert refusal.code == "ledger"
    assert "append failed" in refusal.reason
    assert rig.runs("top_off") == []
    assert rig.events_of("refused")[-1]["by"] == "ann"


def test_a_fill_that_cannot_be_settled_stays_charged_in_full(rig):
    run(rig, "top_off", 90_000)
    rig.clock.advance(10_000)
    break_flash(rig)
    rig.gate.end("top_off")
    assert rig.level("top_off") == 0
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 90_000
