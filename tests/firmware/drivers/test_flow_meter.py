"""Tests of the flow meter: pulses in a counter of the chip, flow rate and noise."""

from idro.drivers import flow_meter as driver
from idrosim.devices.flow_meter import FlowMeter
from support.portable_fakes import FakeClock, FakeGpio, FakePcnt, fault_of, refusal_of, run

PIN = 7


def bench(pulses_per_l=450):
    clock = FakeClock()
    part = FlowMeter(pulses_per_l)
    spec = {"source": "top_off", "part": "flow_meter", "pin": PIN, "pulses_per_l": pulses_per_l}
    return driver.build(spec, FakeGpio(clock, {PIN: part}), clock, {}), part, clock


def turn(part, pulses):
    """Turn the wheel by whole pulses of a meter with 1,000 a litre."""
    part.flow(pulses)


def test_reads_the_mean_flow_since_the_last_read():
    sensor, part, clock = bench()
    for volume_ml, elapsed_ms, expected in ((100, 10_000, 600), (0, 10_000, 0), (50, 5_000, 587)):
        part.flow(volume_ml)
        clock.advance_ms(elapsed_ms)
        assert run(sensor.read({})) == {"flow_ml_per_min": expected}


def test_no_pulse_is_lost_between_reads():
    sensor, part, clock = bench()
    for _ in range(1_000):
        part.flow(1.0)
    clock.advance_ms(60_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 1_000}


def test_no_pulse_is_lost_or_counted_twice_across_the_range():
    sensor, part, clock = bench(1_000)
    # In 30 s one pulse of 1,000 a litre is 2 ml/min; the counter restarts at 32,767.
    state = 1
    for pulses in (0, 1, 29_999, 2_766, 1, 1, 30_000, 30_000, 30_000) + (0,) * 30:
        if not pulses:
            state = (state * 1_103_515_245 + 12_345) % (1 << 31)
            pulses = state % 30_001
        turn(part, pulses)
        clock.advance_ms(30_000)
        assert run(sensor.read({})) == {"flow_ml_per_min": 2 * pulses}


def test_a_counter_that_may_have_passed_its_range_is_no_flow():
    sensor, part, clock = bench(5_880)  # a YF-S401 gives up to 588 pulses a second
    part.flow(100)
    clock.advance_ms(33_000)
    assert fault_of(sensor.read({})) == "saturated"
    clock.advance_ms(10_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 0}


def test_a_common_meter_may_be_read_once_a_minute():
    sensor, part, clock = bench()
    part.flow(60_000)
    clock.advance_ms(70_000)
    assert run(sensor.read({})) == {"flow_ml_per_min": 51_429}


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


def test_each_meter_has_a_counter_of_its_own():
    clock = FakeClock()
    parts = {pin: FlowMeter(1_000) for pin in (7, 8)}
    gpio = FakeGpio(clock, parts)
    meters = [driver.build({"pin": pin, "pulses_per_l": 1_000}, gpio, clock, {})
              for pin in (7, 8)]
    turn(parts[7], 500)
    turn(parts[8], 100)
    clock.advance_ms(30_000)
    assert [run(meter.read({}))["flow_ml_per_min"] for meter in meters] == [1_000, 200]


def test_the_counter_behaves_like_that_of_the_port():
    bench()
    for settings, why in (
            ({"channel": 2}, "channel"), ({"filter": 1_024}, "filter"), ({"value": 1}, "value"),
            ({"max": 32_768}, "maximum"), ({"min": 1}, "minimum"), ({"falling": 3}, "falling")):
        assert refusal_of(ValueError, lambda: FakePcnt(0, **settings)) == why  # noqa: B023
    assert refusal_of(ValueError, FakePcnt, 4) == "invalid id"  # an ESP32-S3 has four
    assert FakePcnt(0) is FakePcnt(0)


def test_a_counter_restarts_at_its_limits():
    part = FlowMeter(1_000)
    gpio = FakeGpio(FakeClock(), {PIN: part})
    pin = gpio.Pin(PIN, gpio.Pin.IN)
    counter = gpio.PCNT(1, pin=pin, rising=gpio.PCNT.INCREMENT, max=10)
    turn(part, 5)
    assert counter.value() == 0  # not started
    counter.start()
    turn(part, 9)
    assert counter.value() == 9
    turn(part, 1)
    assert counter.value() == 0
    turn(part, 3)
    assert (counter.value(0), counter.value()) == (3, 0)
    counter.init(rising=gpio.PCNT.DECREMENT, min=-4)
    turn(part, 6)
    assert counter.value() == -2
    counter.stop()
    turn(part, 6)
    assert counter.value() == -2
    counter.init(rising=gpio.PCNT.INCREMENT, falling=gpio.PCNT.INCREMENT)
    counter.start()
    turn(part, 4)  # both edges of each
    assert counter.value() == 6
    counter.deinit()
    turn(part, 6)
    assert counter.value() == 0


def test_misuse_raises_an_assertion():
    _, part, _ = bench()
    assert "an input" in refusal_of(AssertionError, part.set_level, 1)
    assert part.level() == 1
