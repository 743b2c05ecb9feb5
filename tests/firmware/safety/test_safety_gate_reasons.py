"""Tests of the exact reasons and events of the safety gate, and of failures of its parts."""

import asyncio

import pytest

from idro.protocol.reason import Reason
from idro.safety import ledger, limits
from idro.safety.gate import Gate
from idro.safety.outputs import Output, Refused
from support.safety_rig import BY_HAND, DOSERS, HOUR_MS, Rig

MIXING_MS = 300_000


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    return rig


def dose(rig, actuator, volume_ul, by="ann"):
    return asyncio.run(rig.dose(actuator, volume_ul, by))


def correct(rig, doser, volume_ul, mixing_ms=MIXING_MS):
    request = (Reason("correction_step"), "ann")
    return asyncio.run(rig.gate.correct(doser, volume_ul, mixing_ms, request, rig.readings))


def refused(act, *args):
    with pytest.raises(Refused) as caught:
        act(*args)
    return caught.value.reason


def break_pin(rig, name):
    """Make driving the pin of an output high fail."""
    pin = rig.outputs[name].driver._pin
    drive = pin.value

    def value(level):
        if level:
            raise OSError(5)
        drive(level)

    pin.value = value


def test_a_dose_is_reported_with_all_details(rig):
    began_ms = rig.clock.now_ms()
    actuation = dose(rig, "ph_down", 1_500)
    assert actuation == ("ph_down", 1_500, 1_500, began_ms, None)
    assert rig.events_of("dosed") == [{
        "actuator": "ph_down", "volume_ul": 1_500, "on_ms": 1_500, "reason": BY_HAND.as_json(),
        "by": "ann",
    }]
    assert rig.ledger.spent("ph_down", HOUR_MS) == (1_500, 1_500)


def test_a_dose_is_given_in_whole_seconds_and_a_remainder(rig):
    began_ms = rig.clock.at_ms
    dose(rig, "nutrient_a", 2_345)
    lengths = [off - on for on, off in rig.runs("nutrient_a")]
    assert sum(lengths) == 2_345
    assert rig.clock.at_ms - began_ms == 2_345


def test_the_last_millisecond_is_given(rig):
    assert dose(rig, "ph_down", 1_001).on_ms == 1_001


def test_a_late_task_lengthens_a_dose_by_one_check_at_most(rig):
    async def sleep_ms(duration_ms):
        rig.clock.advance(duration_ms + 170)

    rig.clock.sleep_ms = sleep_ms
    actuation = dose(rig, "ph_down", 2_500)
    runs_ms = [off - on for on, off in rig.runs("ph_down")]
    assert runs_ms == [1_000, 1_030, 510]  # the timer cuts at its check after each second
    assert (actuation.on_ms, actuation.cut) == (2_540, None)
    assert rig.ledger.spent("ph_down", HOUR_MS)[0] == 2_540


def test_volume_and_time_follow_the_calibration(rig):
    rig.gate.set_limits(limits.derive(rig.values | {"doser.ul_per_s": 333}))
    actuation = dose(rig, "ph_down", 1_000)
    assert (actuation.on_ms, actuation.volume_ul) == (3_003, 1_000)


def test_the_next_dose_is_timed_from_its_own_start(rig):
    dose(rig, "nutrient_a", 2_000)
    rig.wait(310_000)
    assert dose(rig, "nutrient_a", 1_000).on_ms == 1_000


def test_a_dose_below_the_pump_minimum_is_refused(rig):
    assert refused(dose, rig, "ph_down", 99) == Reason("too_small")
    assert dose(rig, "ph_down", 100).on_ms == 100


def test_the_dosing_channel_is_known_during_a_dose(rig):
    seen = []
    rig.clock.call_in(500, lambda: seen.append(
        (rig.gate.dosing, rig.gate.headroom("nutrient_a", rig.readings, "ann"))
    ))
    dose(rig, "ph_down", 1_000)
    assert seen == [("ph_down", (0, Reason("busy", actuator="ph_down")))]
    assert rig.gate.dosing is None


