"""Tests of what all I2C expanders do: failures of the bus, retries, cut-offs, lost runs."""

from idro.drivers import doser, switch
from idro.errors import ActuatorError
from support.expander_benches import Mcp23017Bench, Pca9685Bench, Pcf8574Bench
from support.portable_fakes import refusal_of


def benches():
    return [Mcp23017Bench(), Pca9685Bench(), Pcf8574Bench()]


def test_off_always_works_and_a_failed_on_raises():
    for made in benches():
        pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
        made.part.fault = "unplugged"
        for load in (pump, valve):
            assert "cannot be driven" in refusal_of(ActuatorError, load.on, 500)
            assert not load.is_on
        assert made.line.level == made.off_level
        pump.off()
        made.part.fault = None
        pump.on(500)
        assert made.is_on(4)


def test_off_without_memory_for_a_transfer_switches_everything_off():
    for made in benches():
        pump = made.load(doser.build, 4)
        pump.on(5_000)
        made.i2c.errors = [MemoryError()] * 3
        pump.off()
        assert not made.is_on(4)
        assert not pump.is_on


def test_two_failed_transfers_are_retried():
    for made in benches():
        pump = made.load(doser.build, 4)
        made.i2c.errors = [OSError(19), OSError(19)]
        pump.on(500)
        assert made.is_on(4)


def test_outputs_stay_off_after_a_failure():
    for made in benches():
        pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
        valve.on(5_000)
        made.i2c.errors = [OSError(19)] * 3
        assert "cannot be driven" in refusal_of(ActuatorError, pump.on, 500)
        assert not made.is_on(5)
        pump.on(500)
        assert made.is_on(4)
        assert not made.is_on(5)


def test_a_failure_ends_the_runs_of_all_outputs():
    for made in benches():
        pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
        valve.on(5_000)
        made.clock.advance_ms(1_000)
        made.i2c.errors = [OSError(19)] * 3
        refusal_of(ActuatorError, pump.on, 500)
        assert not valve.is_on
        on_ms = valve.on_ms_total
        assert 1_000 <= on_ms <= 1_050
        made.clock.advance_ms(10_000)
        assert valve.on_ms_total == valve.off() == on_ms
        valve.on(5_000)
        assert valve.is_on


def test_a_cut_off_during_a_write_of_another_output_wins():
    for made in benches():
        pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
        pump.on(1_000)
        write = getattr(made.i2c, made.write)

        def intercept(*args, made=made, write=write):
            setattr(made.i2c, made.write, write)
            made.clock.advance_ms(1_050)  # the pump's timer fires before this older write arrives
            assert not made.is_on(4)
            write(*args)

        setattr(made.i2c, made.write, intercept)
        valve.on(5_000)
        assert made.is_on(5)
        assert not made.is_on(4)
