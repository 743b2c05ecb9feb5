"""Tests of the safety gate: refusals, charges, and pumps that end up off in every case."""

import asyncio

import pytest

from idro.protocol.reason import Reason
from idro.safety import ledger
from idro.safety.outputs import Refused
from support.safety_rig import BY_HAND, HOUR_MS, Rig


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    return rig


def refused(rig, actuator, volume_ul, by="ann"):
    """Return the code of the expected refusal; assert that no pump ran."""
    runs = len(rig.runs(actuator))
    with pytest.raises(Refused) as caught:
        asyncio.run(rig.dose(actuator, volume_ul, by))
    assert len(rig.runs(actuator)) == runs
    return caught.value.reason.code


def test_a_dose_runs_in_quanta_and_is_reported(rig):
    actuation = asyncio.run(rig.dose("ph_down", 2_500))
    assert (actuation.volume_ul, actuation.on_ms) == (2_500, 2_500)
    runs = rig.runs("ph_down")
    assert sum(off - on for on, off in runs) == 2_500
    assert max(off - on for on, off in runs) <= 1_000
    assert rig.events_of("dosed")[0]["volume_ul"] == 2_500


def test_refuses_before_twelve_plausible_samples_over_two_minutes(tmp_path):
    rig = Rig(tmp_path)
    for _ in range(12):
        rig.sense()
        rig.circulate()
        assert refused(rig, "ph_down", 500) == "arming"
        rig.clock.advance(10_000)
    rig.sense()
    asyncio.run(rig.dose("ph_down", 500))
    assert rig.events_of("armed") == [{}]


def test_a_fault_restarts_arming_but_a_single_jump_does_not(rig):
    rig.sense(ph="jump")
    rig.sense()
    asyncio.run(rig.dose("ph_down", 500))
    rig.wait(HOUR_MS)
    rig.sense(ph="no_ack")
    rig.sense()
    assert refused(rig, "ph_down", 500) == "arming"


@pytest.mark.parametrize(("changed", "code"), [
    ({"ph": "flat"}, "channel_fault"), ({"level_mm": "saturated"}, "channel_fault"),
    ({"level_mm": 100}, "water_low"),
])
def test_refuses_on_a_bad_reading(rig, changed, code):
    rig.sense(**changed)
    assert refused(rig, "ph_down", 500) == code


def test_a_probe_in_air_also_blocks_acid_and_a_minute_longer(rig):
    rig.sense(ec_us_cm="in_air")
    assert refused(rig, "ph_down", 500) == "in_air"
    rig.clock.advance(50_000)
    rig.sense()
    assert refused(rig, "ph_down", 500) == "in_air"
    rig.clock.advance(10_000)
    rig.sense()
    rig.circulate()
    asyncio.run(rig.dose("ph_down", 500))


def test_refuses_on_a_stale_reading(rig):
    rig.clock.advance(31_000)
    rig.circulate()
    assert refused(rig, "ph_down", 500) == "channel_stale"


def test_refuses_without_circulation(rig):
    rig.gate.end("circulation")
    assert refused(rig, "ph_down", 500) == "circulation_off"


def test_refuses_more_than_the_maximum_dose(rig):
    assert refused(rig, "ph_down", 3_001) == "max_dose"


def test_refuses_the_same_channel_within_its_gap(rig):
    asyncio.run(rig.dose("ph_down", 500))
    rig.wait(290_000)
    assert refused(rig, "ph_down", 500) == "gap"
    rig.wait(20_000)
    asyncio.run(rig.dose("ph_down", 500))


def test_acid_and_base_are_an_hour_apart(rig):
    asyncio.run(rig.dose("ph_up", 500))
    rig.wait(HOUR_MS - 60_000)
    assert refused(rig, "ph_down", 500) == "apart"
    rig.wait(90_000)
    asyncio.run(rig.dose("ph_down", 500))


def test_a_and_b_are_a_minute_apart(rig):
    asyncio.run(rig.dose("nutrient_a", 5_000, "control"))
    assert refused(rig, "nutrient_b", 5_000, "control") == "apart"
    rig.wait(61_000)
    asyncio.run(rig.dose("nutrient_b", 5_000, "control"))


def test_control_waits_for_mixing(rig):
    asyncio.run(rig.dose("nutrient_a", 500))
    rig.wait(600_000)
    assert refused(rig, "ph_down", 500, "control") == "mixing"
    rig.wait(301_000)
    asyncio.run(rig.dose("ph_down", 500, "control"))