def test_a_missing_output_has_no_budget(rig):
    missing = Reason("no_output", actuator="ghost")
    assert rig.gate.headroom("ghost", rig.readings, "ann") == (0, missing)
    room = rig.gate.correction_headroom("ghost", rig.readings, MIXING_MS)
    assert room == (0, missing)
    assert refused(dose, rig, "ghost", 500) == missing
    assert refused(dose, rig, "circulation", 500) == Reason(
        "wrong_kind", actuator="circulation", kind="switch")
    assert refused(correct, rig, "light", 500) == Reason(
        "wrong_kind", actuator="light", kind="dimmer")
    assert rig.events_of("refused")[0] == {
        "actuator": "ghost", "reason": missing.as_json(), "by": "ann"
    }


def test_an_empty_budget_has_a_reason(rig):
    most = Reason("max_dose", volume_ul=3_000)
    assert rig.gate.headroom("ph_down", rig.readings, "ann") == (3_000, most)
    assert refused(dose, rig, "ph_down", 3_001) == most
    rig.sense(level_mm=119)
    room = rig.gate.headroom("ph_down", rig.readings, "ann")
    low = Reason("water_low", level_mm=119, low_mm=120)
    assert room == (0, low)
    assert refused(dose, rig, "ph_down", 500) == low


def test_water_is_mixed_after_the_mixing_time(rig):
    assert rig.gate.mixing_left_ms() == 0
    dose(rig, "nutrient_a", 500)
    assert rig.gate.mixing_left_ms() == 900_000
    rig.clock.advance(900_000)
    assert rig.gate.mixing_left_ms() == 1
    rig.clock.advance(1)
    assert rig.gate.mixing_left_ms() == 0
    rig.clock.advance(500_000)
    assert rig.gate.mixing_left_ms() == 0


# A correction.


def test_a_correction_step_has_its_own_budget_and_reason(rig):
    assert correct(rig, "ph_down", 20_000).on_ms == 20_000
    assert rig.ledger.spent("ph_down_fill", HOUR_MS) == (20_000, 20_000)
    assert rig.ledger.spent("ph_down", HOUR_MS) == (0, 0)
    assert rig.events_of("dosed")[0]["reason"] == Reason("correction_step").as_json()
    assert rig.events_of("dosed")[0]["by"] == "ann"


def test_a_step_too_large_or_too_small_is_refused(rig):
    why = Reason("correction_spent")
    assert refused(correct, rig, "ph_up", 30_001) == why
    assert rig.events_of("refused") == [
        {"actuator": "ph_up", "reason": why.as_json(), "by": "ann"}]
    assert refused(correct, rig, "ph_up", 50) == Reason("too_small")
    assert rig.runs("ph_up") == []
    assert correct(rig, "ph_up", 30_000).volume_ul == 30_000


def test_a_step_waits_for_earlier_doses(rig):
    dose(rig, "nutrient_a", 1_000)
    rig.wait(299_000)
    assert refused(correct, rig, "ph_down", 1_000).code == "mixing"
    assert rig.gate.correction_headroom("ph_down", rig.readings, MIXING_MS)[0] == 0
    rig.wait(2_000)
    assert correct(rig, "ph_down", 1_000).volume_ul == 1_000


def test_a_step_needs_the_same_conditions_as_a_dose(rig):
    rig.sense(ph="flat")
    room = rig.gate.correction_headroom("ph_down", rig.readings, MIXING_MS)
    assert room == (0, Reason("channel_fault", channel="reservoir.ph", fault="flat"))


@pytest.mark.parametrize("fault", ["flat", "no_ack"])
def test_a_step_of_nutrient_needs_a_ph_too(rig, fault):
    rig.sense(ph=fault)
    why = Reason("channel_fault", channel="reservoir.ph", fault=fault)
    room = rig.gate.correction_headroom("nutrient_a", rig.readings, MIXING_MS)
    assert room == (0, why)
    assert refused(correct, rig, "nutrient_a", 1_000) == why
    assert rig.gate.headroom("nutrient_a", rig.readings, "ann")[0] > 0
    assert rig.gate.correction_headroom("nutrient_b", rig.readings, MIXING_MS)[0] > 0
    rig.sense()
    room = rig.gate.correction_headroom("nutrient_a", rig.readings, MIXING_MS)
    assert room[1].code == "arming"


