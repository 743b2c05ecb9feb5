"""Tests of the dosing pump driver: one bounded run at a time, ended by its own timer."""

from idro.drivers import doser
from idro.errors import ActuatorError
from idrosim.devices import doser as pump
from support.portable_fakes import FakeClock, FakePin, cutoff_timer, refusal_of


def bench():
    clock = FakeClock()
    pin = FakePin(clock)
    timer = cutoff_timer(clock)
    spec = {
        "name": "ph_down", "part": "doser", "pin": 25, "max_on_ms": 10_000, "safe_level": 0,
    }
    return doser.build(spec, pin, timer, clock), pin, timer, clock


def test_is_safe_from_construction():
    output, pin, _, _ = bench()
    assert pin.edges == [(0, 0)]
    assert not output.is_on


def test_a_dose_runs_for_its_time():
    output, pin, _, clock = bench()
    output.on(1_000)
    clock.advance_ms(1_000)
    assert output.off() == 1_000
    assert pin.edges == [(0, 0), (0, 1), (1_000, 0)]
    output.on(500)
    clock.advance_ms(200)
    assert output.off() == 200
    assert output.on_ms_total == 1_200


def test_the_timer_ends_an_unattended_dose():
    output, pin, _, clock = bench()
    output.on(10_000)
    clock.advance_ms(3_600_000)
    assert pin.edges == [(0, 0), (0, 1), (10_000, 0)]
    assert output.off() == 10_000


def test_refuses_a_dose_above_its_maximum_run():
    output, pin, _, _ = bench()
    assert "ph_down: 10001 ms" in refusal_of(ActuatorError, output.on, 10_001)
    assert pin.edges == [(0, 0)]


def test_a_second_start_stops_the_pump():
    output, pin, _, clock = bench()
    output.on(9_000)
    clock.advance_ms(8_000)
    assert "while it ran" in refusal_of(ActuatorError, output.on, 9_000)
    assert pin.level == 0
    clock.advance_ms(60_000)
    assert output.off() == 8_000
    assert pin.edges == [(0, 0), (0, 1), (8_000, 0)]


def test_is_off_on_any_exception_of_its_pin():
    output, pin, _, _ = bench()

    def broken(level=None):
        pin.level = level
        if level:
            raise ValueError("no such pin")

    pin.value = broken
    assert "no such pin" in refusal_of(ValueError, output.on, 1_000)
    assert pin.level == 0
    assert not output.is_on


def test_the_pump_follows_the_pin():
    part = pump.Doser()
    part.set_level(1)
    assert part.ratio == 1.0
    part.set_level(0)
    assert part.ratio == 0.0
    assert "must not be driven by PWM" in refusal_of(AssertionError, part.set_duty, 0.5)


def test_the_pump_has_faults():
    part = pump.Doser()
    part.fault = "stuck"
    part.set_level(1)
    assert part.ratio == 0.0
    part.fault = None
    assert part.ratio == 1.0
