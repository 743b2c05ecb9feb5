"""Stops, latches and doses that end in the middle: nothing of them is lost."""

import asyncio

import pytest

from idro.protocol.reason import Reason
from idro.safety import ledger
from idro.safety.outputs import Refused
from support.safety_rig import Rig


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.arm()
    return rig


def test_a_fault_found_while_stopped_latches_and_survives_a_reset(rig):
    rig.gate.stop("ann")
    rig.gate.latch(ledger.WRONG_WAY)
    assert rig.events_of("latched") == [{"reason": Reason("latch_wrong_way").as_json()}]
    rig.reboot()
    assert rig.gate.latch_code == ledger.WRONG_WAY


def test_a_stop_keeps_the_fault_that_latched_before(rig):
    rig.gate.latch(ledger.NO_EFFECT)
    rig.gate.stop("ann")
    assert rig.gate.latch_code == ledger.NO_EFFECT
    assert rig.events_of("stopped") == [{"by": "ann"}]
    rig.reboot()
    assert rig.gate.latch_code == ledger.NO_EFFECT


def test_the_first_fault_stays(rig):
    rig.gate.latch(ledger.NO_EFFECT)
    rig.gate.latch(ledger.WRONG_WAY)
    assert rig.gate.latch_code == ledger.NO_EFFECT
    assert len(rig.events_of("latched")) == 1


def test_a_resume_also_ends_what_was_requested_before_it(rig):
    rig.gate.stop("ann")
    count = rig.gate.stop_count
    rig.gate.resume("ann")
    assert rig.gate.stop_count > count
    count = rig.gate.stop_count
    rig.gate.resume("ann")
    assert rig.gate.stop_count == count, "without a stop before it, it ends nothing"


@pytest.mark.parametrize("failure", [MemoryError(), OSError(5), RuntimeError()], ids=repr)
def test_a_dose_that_fails_in_the_middle_is_reported_as_given(rig, monkeypatch, failure):
    def fail():
        raise failure

    rig.clock.call_in(1_300, fail)
    with pytest.raises(type(failure)):
        asyncio.run(rig.dose("ph_down", 3_000))
    assert rig.level("ph_down") == 0
    dosed, = rig.events_of("dosed")
    assert (dosed["on_ms"], dosed["volume_ul"]) == (1_300, 1_300)
    assert dosed["cut"] == Reason("dose_failed").as_json()
    given = rig.gate.given
    assert (given.actuator, given.on_ms, given.volume_ul) == ("ph_down", 1_300, 1_300)
    assert rig.gate.dosing is None
    rig.gate.off_all()


def test_a_dose_that_is_refused_leaves_nothing_given(rig):
    asyncio.run(rig.dose("ph_down", 500))
    assert rig.gate.given.volume_ul == 500
    with pytest.raises(Refused):
        asyncio.run(rig.dose("ph_down", 500))
    assert rig.gate.given.volume_ul == 500, "it is that of the last dose that ended"


def test_after_a_calibration_the_dosers_wait_for_plausible_readings_again(rig):
    rig.gate.disarm()
    for doser, channel in (("ph_down", "reservoir.ph"), ("nutrient_a", "reservoir.ec_us_cm")):
        with pytest.raises(Refused) as refused:
            asyncio.run(rig.dose(doser, 500))
        assert refused.value.reason == Reason("arming", channel=channel, count=0, of=12)
    for _ in range(11):
        rig.sense()
        rig.circulate()
        rig.clock.advance(11_000)
    with pytest.raises(Refused):
        asyncio.run(rig.dose("ph_down", 500))
    rig.sense()
    assert asyncio.run(rig.dose("ph_down", 500)).volume_ul == 500