def test_an_advice_only_board_allows_manual_correction(rig):
    rig.gate.set_limits(limits.derive(rig.values, 100, 0))
    assert rig.gate.headroom("ph_down", rig.readings, "control") == (
        0, Reason("advice_only"))
    assert correct(rig, "ph_down", 5_000).volume_ul == 5_000


# Failures.


def test_a_flash_write_error_prevents_a_dose(rig):
    mend = rig.break_flash()
    for _ in range(2):
        why = refused(dose, rig, "ph_down", 500)
        assert why.code == "ledger_failed"
        assert "Error" in why.values["detail"]
    assert rig.runs("ph_down") == []
    assert rig.gate.dosing is None
    mend()
    rig.sense()
    rig.wait(70_000)
    assert dose(rig, "ph_down", 500).volume_ul == 500


def test_a_dose_that_cannot_be_settled_is_given_and_stays_charged(rig):
    rig.clock.call_in(1_000, rig.break_flash)
    assert dose(rig, "ph_down", 2_000).on_ms == 2_000
    assert rig.ledger.spent("ph_down", HOUR_MS) == (2_300, 2_300)


def test_a_pump_pin_failure_is_reported_and_not_charged(rig):
    break_pin(rig, "ph_down")
    actuation = dose(rig, "ph_down", 2_000)
    assert (actuation.volume_ul, actuation.on_ms) == (0, 0)
    assert actuation.cut == Reason(
        "actuator_failed", detail="cannot be driven: OSError(5)")
    assert rig.events_of("dosed")[0]["cut"] == actuation.cut.as_json()
    assert rig.ledger.spent("ph_down", HOUR_MS) == (0, 0)


def test_a_stop_works_even_if_it_cannot_be_written(rig):
    rig.break_flash()
    rig.gate.stop("ann")
    assert rig.events_of("stopped") == [{"by": "ann"}]
    assert (rig.gate.latch_code, rig.gate.latch_reason) == (ledger.STOPPED, Reason("stopped"))
    assert refused(dose, rig, "ph_down", 500) == Reason("stopped")


def test_a_failing_output_does_not_prevent_the_others_from_going_off(rig):
    rig.gate.run("circulation", 60_000, BY_HAND, "ann", rig.readings)
    rig.gate.set_duty("light", 80, 60_000, "ann")

    def refuses(_):
        raise OSError(5)

    rig.outputs["ph_down"].driver._pin.value = refuses
    rig.gate.off_all()
    assert (rig.level("circulation"), rig.level("light")) == (0, 0)


def test_a_dose_after_off_all_is_given_in_full(rig):
    rig.gate.off_all()
    rig.circulate()
    actuation = dose(rig, "ph_down", 2_000)
    assert (actuation.on_ms, actuation.cut) == (2_000, None)


def test_a_dose_ends_when_circulation_stops(rig):
    rig.clock.call_in(500, lambda: rig.gate.end("circulation"))
    actuation = dose(rig, "ph_down", 3_000)
    assert (actuation.on_ms, actuation.cut) == (1_000, Reason("circulation_off"))


def test_a_latch_ends_a_dose_and_is_the_reason(rig):
    rig.clock.call_in(500, lambda: rig.gate.latch(ledger.WRONG_WAY))
    actuation = dose(rig, "ph_down", 3_000)
    assert actuation.on_ms == 1_000
    assert actuation.cut == Reason("latch_wrong_way")


# Latches and events.