def test_budget_of_the_hour_and_of_the_day(rig):
    for _ in range(5):
        asyncio.run(rig.dose("ph_down", 3_000))
        rig.wait(310_000)
    assert refused(rig, "ph_down", 200) == "hour_spent"
    given_ul = 15_000
    while given_ul < 50_000:
        rig.wait(HOUR_MS)
        volume_ul = min(3_000, 50_000 - given_ul)
        asyncio.run(rig.dose("ph_down", volume_ul))
        given_ul += volume_ul
    rig.wait(HOUR_MS)
    assert refused(rig, "ph_down", 200) == "day_spent"
    assert rig.worst_on_ms("ph_down", 24 * HOUR_MS) <= 50_000


def test_a_wrong_calibration_does_not_give_a_tenfold_dose(tmp_path):
    rig = Rig(tmp_path, **{"doser.ul_per_s": 100, "ph.down_ul_per_ph": 2_000_000})
    rig.arm()
    for _ in range(40):
        try:
            asyncio.run(rig.dose("ph_down", 1_000))
        except Refused:
            rig.wait(310_000)
    assert rig.worst_on_ms("ph_down", HOUR_MS) <= 30_000
    assert max(off - on for on, off in rig.runs("ph_down")) <= 10_000


def test_only_one_doser_runs_at_a_time(rig):
    async def both():
        first = rig.dose("ph_down", 3_000)
        rig.clock.call_in(1_500, lambda: codes.append(refused_inside(rig)))
        await first

    codes = []
    asyncio.run(both())
    assert codes == ["busy"]
    assert rig.runs("nutrient_a") == []


def refused_inside(rig):
    try:
        rig.dose("nutrient_a", 500).send(None)
    except Refused as refusal:
        return refusal.reason.code
    return "ran"


def test_a_cancelled_dose_stops_and_charges_the_delivered_time(rig):
    dose = rig.dose("ph_down", 3_000)

    class Cut(BaseException):
        pass

    def cut():
        raise Cut

    rig.clock.call_in(1_400, cut)
    with pytest.raises(Cut):
        asyncio.run(dose)
    assert rig.level("ph_down") == 0
    assert rig.ledger.spent("ph_down", HOUR_MS)[0] == 1_400
    assert rig.gate.dosing is None


@pytest.mark.parametrize("changed", [
    {"level_mm": 100}, {"level_mm": "no_ack"}, {"ph": "no_ack"},
])
def test_a_lost_reading_ends_the_dose(rig, changed):
    rig.clock.call_in(1_200, lambda: rig.sense(**changed))
    actuation = asyncio.run(rig.dose("ph_down", 3_000))
    assert actuation.on_ms == 2_000
    assert actuation.cut.code in ("water_low", "channel_fault")
    assert rig.ledger.spent("ph_down", HOUR_MS)[0] == 2_000


def test_a_stop_ends_a_dose_immediately_and_survives_a_reset(rig):
    rig.clock.call_in(1_300, lambda: rig.gate.stop("ann"))
    actuation = asyncio.run(rig.dose("ph_down", 3_000))
    assert actuation.on_ms == 1_300
    rig.wait(400_000)
    assert refused(rig, "ph_down", 500) == "stopped"
    rig.reboot()
    rig.arm()
    assert refused(rig, "ph_down", 500) == "stopped"
    rig.gate.resume("ann")
    rig.wait(400_000)
    asyncio.run(rig.dose("ph_down", 500))


def test_a_latch_holds_until_a_person_resumes(rig):
    rig.gate.latch(ledger.NO_EFFECT)
    assert rig.events_of("latched") == [{"reason": Reason("latch_no_effect").as_json()}]
    rig.reboot()
    rig.arm()
    assert refused(rig, "ph_up", 500) == "latch_no_effect"


def test_a_power_cut_in_a_dose_charges_in_full_and_delays_the_next(rig):
    snapshots = []
    rig.clock.call_in(300, lambda: snapshots.append(rig.snapshot()))
    asyncio.run(rig.dose("ph_down", 3_000))
    rig.power_cut_at(snapshots[0])
    assert rig.ledger.spent("ph_down", HOUR_MS) == (3_300, 3_300)  # and that its cut-off came late
    rig.arm()
    assert refused(rig, "ph_down", 500) == "power_failed"
    rig.wait(480_000)
    asyncio.run(rig.dose("ph_down", 500))


def test_refusals_of_control_are_reported_once(rig):
    rig.sense(ph="flat")
    for _ in range(3):
        refused(rig, "ph_down", 500, "control")
    assert len(rig.events_of("refused")) == 1
    refused(rig, "ph_down", 500, "ann")
    assert len(rig.events_of("refused")) == 2


def test_a_doser_rejects_runs_and_a_switch_rejects_doses(rig):
    with pytest.raises(Refused):
        rig.gate.run("ph_down", 1_000, BY_HAND, "ann", rig.readings)
    assert refused(rig, "circulation", 500) == "wrong_kind"
    assert refused(rig, "ghost", 500) == "no_output"


