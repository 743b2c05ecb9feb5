"""Tests of the dimmer: level as PWM duty, off after its lease and after every failure."""

from idro.drivers import dimmer
from idro.errors import ActuatorError
from idrosim.devices import dimmer as light
from support.portable_fakes import FakeClock, FakePwm, cutoff_timer, refusal_of


def bench(safe_level=0):
    clock = FakeClock()
    pwm = FakePwm()
    timer = cutoff_timer(clock)
    spec = {
        "name": "light", "part": "dimmer", "pin": 19, "freq_hz": 1000, "max_on_ms": 900_000,
        "safe_level": safe_level,
    }
    return dimmer.build(spec, pwm, timer, clock), pwm, timer, clock


def test_is_off_from_construction():
    assert bench()[1].duty == 0
    assert bench(safe_level=1)[1].duty == 65_535


def test_drives_the_requested_level():
    for duty_pct, duty_u16 in ((1, 655), (50, 32_768), (80, 52_428), (100, 65_535)):
        output, pwm, _, _ = bench()
        output.set(duty_pct, 900_000)
        assert pwm.duty == duty_u16
        assert output.duty_pct == duty_pct
        output, pwm, _, _ = bench(safe_level=1)
        output.set(duty_pct, 900_000)
        assert pwm.duty == 65_535 - duty_u16


def test_the_timer_switches_it_off():
    output, pwm, _, clock = bench()
    output.set(80, 60_000)
    clock.advance_ms(59_999)
    assert output.is_on
    clock.advance_ms(1)
    assert pwm.duty == 0
    assert output.duty_pct == 0
    assert output.off() == 60_000


def test_a_level_can_be_changed_and_extended():
    output, pwm, _, clock = bench()
    output.set(10, 60_000)
    clock.advance_ms(50_000)
    output.set(20, 60_000)
    clock.advance_ms(50_000)
    assert output.duty_pct == 20
    assert pwm.duty == 13_107
    assert output.on_ms_total == 100_000
    assert output.off() == 100_000
    assert pwm.duty == 0


def test_a_level_of_0_is_off():
    output, pwm, timer, clock = bench()
    output.set(50, 60_000)
    clock.advance_ms(1_000)
    output.set(0, 60_000)
    assert pwm.duty == 0
    assert not output.is_on
    assert output.off() == 1_000


def test_refuses_invalid_requests_and_goes_off():
    for duty_pct, for_ms in ((101, 1_000), (-1, 1_000), (0.5, 1_000), (50, 900_001), (50, 0)):
        output, pwm, _, _ = bench()
        output.set(30, 60_000)
        assert "light" in refusal_of(ActuatorError, output.set, duty_pct, for_ms)
        assert pwm.duty == 0
        assert output.duty_pct == 0


def test_the_light_follows_the_duty():
    part = light.Dimmer()
    part.set_duty(0.25)
    assert part.ratio == 0.25
    part.set_duty(1.0)
    assert part.ratio == 1.0
    inverted = light.Dimmer(safe_level=1)
    inverted.set_duty(0.25)
    assert inverted.ratio == 0.75
    inverted.set_level(1)
    assert inverted.ratio == 0.0


def test_the_light_has_faults():
    part = light.Dimmer()
    part.set_duty(0.5)
    part.fault = "stuck"
    part.set_duty(0.0)
    assert part.ratio == 0.5
    part.fault = "unplugged"
    assert part.ratio == 0.0
    part.fault = "shorted"
    assert part.ratio == 1.0
    assert "duty" in refusal_of(AssertionError, part.set_duty, 1.5)