def test_a_latch_is_not_overwritten_by_the_next(rig):
    rig.gate.latch(ledger.NO_EFFECT)
    rig.gate.latch(ledger.WRONG_WAY)
    assert rig.gate.latch_code == ledger.NO_EFFECT
    assert rig.events_of("latched") == [{"reason": Reason("latch_no_effect").as_json()}]
    rig.gate.resume("ben")
    assert rig.events_of("resumed") == [{"by": "ben"}]
    assert (rig.gate.latch_code, rig.gate.latch_reason) == (0, None)


def test_a_damaged_ledger_is_reported_at_startup(rig):
    assert rig.events_of("latched") == []
    for name in ("ledger.a", "ledger.b"):
        (rig.folder / name).write_bytes(b"\xff" * 56)
    rig.boot()
    assert rig.events_of("latched") == [{"reason": Reason("latch_ledger").as_json()}]
    assert refused(dose, rig, "ph_down", 500) == Reason("latch_ledger")


def test_arming_is_reported_once_each_time(rig):
    assert len(rig.events_of("armed")) == 1
    rig.sense()
    assert len(rig.events_of("armed")) == 1
    rig.sense(ec_us_cm="no_ack")
    rig.arm()
    assert len(rig.events_of("armed")) == 2


def test_a_board_without_dosers_is_never_armed(tmp_path):
    rig = Rig(tmp_path)
    kinds = []
    switches = {"circulation": rig.outputs["circulation"]}
    gate = Gate(switches, rig.ledger, limits.derive(rig.values), rig.clock,
                lambda kind, detail: kinds.append(kind))
    gate.observe({})
    assert kinds == []


def test_a_switch_that_moves_no_water_needs_no_level(rig):
    fan = Output("fan", "switch", rig.outputs["circulation"].driver, 900_000)
    gate = Gate({"fan": fan}, rig.ledger, limits.derive(rig.values), rig.clock, rig._event)
    gate.end("fan")
    gate.run("fan", 60_000, BY_HAND, "ann", {})
    assert rig.level("circulation") == 1


def test_a_dose_makes_the_next_refusal_of_control_reportable(rig):
    for _ in range(2):
        for _ in range(2):
            assert refused(dose, rig, "nutrient_a", 50_000, "control").code == "max_dose"
        dose(rig, "nutrient_a", 500, "control")
        rig.wait(1_000_000)
    assert len(rig.events_of("refused")) == 2


def test_a_power_cut_in_a_dose_blocks_dosing_for_ten_minutes(rig):
    snapshots = []
    rig.clock.call_in(300, lambda: snapshots.append(rig.snapshot()))
    dose(rig, "ph_down", 3_000)
    rig.power_cut_at(snapshots[0])
    rig.arm()
    rig.wait(599_999 - rig.clock.now_ms())
    assert rig.gate.headroom("nutrient_a", rig.readings, "ann") == (
        0, Reason("power_failed", left_ms=1)
    )
    rig.clock.advance(1)
    assert rig.gate.headroom("nutrient_a", rig.readings, "ann")[0] > 0


def test_a_stop_rests_the_pumps_before_it_writes_and_a_failing_pump_spares_no_other(rig):
    def fail():
        raise OSError("bus")

    def levels_at_write(code):
        seen.append([rig.level(name) for name in DOSERS])
        write(code)

    seen, write = [], rig.ledger.set_latch
    rig.ledger.set_latch = levels_at_write
    for name in DOSERS:
        rig.outputs[name].driver.on(5_000)
    rig.outputs["ph_down"].driver.off = fail
    rig.gate.stop("ann")
    assert seen == [[1, 0, 0, 0]]
    assert rig.gate.latch_code == ledger.STOPPED


def test_a_stop_does_not_end_other_outputs(rig):
    rig.gate.stop("ann")
    assert rig.level("circulation") == 1


def test_a_full_ledger_is_the_reason(rig):
    for _ in range(ledger.MAX_LIVE):
        rig.ledger.settle(rig.ledger.reserve("top_off", 1, 0), 1, 0)
    assert refused(dose, rig, "ph_down", 500) == Reason("ledger_full")


def test_an_uncaught_refusal_prints_its_reason():
    assert str(Refused(Reason("tank_full", level_mm=240))) == "tank_full(level_mm=240)"
