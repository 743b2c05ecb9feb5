"""Tests of the flow meter: pulses by interrupt, flow rate and noise."""

from idro.drivers import flow_meter as driver
from idrosim.devices.flow_meter import FlowMeter
from support.portable_fakes import FakeClock, FakeGpio, fault_of, refusal_of, run

PIN = 7


def bench(pulses_per_l=450):
    clock = FakeClock()
    part = FlowMeter(pulses_per_l)
    spec = {"source": "top_off", "part": "flow_meter", "pin": PIN, "pulses_per_l": pulses_per_l}
    return driver.build(spec, FakeGpio(clock, {PIN: part}), clock, {}), part, clock


def test_reads_the_mean_flow_since_the_last_read():
    sensor, part, clock = bench()
    for volume_ml, elapsed_ms, expected in ((100, 10_000, 600), (0, 10_000, 0), (50, 5_000, 587)):
        part.flow(volume_ml)
        clock.advance_ms(elapsed_ms)
        assert run(sensor.read({})) == {"flow_ml_per_min": expected}
    assert sensor.volume_ml == 148  # 67 whole pulses


def test_no_pulse_is_lost_between_reads():
    sensor, part, clock = bench()
    for _ in range(1_000):
        part.flow(1.0)
    assert sensor.volume_ml == 1_000
    clock.advance_ms(60_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 1_000}


def test_two_reads_at_once_are_half_a_second_apart():
    sensor, part, clock = bench()
    part.flow(400)
    assert run(sensor.read({})) == {"flow_ml_per_min": 48_000}
    assert clock.now_ms() == 500


def test_an_impossible_flow_is_noise():
    sensor, part, clock = bench()
    part.flow(20_000)
    clock.advance_ms(10_000)
    assert fault_of(sensor.read({})) == "noisy"
    clock.advance_ms(10_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 0}


def test_a_stuck_wheel_gives_no_pulse():
    sensor, part, clock = bench()
    part.fault = "stuck"
    part.flow(100)
    clock.advance_ms(10_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 0}


def test_misuse_raises_an_assertion():
    _, part, _ = bench()
    assert "twice" in refusal_of(AssertionError, part.watch, None, 3)
    assert "an input" in refusal_of(AssertionError, part.set_level, 1)
    assert part.level() == 1
