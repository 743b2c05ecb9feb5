"""What the gate answers and tells, word by word, and what it does when a part of it fails."""

import asyncio

import pytest

from idro.safety import ledger, limits
from idro.safety.gate import Gate
from idro.safety.outputs import Output, Refused
from support.safety_rig import HOUR_MS, Rig

MIXING_MS = 300_000


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    return rig


def dose(rig, actuator, volume_ul, by="ann"):
    return asyncio.run(rig.dose(actuator, volume_ul, by))


def correct(rig, doser, volume_ul, mixing_ms=MIXING_MS):
    request = ("a press", "ann")
    return asyncio.run(rig.gate.correct(doser, volume_ul, mixing_ms, request, rig.readings))


def refused(act, *args):
    with pytest.raises(Refused) as caught:
        act(*args)
    return caught.value.code, caught.value.reason


def break_flash(rig):
    """Let the flash refuse every write; returns what mends it."""
    kept = rig.flash()
    for name in kept:
        (rig.folder / name).unlink()
        (rig.folder / name).mkdir()

    def mend():
        for name, data in kept.items():
            (rig.folder / name).rmdir()
            (rig.folder / name).write_bytes(data)

    return mend


def break_pin(rig, name):
    """Let the pin of an output refuse to be driven high."""
    pin = rig.outputs[name].driver._pin
    drive = pin.value

    def value(level):
        if level:
            raise OSError(5)
        drive(level)

    pin.value = value


def test_a_dose_is_told_with_all_that_is_known(rig):
    began_ms = rig.clock.now_ms()
    actuation = dose(rig, "ph_down", 1_500)
    assert actuation == ("ph_down", 1_500, 1_500, began_ms, "test")
    assert rig.events_of("dosed") == [{
        "actuator": "ph_down", "volume_ul": 1_500, "on_ms": 1_500, "reason": "test", "by": "ann",
    }]
    assert rig.ledger.spent("ph_down", HOUR_MS) == (1_500, 1_500)


def test_a_dose_is_given_in_whole_seconds_and_a_rest(rig):
    began_ms = rig.clock.at_ms
    dose(rig, "nutrient_a", 2_345)
    lengths = [off - on for on, off in rig.runs("nutrient_a")]
    assert sum(lengths) == 2_345
    assert rig.clock.at_ms - began_ms == 2_345


def test_the_last_millisecond_is_given_too(rig):
    assert dose(rig, "ph_down", 1_001).on_ms == 1_001


def test_a_timer_that_strikes_late_makes_no_quantum_longer(rig):
    call_in = rig.clock.call_in
    rig.clock.call_in = lambda delay_ms, call: call_in(delay_ms + 50, call)
    actuation = dose(rig, "ph_down", 2_500)
    assert (actuation.on_ms, actuation.reason) == (2_500, "test")
    assert [off - on for on, off in rig.runs("ph_down")] == [1_000, 1_000, 500]


def test_volume_and_time_go_by_the_calibration(rig):
    rig.gate.set_limits(limits.derive(rig.values | {"doser.ul_per_s": 333}))
    actuation = dose(rig, "ph_down", 1_000)
    assert (actuation.on_ms, actuation.volume_ul) == (3_003, 1_000)


def test_the_next_dose_counts_from_its_own_beginning(rig):
    dose(rig, "nutrient_a", 2_000)
    rig.wait(310_000)
    assert dose(rig, "nutrient_a", 1_000).on_ms == 1_000


def test_less_than_the_pump_can_give_is_refused(rig):
    assert refused(dose, rig, "ph_down", 99) == ("small", "less than the pump can give")
    assert dose(rig, "ph_down", 100).on_ms == 100


def test_who_is_dosing_is_known_while_it_lasts(rig):
    seen = []
    rig.clock.call_in(500, lambda: seen.append(
        (rig.gate.dosing, rig.gate.headroom("nutrient_a", rig.readings, "ann"))
    ))
    dose(rig, "ph_down", 1_000)
    assert seen == [("ph_down", (0, "ph_down is dosing"))]
    assert rig.gate.dosing is None


def test_there_is_no_room_in_what_the_board_has_not(rig):
    assert rig.gate.headroom("ghost", rig.readings, "ann") == (0, "there is no ghost")
    room = rig.gate.correction_headroom("ghost", rig.readings, MIXING_MS)
    assert room == (0, "there is no ghost")
    assert refused(dose, rig, "ghost", 500) == ("unknown", "there is no ghost")
    assert refused(dose, rig, "circulation", 500) == ("kind", "circulation is a switch")
    assert refused(correct, rig, "light", 500) == ("kind", "light is a dimmer")
    assert rig.events_of("refused")[0] == {
        "actuator": "ghost", "reason": "there is no ghost", "by": "ann"
    }


