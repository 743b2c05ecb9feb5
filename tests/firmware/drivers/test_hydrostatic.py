"""Tests of the hydrostatic transmitter: level in mm through shunt and ADC, NE 43 faults."""

from idro.drivers import ads1115, hydrostatic
from idro.errors import SensorError
from idrosim.devices import ads1115 as converter
from idrosim.devices import hydrostatic as transmitter
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x48
SPEC = {"source": "reservoir", "part": "hydrostatic", "measures": ["level_mm"], "channel": 2}
SHUNT_OHM = 150


def bench(volts, zero_uv=600_000, uv_per_mm=2_400):
    clock = FakeClock()
    part = converter.Ads1115(clock)
    part.inputs[2] = volts
    adc = ads1115.Ads1115(FakeI2c(clock, {ADDRESS: part}), ADDRESS, clock)
    values = {"level.zero_uv": zero_uv, "level.uv_per_mm": uv_per_mm}
    return hydrostatic.build(SPEC, adc, clock, values)


def at_ma(current_ma):
    return bench(lambda: current_ma * SHUNT_OHM / 1000)


def test_the_current_loop_is_4_to_20_ma():
    assert transmitter.volts(0) == 0.6
    assert transmitter.volts(500) == 1.8
    assert transmitter.volts(1000) == 3.0
    assert abs(transmitter.volts(2000) - 3.075) < 1e-9


def test_reads_the_depth():
    for level_mm in (0, 1, 120, 200, 999, 1000):
        sensor = bench(lambda level_mm=level_mm: transmitter.volts(level_mm))
        assert run(sensor.read({})) == {"level_mm": level_mm}
        assert sensor.spread_uv == 0


def test_the_zero_point_is_a_calibration():
    sensor = bench(lambda: 0.72, zero_uv=720_000)
    assert run(sensor.read({})) == {"level_mm": 0}


def test_a_current_below_3_6_ma_is_a_fault():
    for current_ma in (0.0, 2.0, 3.59):
        assert fault_of(at_ma(current_ma).read({})) == "saturated"


def test_a_current_above_21_ma_is_a_fault():
    for current_ma in (21.01, 22.0):
        assert fault_of(at_ma(current_ma).read({})) == "saturated"


def test_currents_between_are_readings():
    assert run(at_ma(3.61).read({})) == {"level_mm": 0}
    assert run(at_ma(20.99).read({})) == {"level_mm": 1062}


def test_broken_loops_are_faults():
    for fault in ("unplugged", "shorted"):
        sensor = bench(lambda fault=fault: transmitter.volts(200, fault=fault))
        assert fault_of(sensor.read({})) == "saturated"
    assert fault_of(bench(None).read({})) == "saturated"


def test_a_zero_point_far_above_the_signal_is_a_fault():
    sensor = bench(lambda: 0.6, zero_uv=2_000_000)
    assert fault_of(sensor.read({})) == "uncalibrated"
    assert "uncalibrated" in refusal_of(SensorError, hydrostatic.level_mm, 700_000, 600_000, 0)


def test_deeper_than_any_tank_is_out_of_range():
    assert fault_of(bench(lambda: 3.0, uv_per_mm=100).read({})) == "out_of_range"


def test_waves_do_not_change_the_median():
    volts = [1.0, 1.2, 1.08]
    sensor = bench(lambda: volts.pop())
    assert run(sensor.read({})) == {"level_mm": 200}
    assert sensor.spread_uv == 200_000
