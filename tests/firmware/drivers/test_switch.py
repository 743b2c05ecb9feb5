"""Tests of the switch driver: bounded runs, cut-off by its own timer, safe after failures."""

from idro.drivers import switch
from idro.errors import ActuatorError
from idrosim.devices import switch as load
from support.portable_fakes import FakeClock, FakePin, cutoff_timer, refusal_of


def bench(max_on_ms=600_000, safe_level=0):
    clock = FakeClock()
    pin = FakePin(clock)
    timer = cutoff_timer(clock)
    spec = {
        "name": "top_off", "part": "switch", "pin": 23, "max_on_ms": max_on_ms,
        "safe_level": safe_level,
    }
    return switch.build(spec, pin, timer, clock), pin, timer, clock


def test_is_safe_from_construction():
    for safe_level in (0, 1):
        output, pin, _, _ = bench(safe_level=safe_level)
        assert pin.edges == [(0, safe_level)]
        assert not output.is_on
        assert output.off() == 0


def test_runs_until_it_is_switched_off():
    for safe_level in (0, 1):
        output, pin, timer, clock = bench(safe_level=safe_level)
        output.on(10_000)
        assert output.is_on
        clock.advance_ms(4_000)
        assert output.off() == 4_000
        assert pin.edges == [(0, safe_level), (0, 1 - safe_level), (4_000, safe_level)]
        assert not output.is_on


def test_the_timer_cuts_off_independently_of_the_control_loop():
    output, pin, _, clock = bench()
    output.on(5_000)
    clock.advance_ms(60_000)
    assert pin.edges == [(0, 0), (0, 1), (5_000, 0)]
    assert not output.is_on
    assert output.off() == 5_000


def test_the_on_time_is_returned_once():
    output, _, _, clock = bench()
    output.on(5_000)
    clock.advance_ms(6_000)
    assert output.off() == 5_000
    assert output.off() == 0
    assert output.on_ms_total == 5_000


def test_a_run_cut_off_and_restarted_is_still_counted():
    output, _, _, clock = bench()
    output.on(5_000)
    clock.advance_ms(6_000)
    output.on(5_000)
    clock.advance_ms(1_000)
    assert output.off() == 6_000


def test_a_running_output_can_be_extended():
    output, pin, _, clock = bench()
    output.on(10_000)
    clock.advance_ms(9_000)
    output.on(10_000)
    clock.advance_ms(9_000)
    assert output.is_on
    assert output.on_ms_total == 18_000
    clock.advance_ms(2_000)
    assert pin.edges == [(0, 0), (0, 1), (19_000, 0)]
    assert output.off() == 19_000


def test_refuses_a_run_above_its_maximum():
    for for_ms in (600_001, 0, -1, 1.5, None):
        output, pin, _, _ = bench()
        assert "top_off" in refusal_of(ActuatorError, output.on, for_ms)
        assert pin.level == 0
        assert not output.is_on


def test_a_refused_extension_ends_the_run():
    output, pin, _, clock = bench()
    output.on(1_000)
    clock.advance_ms(400)
    assert "600001 ms" in refusal_of(ActuatorError, output.on, 600_001)
    assert pin.level == 0
    assert output.off() == 400


def test_off_always_drives_the_pin():
    output, pin, _, _ = bench()
    pin.level = 1
    assert output.off() == 0
    assert pin.level == 0


def test_the_load_follows_the_pin():
    part = load.Switch()
    assert part.ratio == 0.0
    part.set_level(1)
    assert part.ratio == 1.0
    inverted = load.Switch(safe_level=1)
    inverted.set_level(1)
    assert inverted.ratio == 0.0
    inverted.set_level(0)
    assert inverted.ratio == 1.0


def test_the_load_has_faults():
    part = load.Switch()
    part.set_level(1)
    part.fault = "stuck"
    part.set_level(0)
    assert part.ratio == 1.0
    part.fault = "unplugged"
    assert part.ratio == 0.0
    part.fault = "shorted"
    assert part.ratio == 1.0
    part.fault = None
    assert part.ratio == 0.0


def test_misuse_of_the_load_raises_an_assertion():
    part = load.Switch()
    assert "level" in refusal_of(AssertionError, part.set_level, 0.5)
    assert "PWM" in refusal_of(AssertionError, part.set_duty, 0.5)
    assert "unknown fault" in refusal_of(AssertionError, setattr, part, "fault", "mouldy")