def test_room_says_why_there_is_none(rig):
    assert rig.gate.headroom("ph_down", rig.readings, "ann") == (3_000, "at most 3.0 ml a dose")
    assert refused(dose, rig, "ph_down", 3_001) == ("dose", "at most 3.0 ml a dose")
    rig.sense(level_mm=119)
    room = rig.gate.headroom("ph_down", rig.readings, "ann")
    assert room == (0, "water is low, 119 of 120 mm")
    assert refused(dose, rig, "ph_down", 500) == ("low", "water is low, 119 of 120 mm")


def test_water_has_mixed_when_its_time_is_over(rig):
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


def test_a_step_of_a_correction_has_a_budget_and_a_reason_of_its_own(rig):
    assert correct(rig, "ph_down", 20_000).on_ms == 20_000
    assert rig.ledger.spent("ph_down_fill", HOUR_MS) == (20_000, 20_000)
    assert rig.ledger.spent("ph_down", HOUR_MS) == (0, 0)
    assert rig.events_of("dosed")[0]["reason"] == "a press"
    assert rig.events_of("dosed")[0]["by"] == "ann"


def test_a_step_too_large_or_too_small_is_refused(rig):
    why = "corrections have had their day's share"
    assert refused(correct, rig, "ph_up", 30_001) == ("correction", why)
    assert rig.events_of("refused") == [{"actuator": "ph_up", "reason": why, "by": "ann"}]
    assert refused(correct, rig, "ph_up", 50) == ("small", "less than the pump can give")
    assert rig.runs("ph_up") == []
    assert correct(rig, "ph_up", 30_000).volume_ul == 30_000


def test_a_step_waits_for_what_was_given_before(rig):
    dose(rig, "nutrient_a", 1_000)
    rig.wait(299_000)
    code, why = refused(correct, rig, "ph_down", 1_000)
    assert (code, why.split(",")[0]) == ("correction", "mixing")
    assert rig.gate.correction_headroom("ph_down", rig.readings, MIXING_MS)[0] == 0
    rig.wait(2_000)
    assert correct(rig, "ph_down", 1_000).volume_ul == 1_000


def test_no_step_where_no_dose_may_be(rig):
    rig.sense(ph="flat")
    room = rig.gate.correction_headroom("ph_down", rig.readings, MIXING_MS)
    assert room == (0, "reservoir.ph has a fault: flat")


def test_a_board_where_control_only_advises_lets_a_person_correct(rig):
    rig.gate.set_limits(limits.derive(rig.values, 100, 0))
    assert rig.gate.headroom("ph_down", rig.readings, "control")[1] == "control only advises"
    assert correct(rig, "ph_down", 5_000).volume_ul == 5_000


# What fails.


def test_a_flash_that_refuses_lets_no_dose_run(rig):
    mend = break_flash(rig)
    code, why = refused(dose, rig, "ph_down", 500)
    assert code == "ledger"
    assert why.startswith("append failed")
    assert refused(dose, rig, "ph_down", 500) == ("ledger", "the dose ledger cannot be written")
    assert rig.runs("ph_down") == []
    assert rig.gate.dosing is None
    mend()
    rig.sense()
    rig.wait(70_000)
    assert dose(rig, "ph_down", 500).volume_ul == 500


def test_a_dose_that_cannot_be_settled_is_given_and_stays_charged(rig):
    rig.clock.call_in(1_000, lambda: break_flash(rig))
    assert dose(rig, "ph_down", 2_000).on_ms == 2_000
    assert rig.ledger.spent("ph_down", HOUR_MS) == (2_000, 2_000)


def test_a_pump_that_cannot_be_driven_is_told_and_charged_with_nothing(rig):
    break_pin(rig, "ph_down")
    actuation = dose(rig, "ph_down", 2_000)
    assert (actuation.volume_ul, actuation.on_ms) == (0, 0)
    assert actuation.reason == "test; cut short: cannot be driven: OSError(5)"
    assert rig.ledger.spent("ph_down", HOUR_MS) == (0, 0)


def test_a_stop_that_cannot_be_written_stops_all_the_same(rig):
    break_flash(rig)
    rig.gate.stop("ann")
    assert rig.events_of("stopped") == [{"by": "ann"}]
    assert (rig.gate.latch_code, rig.gate.latch_reason) == (ledger.STOPPED, "stopped by a person")
    assert refused(dose, rig, "ph_down", 500) == ("latched", "stopped by a person")


