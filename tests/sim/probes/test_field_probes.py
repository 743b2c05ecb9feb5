"""Tests of field probes: lag, faults and exact state."""

import pytest

from idrosim.greenhouse.rng import Rng
from idrosim.probes.field_probes import (
    FloatProbe,
    FlowProbe,
    GasProbe,
    LightProbe,
    RangeProbe,
    SupplyProbe,
)

TRUTH = {"air.co2_ppm": 800.0, "air.temp_c": 24.0, "light.ppfd_umol_m2_s": 250.0,
         "reservoir.level_mm": 200.0, "topoff_ml": 0.0}
LOOKS = {
    GasProbe: "co2_ppm", LightProbe: "illuminance_lx", RangeProbe: "level_mm",
    SupplyProbe: "supply",
}


def settled(kind, truth=TRUTH, params=None):
    probe = kind(params or {}, Rng(5))
    probe.step(0.0, truth)
    for _ in range(100):
        probe.step(60.0, truth)
    return probe


def test_each_probe_reads_the_true_value():
    assert settled(GasProbe).co2_ppm == pytest.approx(815, abs=20)
    assert settled(LightProbe).illuminance_lx == pytest.approx(15_000, abs=30)
    assert settled(RangeProbe).level_mm == pytest.approx(200, abs=4)
    assert settled(RangeProbe).air_c == 24.0
    assert settled(SupplyProbe).supply[0] == pytest.approx(12_000, abs=50)


def test_gas_lags_behind_the_air():
    probe = settled(GasProbe, params={"probe.co2.noise_ppm": 0})
    probe.step(60.0, TRUTH | {"air.co2_ppm": 1_800.0})
    assert probe.co2_ppm == pytest.approx(815 + 632, abs=2)


@pytest.mark.parametrize("kind", LOOKS)
def test_stuck_is_constant_and_drift_accumulates(kind):
    probe = settled(kind)
    probe.fault = "stuck"
    first = getattr(probe, LOOKS[kind])
    assert getattr(probe, LOOKS[kind]) == first
    probe.fault = "drift"
    for _ in range(48):
        probe.step(3_600.0, TRUTH)
    assert getattr(probe, LOOKS[kind]) != pytest.approx(first, rel=0.05)
    with pytest.raises(ValueError, match="eaten"):
        probe.fault = "eaten"


@pytest.mark.parametrize("kind", [*LOOKS, FloatProbe, FlowProbe])
def test_state_restores_to_the_last_bit(kind):
    probe = settled(kind)
    other = kind({}, Rng(9))
    other.restore(probe.state())
    assert other.state() == probe.state()


def test_a_float_has_hysteresis():
    probe = FloatProbe({"probe.float.tau_s": 0.001}, Rng(1))
    ups = []
    for level_mm in (100.0, 119.0, 121.0, 115.0, 111.0, 115.0):
        probe.step(10.0, TRUTH | {"reservoir.level_mm": level_mm})
        ups.append(probe.is_up)
    assert ups == [False, False, True, True, False, False]


def test_a_flow_meter_counts_the_volume():
    turned = []
    probe = FlowProbe({"probe.flow.noise_ratio": 0}, Rng(1))
    probe.turn = turned.append
    for total_ml in (50.0, 50.0, 60.0, 75.5):
        probe.step(1.0, TRUTH | {"topoff_ml": total_ml})
    assert turned == [10.0, 15.5]
    probe.fault = "slow"
    probe.step(10.0, TRUTH | {"topoff_ml": 175.5})
    assert 20.0 < turned[-1] < 40.0
    for _ in range(30):
        probe.step(10.0, TRUTH | {"topoff_ml": 175.5})
    assert sum(turned) == pytest.approx(125.5, abs=0.1)
    probe.fault = "drift"
    for _ in range(10):
        probe.step(3_600.0, TRUTH | {"topoff_ml": 175.5})
    probe.step(1.0, TRUTH | {"topoff_ml": 275.5})
    assert turned[-1] < 90.0


def test_a_waterlogged_float_lifts_late_and_a_slow_one_later():
    probe = settled(FloatProbe, TRUTH | {"reservoir.level_mm": 125.0})
    assert probe.is_up
    probe.fault = "drift"
    for _ in range(5):
        probe.step(3_600.0, TRUTH | {"reservoir.level_mm": 125.0})
    assert not probe.is_up
    probe.fault = "slow"
    probe.step(10.0, TRUTH | {"reservoir.level_mm": 0.0})
    probe.step(3.0, TRUTH | {"reservoir.level_mm": 300.0})
    assert not probe.is_up
