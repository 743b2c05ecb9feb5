"""Tests of leases of switches and dimmers, and of fills charged in advance."""

import pytest

from idro.errors import ActuatorError
from idro.protocol.reason import Reason
from idro.protocol.types import Sample
from idro.safety.interlocks import LEAK
from idro.safety.leases import actuator_failed
from idro.safety.outputs import Refused
from support.safety_rig import BY_HAND, HOUR_MS, Pin, Rig

MAX_ON_MS = 900_000
LOW = Reason("water_low", level_mm=119, low_mm=120)


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.sense(level_mm=150)
    return rig


def run(rig, actuator, for_ms, by="ann", reason=BY_HAND):
    rig.gate.run(actuator, for_ms, reason, by, rig.readings)


def refused(rig, actuator, for_ms):
    with pytest.raises(Refused) as caught:
        run(rig, actuator, for_ms)
    return caught.value.reason


def test_a_lease_expires(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(59_999)
    assert rig.level("circulation") == 1
    rig.clock.advance(1)
    assert rig.level("circulation") == 0


@pytest.mark.parametrize(("asked_at_ms", "ends_at_ms"), [(29_999, 60_000), (30_000, 90_000)])
def test_a_lease_is_renewed_after_half_of_its_time(rig, asked_at_ms, ends_at_ms):
    run(rig, "circulation", 60_000)
    rig.clock.advance(asked_at_ms)
    run(rig, "circulation", 60_000)
    rig.clock.advance(200_000)
    assert rig.runs("circulation") == [(0, ends_at_ms)]


@pytest.mark.parametrize(("asked_at_ms", "ends_at_ms"), [(29_999, 60_000), (30_000, 90_000)])
def test_a_dimmer_lease_is_renewed_after_half_of_its_time(rig, asked_at_ms, ends_at_ms):
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.clock.advance(asked_at_ms)
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.clock.advance(200_000)
    assert rig.runs("light") == [(0, ends_at_ms)]


def test_the_lowest_light_level_is_renewed(rig):
    rig.gate.set_duty("light", 1, 60_000, "control")
    rig.clock.advance(30_000)
    rig.gate.set_duty("light", 1, 60_000, "control")
    rig.clock.advance(200_000)
    assert rig.runs("light") == [(0, 90_000)]


def test_a_light_that_is_off_is_not_touched(rig, monkeypatch):
    writes = []
    monkeypatch.setattr(Pin, "duty_u16", lambda pin, duty: writes.append(duty))
    rig.gate.set_duty("light", 0, 60_000, "control")
    assert writes == []
    rig.gate.set_duty("light", 1, 60_000, "control")
    assert writes == [655]


def test_an_expired_lease_is_granted_again(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    assert rig.runs("circulation") == [(0, 60_000), (70_000, 130_000)]


def test_no_lease_exceeds_the_maximum_on_time(rig):
    run(rig, "circulation", 2_000_000)
    rig.gate.set_duty("light", 50, 2_000_000, "ann")
    rig.clock.advance(3_000_000)
    assert rig.runs("circulation") == [(0, MAX_ON_MS)]
    assert rig.runs("light") == [(0, MAX_ON_MS)]


def test_a_bounded_lease_is_renewed_after_half_of_its_bound(rig):
    run(rig, "circulation", MAX_ON_MS + 100_000)
    rig.clock.advance(550_000)
    run(rig, "circulation", MAX_ON_MS + 100_000)
    rig.clock.advance(3_000_000)
    assert rig.runs("circulation") == [(0, 550_000 + MAX_ON_MS)]


def test_a_new_dimmer_level_applies_immediately(rig):
    light = rig.outputs["light"].driver
    rig.gate.set_duty("light", 80, 60_000, "control")
    rig.gate.set_duty("light", 30, 60_000, "control")
    assert light.duty_pct == 30
    rig.gate.set_duty("light", 0, 60_000, "control")
    assert (light.duty_pct, rig.level("light")) == (0, 0)
    rig.gate.set_duty("light", 0, 60_000, "control")
    rig.gate.set_duty("light", 30, 60_000, "control")
    assert rig.level("light") == 1


def test_an_invalid_level_leaves_the_light_off_and_is_reported(rig):
    rig.gate.set_duty("light", 80, 60_000, "ann")
    with pytest.raises(Refused) as caught:
        rig.gate.set_duty("light", 101, 60_000, "ann")
    reason = Reason("actuator_failed", detail="101 % is not in 0..100")
    assert caught.value.reason == reason
    assert rig.level("light") == 0
    assert rig.events_of("refused") == [
        {"actuator": "light", "reason": reason.as_json(), "by": "ann"}
    ]


def test_a_run_of_zero_length_is_refused_and_reported(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(70_000)
    refusal = refused(rig, "circulation", 0)
    assert refusal == Reason("actuator_failed", detail="0 ms is not in 1..900000")
    assert rig.level("circulation") == 0
    assert rig.events_of("ran") == [{
        "actuator": "circulation", "on_ms": 60_000, "by": "ann", "reason": refusal.as_json(),
    }]


def test_a_run_is_reported_once_with_requester_and_reason(rig):
    run(rig, "circulation", 60_000, "ann", LOW)
    rig.clock.advance(10_000)
    run(rig, "circulation", 60_000, "control")
    rig.clock.advance(10_000)
    rig.gate.end("circulation")
    rig.gate.end("circulation")
    assert rig.events_of("ran") == [
        {"actuator": "circulation", "on_ms": 20_000, "reason": LOW.as_json(), "by": "ann"}
    ]


def test_low_water_ends_circulation_and_names_the_level(rig):
    run(rig, "circulation", 60_000)
    rig.clock.advance(5_000)
    rig.sense(level_mm=119)
    assert refused(rig, "circulation", 60_000) == LOW
    assert rig.events_of("ran")[0]["reason"] == LOW.as_json()


def test_low_water_ends_irrigation_too(rig):
    run(rig, "irrigation", 60_000)
    rig.sense(level_mm=119)
    assert refused(rig, "irrigation", 60_000) == LOW
    assert rig.level("irrigation") == 0


def test_irrigation_runs_without_a_level(rig):
    rig.sense(level_mm="no_ack")
    run(rig, "irrigation", 60_000)
    assert rig.level("irrigation") == 1


@pytest.mark.parametrize("actuator", ["irrigation", "top_off"])
def test_a_wet_floor_ends_filling_and_irrigation(rig, actuator):
    run(rig, actuator, 60_000)
    rig.readings[LEAK] = Sample(LEAK, 1, None, rig.clock.now_ms())
    assert refused(rig, actuator, 60_000) == Reason("leak")
    assert rig.level(actuator) == 0
    rig.readings[LEAK] = Sample(LEAK, 0, None, rig.clock.now_ms())
    run(rig, actuator, 60_000)
    assert rig.level(actuator) == 1


def test_a_float_that_never_rests_ends_filling_but_dries_no_crop(rig):
    run(rig, "top_off", 60_000)
    rig.readings[LEAK] = Sample(LEAK, None, "noisy", rig.clock.now_ms())
    why = Reason("channel_fault", channel=LEAK, fault="noisy")
    assert refused(rig, "top_off", 60_000) == why
    assert rig.level("top_off") == 0
    run(rig, "irrigation", 60_000)
    assert rig.level("irrigation") == 1


def test_a_float_that_was_not_read_lately_ends_filling(rig):
    rig.readings[LEAK] = Sample(LEAK, 0, None, rig.clock.now_ms())
    run(rig, "top_off", 60_000)
    rig.clock.advance(5 * 60_000)
    rig.sense()
    assert refused(rig, "top_off", 60_000) == Reason("channel_stale", channel=LEAK)


def test_a_wet_floor_does_not_end_circulation(rig):
    rig.readings[LEAK] = Sample(LEAK, 1, None, rig.clock.now_ms())
    run(rig, "circulation", 60_000)
    assert rig.level("circulation") == 1


def test_a_run_makes_the_next_refusal_of_control_reportable(rig):
    for _ in range(2):
        rig.sense(level_mm=119)
        for _ in range(2):
            with pytest.raises(Refused):
                run(rig, "circulation", 60_000, "control")
        rig.sense(level_mm=150)
        run(rig, "circulation", 60_000, "control")
    assert len(rig.events_of("refused")) == 2


# Fills.


def test_a_fill_is_charged_in_advance_and_settled_with_its_run_time(rig):
    run(rig, "top_off", 90_000)
    assert rig.ledger.spent("top_off", HOUR_MS) == (90_300, 0)
    rig.clock.advance(20_000)
    rig.gate.end("top_off", Reason("full_enough"))
    assert rig.ledger.spent("top_off", HOUR_MS) == (20_000, 0)
    assert rig.events_of("ran") == [
        {"actuator": "top_off", "on_ms": 20_000, "by": "ann",
         "reason": Reason("full_enough").as_json()}
    ]


def test_an_active_fill_is_neither_extended_nor_charged_twice(rig):
    run(rig, "top_off", 90_000)
    rig.clock.advance(25_000)
    rig.sense(level_mm=150)
    run(rig, "top_off", 90_000)
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 90_300
    rig.clock.advance(100_000)
    assert rig.runs("top_off") == [(0, 90_000)]


def test_an_expired_fill_is_settled_when_the_next_starts(rig):
    run(rig, "top_off", 10_000)
    rig.clock.advance(25_000)
    rig.sense(level_mm=150)
    run(rig, "top_off", 10_000, "control", LOW)
    assert rig.events_of("ran") == [
        {"actuator": "top_off", "on_ms": 10_000, "reason": BY_HAND.as_json(), "by": "ann"}
    ]
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 20_300


def test_a_fill_lasts_at_most_ten_minutes(rig):
    run(rig, "top_off", 2_000_000)
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 600_300


@pytest.mark.parametrize(("day_ms", "runs_ms"), [(400, 100), (5_000, 4_700)])
def test_a_fill_is_limited_to_the_rest_of_the_daily_budget(tmp_path, day_ms, runs_ms):
    rig = Rig(tmp_path, **{"topoff.max_ms_day": day_ms})
    rig.sense(level_mm=150)
    run(rig, "top_off", 60_000)
    rig.clock.advance(60_000)
    assert rig.runs("top_off") == [(0, runs_ms)]


def test_a_budget_below_the_shortest_fill_is_spent(tmp_path):
    rig = Rig(tmp_path, **{"topoff.max_ms_day": 10_399})
    rig.sense(level_mm=150)
    run(rig, "top_off", 10_000)
    rig.clock.advance(20_000)
    rig.sense(level_mm=150)
    refusal = refused(rig, "top_off", 10_000)
    assert refusal == Reason("fill_spent")
    assert rig.events_of("refused") == [
        {"actuator": "top_off", "reason": refusal.as_json(), "by": "ann"},
    ]
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 10_000


@pytest.mark.parametrize(("changed", "code"), [
    ({"level_mm": 240}, "tank_full"), ({}, "channel_stale"),
])
def test_a_full_tank_or_a_stale_level_prevents_a_fill(rig, changed, code):
    if changed:
        rig.sense(**changed)
    else:
        rig.clock.advance(30_001)
    assert refused(rig, "top_off", 10_000).code == code
    assert rig.runs("top_off") == []


def test_a_flash_write_error_prevents_a_fill(rig):
    rig.break_flash()
    refusal = refused(rig, "top_off", 10_000)
    assert refusal.code == "ledger_failed"
    assert "Error" in refusal.values["detail"]
    assert rig.runs("top_off") == []
    assert rig.events_of("refused")[-1]["by"] == "ann"


def test_a_fill_that_cannot_be_settled_stays_charged_in_full(rig):
    run(rig, "top_off", 90_000)
    rig.clock.advance(10_000)
    rig.break_flash()
    rig.gate.end("top_off")
    assert rig.level("top_off") == 0
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 90_300


def test_each_run_is_reported_with_its_own_time(rig):
    for for_ms in (60_000, 40_000):
        run(rig, "circulation", for_ms)
        rig.clock.advance(for_ms)
        rig.gate.end("circulation")
    assert [one["on_ms"] for one in rig.events_of("ran")] == [60_000, 40_000]


def test_what_a_part_says_of_its_failure_is_cut():
    error = ActuatorError("circulation", 200 * "x")
    assert len(actuator_failed(error).values["detail"]) == 120