def test_everything_else_goes_off_when_one_output_cannot(rig):
    rig.gate.run("circulation", 60_000, "test", "ann", rig.readings)
    rig.gate.set_duty("light", 80, 60_000, "ann")

    def refuses(_):
        raise OSError(5)

    rig.outputs["ph_down"].driver._pin.value = refuses
    rig.gate.off_all()
    assert (rig.level("circulation"), rig.level("light")) == (0, 0)


def test_a_dose_after_off_all_is_given_whole(rig):
    rig.gate.off_all()
    rig.circulate()
    assert dose(rig, "ph_down", 2_000).reason == "test"


def test_a_dose_is_cut_where_the_water_stops_moving(rig):
    rig.clock.call_in(500, lambda: rig.gate.end("circulation"))
    actuation = dose(rig, "ph_down", 3_000)
    assert (actuation.on_ms, actuation.reason) == (
        1_000, "test; cut short: circulation is off"
    )


def test_a_dose_is_cut_by_a_latch_and_says_so(rig):
    rig.clock.call_in(500, lambda: rig.gate.latch(ledger.WRONG_WAY))
    actuation = dose(rig, "ph_down", 3_000)
    assert actuation.on_ms == 1_000
    assert actuation.reason == "test; cut short: dosing worked the wrong way"


# Latches and events.


def test_a_latch_is_not_overwritten_by_the_next(rig):
    rig.gate.latch(ledger.NO_EFFECT)
    rig.gate.latch(ledger.WRONG_WAY)
    assert rig.gate.latch_code == ledger.NO_EFFECT
    assert rig.events_of("latched") == [{"reason": "dosing had no effect"}]
    rig.gate.resume("ben")
    assert rig.events_of("resumed") == [{"by": "ben"}]
    assert (rig.gate.latch_code, rig.gate.latch_reason) == (0, "")


def test_a_damaged_ledger_is_told_at_the_start(rig):
    assert rig.events_of("latched") == []
    for name in ("ledger.a", "ledger.b"):
        (rig.folder / name).write_bytes(b"\xff" * 56)
    rig.boot()
    assert rig.events_of("latched") == [{"reason": "the dose ledger was damaged"}]
    assert refused(dose, rig, "ph_down", 500)[0] == "latched"


def test_armed_is_told_once_until_it_is_so_again(rig):
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


def test_a_switch_that_moves_no_water_asks_for_no_level(rig):
    fan = Output("fan", "switch", rig.outputs["circulation"].driver, 900_000)
    gate = Gate({"fan": fan}, rig.ledger, limits.derive(rig.values), rig.clock, rig._event)
    gate.end("fan")
    gate.run("fan", 60_000, "test", "ann", {})
    assert rig.level("circulation") == 1


def test_what_was_given_makes_the_next_refusal_of_control_news(rig):
    for _ in range(2):
        for _ in range(2):
            assert refused(dose, rig, "nutrient_a", 50_000, "control")[0] == "dose"
        dose(rig, "nutrient_a", 500, "control")
        rig.wait(1_000_000)
    assert len(rig.events_of("refused")) == 2


def test_a_power_cut_in_a_dose_holds_off_for_ten_minutes(rig):
    photos = []
    rig.clock.call_in(300, lambda: photos.append(rig.photograph()))
    dose(rig, "ph_down", 3_000)
    rig.power_cut_at(photos[0])
    rig.arm()
    rig.wait(599_999 - rig.clock.now_ms())
    assert rig.gate.headroom("nutrient_a", rig.readings, "ann") == (
        0, "power failed during a dose, 1 s left"
    )
    rig.clock.advance(1)
    assert rig.gate.headroom("nutrient_a", rig.readings, "ann")[0] > 0


def test_an_output_that_is_no_doser_is_left_running_by_a_stop(rig):
    rig.gate.stop("ann")
    assert rig.level("circulation") == 1


def test_a_full_ledger_says_so(rig):
    for _ in range(ledger.MAX_LIVE):
        rig.ledger.settle(rig.ledger.reserve("top_off", 1, 0), 1, 0)
    assert refused(dose, rig, "ph_down", 500) == (
        "ledger", "the ledger is full: too many runs today"
    )


def test_a_refusal_that_nobody_took_is_printed_as_its_reason():
    assert str(Refused("full", "the tank is full, 240 mm")) == "the tank is full, 240 mm"