def test_circulation_ends_on_time_and_never_runs_dry(rig):
    rig.clock.advance(70_000)
    assert rig.level("circulation") == 0
    rig.sense(level_mm=100)
    with pytest.raises(Refused):
        rig.circulate()
    rig.sense(level_mm="no_ack")
    rig.circulate()
    assert rig.level("circulation") == 1


def test_filling_is_charged_and_bounded_across_resets(rig):
    for _ in range(30):
        try:
            rig.gate.run("top_off", 600_000, BY_HAND, "control", rig.readings)
        except Refused:
            break
        for _ in range(61):
            rig.clock.advance(10_000)
            rig.sense(level_mm=150)
        rig.reboot()
        rig.sense(level_mm=150)
    assert rig.worst_on_ms("top_off", 24 * HOUR_MS) <= 1_800_000
    assert rig.events_of("refused")[-1]["reason"] == Reason("fill_spent").as_json()


@pytest.mark.parametrize("changed", [{"level_mm": 240}, {"level_mm": "no_ack"}])
def test_filling_ends_when_full_or_without_a_level(rig, changed):
    rig.sense(level_mm=150)
    rig.gate.run("top_off", 600_000, BY_HAND, "control", rig.readings)
    rig.clock.advance(10_000)
    rig.sense(**changed)
    with pytest.raises(Refused):
        rig.gate.run("top_off", 600_000, BY_HAND, "control", rig.readings)
    assert rig.level("top_off") == 0
    assert rig.events_of("ran")[-1]["on_ms"] == 10_000
    assert rig.ledger.spent("top_off", HOUR_MS)[0] == 10_000


def test_a_dose_does_not_continue_after_off_all(rig):
    rig.clock.call_in(1_500, rig.gate.off_all)
    actuation = asyncio.run(rig.dose("ph_down", 3_000))
    assert actuation.on_ms == 1_500
    assert actuation.cut == Reason("all_off")


@pytest.mark.parametrize("failure", [MemoryError(), OSError(5)], ids=repr)
def test_off_all_goes_on_where_one_output_fails(rig, failure):
    rig.gate.run("irrigation", 60_000, BY_HAND, "ann", rig.readings)
    rig.pins["ph_down"].failure = rig.pins["circulation"].failure = failure
    rig.gate.off_all()
    assert not rig.level("irrigation")


def test_a_stop_halts_every_doser_where_one_fails_and_before_it_writes(rig, monkeypatch):
    """Without memory for the latch on flash, the pumps rest nevertheless."""
    def write(*_):
        levels.append(rig.level("nutrient_a"))
        raise MemoryError

    def stop():
        rig.pins["ph_down"].failure = OSError(5)
        monkeypatch.setattr(ledger, "open", write, raising=False)
        rig.gate.stop("ann")

    levels = []
    rig.clock.call_in(1_300, stop)
    actuation = asyncio.run(rig.dose("nutrient_a", 5_000))
    assert levels[0] == 0
    assert actuation.on_ms == 1_300
    assert rig.gate.latch_code == ledger.STOPPED
    assert rig.events_of("stopped") == [{"by": "ann"}]


def test_a_stop_ends_the_dose_also_if_resumed_at_once(rig):
    rig.clock.call_in(1_300, lambda: rig.gate.stop("ann"))
    rig.clock.call_in(1_400, lambda: rig.gate.resume("ben"))
    actuation = asyncio.run(rig.dose("ph_down", 3_000))
    assert (actuation.on_ms, actuation.cut) == (1_300, Reason("all_off"))


def test_off_all_drives_everything_safe(rig):
    rig.gate.set_duty("light", 80, 600_000, "control")
    rig.sense(level_mm=150)
    rig.gate.run("top_off", 600_000, BY_HAND, "control", rig.readings)
    rig.gate.off_all()
    assert [name for name in rig.outputs if rig.level(name)] == []


def test_without_a_ledger_there_is_no_headroom_and_the_refusal_names_who_asked(rig):
    rig.break_flash()
    assert refused(rig, "ph_down", 500, "ben") == "ledger_failed"
    assert rig.events_of("refused")[-1]["by"] == "ben"
    room_ul, why = rig.gate.headroom("ph_down", rig.readings, "ann")
    assert (room_ul, why.code) == (0, "ledger_failed")


def test_every_stop_is_counted(rig):
    assert rig.gate.stop_count == 0
    rig.gate.stop("ann")
    rig.gate.resume("ann")
    rig.gate.stop("ann")
    assert rig.gate.stop_count == 3, "and the resume between them"
