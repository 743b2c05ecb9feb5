"""Tests of flow checks by the meter while the irrigation pump is on or off."""

from idro.protocol.reason import Reason
from support.irrigation_rig import FULL, LOST, MIST, NFT, Pump


def test_missing_flow_is_reported_after_two_samples_and_10_s():
    pump = Pump(**NFT)
    pump.sample(0)
    pump.measured(1, 0)
    assert not pump.events
    pump.measured(1, 0)
    assert pump.events == [("irrigation_no_flow", {
        "state": "began", "on_ms": 20_000})]
    pump.measured(5, 0)
    assert len(pump.events) == 1
    pump.update()
    assert pump.reasons[-1] == Reason(
        "flow_missing", why=Reason("watering", left_ms=900_000))
    pump.measured(1, 3_000)
    assert pump.events[1] == ("irrigation_no_flow", {
        "state": "ended", "on_ms": 70_000})
    assert not pump.meter.is_missing


def test_bursts_are_summed_and_compared_with_their_flow():
    pump = Pump(**MIST)
    pump.sample(0)
    for flow_ml_per_min, count in ((60, 0), (49, 0), (49, 1)):  # 5 s of 100 ml/min in 10 s are 50
        pump.now_ms += 10_000
        pump.on_ms_total += 5_000
        pump.sample(flow_ml_per_min)
        assert len(pump.events) == count


def test_a_faulty_meter_is_ignored():
    pump = Pump(**NFT)
    pump.sample(0)
    for _ in range(5):
        pump.now_ms += 10_000
        pump.on_ms_total += 10_000
        pump.sample(0, "noisy")
    assert not pump.events
    pump.meter.update(None, 0, pump.values, False)
    assert not pump.meter.is_missing


def test_the_same_sample_counts_once():
    pump = Pump(**NFT)
    pump.sample(0)
    pump.measured(1, 0)
    pump.on_ms_total += 10_000
    pump.sample(0)
    assert not pump.events


def test_no_check_without_a_declared_flow():
    pump = Pump(**NFT, irrigation__low_ml_per_min=0)
    pump.sample(0)
    pump.measured(10, 0)
    pump.measured(10, 5_000, is_on=False)
    assert not pump.events


def test_flow_with_the_pump_off_is_reported():
    pump = Pump(**MIST)
    pump.sample(0)
    pump.measured(2, 3_000, is_on=False)
    assert not pump.events
    pump.measured(2, 3_000, is_on=False)
    assert pump.events == [("irrigation_stuck_on", {"state": "began", "flow_ml_per_min": 3_000})]
    pump.measured(1, 0, is_on=False)
    assert pump.events[1:] == [("irrigation_stuck_on", {"state": "ended", "flow_ml_per_min": 0})]


def test_water_draining_back_is_not_reported():
    pump = Pump(**NFT)
    pump.run_for(910)
    pump.sample(0)
    for _ in range(20):
        pump.now_ms += 10_000
        pump.sample(500)
    assert not pump.events


def test_without_flow_and_level_it_is_retried_at_intervals():
    pump = Pump(level=LOST, **NFT)
    pump.sample(0)
    tries = []
    for _ in range(6 * 60 * 3):
        pump.update()
        if pump.is_on and pump.runs[-1][0] not in tries:
            tries.append(pump.runs[-1][0])
        pump.measured(1, 0, is_on=pump.is_on)
    assert [b - a for a, b in zip(tries, tries[1:], strict=False)][:3] == [
        320_000, 310_000, 1_810_000]
    on_ms = sum(off - on for on, off in pump.runs)
    assert on_ms < 120_000
    assert Reason("flow_retry", left_ms=300_000) in pump.reasons
    pump.level = FULL  # the tank is not dry: irrigation has priority
    pump.update()
    assert pump.is_on
