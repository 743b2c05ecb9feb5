"""Tests of PCF8574 outputs: power-up, read-back, and the supply of the relays as the last word."""

from idro.drivers import doser, switch
from idro.errors import ActuatorError
from idrosim.devices import pcf8574 as device
from support.expander_benches import Pcf8574Bench
from support.portable_fakes import refusal_of

STRAY = b"\x00"  # a transfer to another address that interference led to this part


def on_edges(made):
    return [number for _, number, level in made.edges if level == 0]


def test_nothing_runs_from_power_up_until_it_is_driven():
    made = Pcf8574Bench()
    assert made.part.read(1) == b"\xff"
    pumps = [made.load(doser.build, number) for number in range(8)]
    assert made.line.level == 0
    assert not made.edges
    pumps[3].on(500)
    assert made.line.level == 1
    assert on_edges(made) == [3]


def test_a_pump_runs_and_is_cut_off_by_its_timer():
    for number in (0, 7):
        made = Pcf8574Bench()
        pump = made.load(doser.build, number)
        pump.on(700)
        assert made.is_on(number)
        made.clock.advance_ms(10_000)
        assert not made.is_on(number)
        assert 700 <= made.edges[-1][0] <= 755
        assert 700 <= pump.off() <= 755


def test_neighbours_keep_their_levels():
    made = Pcf8574Bench()
    loads = [made.load(switch.build, number) for number in (0, 1, 7)]
    for load in loads:
        load.on(5_000)
    loads[1].off()
    assert [made.is_on(number) for number in (0, 1, 7)] == [True, False, True]


def test_the_relays_have_a_supply_only_while_one_is_on():
    made = Pcf8574Bench()
    pump, valve = made.load(doser.build, 0), made.load(switch.build, 1)
    valve.on(5_000)
    pump.on(500)
    pump.off()
    assert made.line.level == 1
    valve.off()
    assert made.line.level == 0
    made.part.write(STRAY)
    assert not made.is_on(0)
    valve.on(500)
    assert not made.is_on(0)
    assert made.is_on(1)


def test_what_a_stray_transfer_switches_on_is_off_within_a_second():
    for after_ms in (0, 100, 600, 1_100, 1_600):  # of the last refresh
        made = Pcf8574Bench()
        pump, valve = made.load(doser.build, 0), made.load(switch.build, 1)
        valve.on(8_000)
        made.clock.advance_ms(after_ms)
        made.part.write(STRAY)
        assert made.is_on(0), after_ms  # which no cut-off knows of
        made.clock.advance_ms(1_060)
        assert not made.is_on(0), after_ms
        assert made.is_on(1)
        assert valve.is_on
        assert not pump.is_on


def test_a_part_that_is_lost_is_off_and_known_to_be_off_within_a_second():
    made = Pcf8574Bench()
    valve = made.load(switch.build, 1)
    valve.on(8_000)
    made.part.fault = "unplugged"
    made.clock.advance_ms(1_060)
    assert made.line.level == 0
    assert not valve.is_on
    made.part.fault = None
    made.clock.advance_ms(5_000)
    assert made.line.level == 0  # until somebody wants it on


def test_a_bus_of_idle_relays_is_left_alone():
    made = Pcf8574Bench()
    made.load(switch.build, 1)
    before = made.i2c.transfers
    made.clock.advance_ms(10_000)
    assert made.i2c.transfers == before


def test_a_cut_off_needs_no_bus():
    for fault in ("unplugged", "stuck"):
        made = Pcf8574Bench()
        pump = made.load(doser.build, 4)
        pump.on(1_000)
        made.clock.advance_ms(900)
        made.part.fault = fault
        made.clock.advance_ms(2_000)
        assert made.levels[4] is None, fault  # without the supply of its relay
        assert made.line.level == 0
        assert 1_000 <= pump.off() <= 1_060


def test_a_part_that_does_not_follow_is_a_fault_and_gets_no_supply():
    made = Pcf8574Bench()
    pump = made.load(doser.build, 4)
    for broken in ("stuck", "shorted"):
        if broken == "stuck":
            made.part.fault = broken
        else:
            made.part.fault = None
            made.part.shorted = 1 << 5  # the wire of another relay lies at ground
        assert "does not follow" in refusal_of(ActuatorError, pump.on, 500), broken
        assert not pump.is_on
        assert made.line.level == 0
    assert not on_edges(made)


def test_a_reset_of_the_chip_amid_a_dose_ends_it_though_the_part_remembers():
    made = Pcf8574Bench()
    made.load(doser.build, 4).on(5_000)
    made.line.value(0)  # its resistor, before any program runs
    assert made.part.read(1) == b"\xef"
    assert not made.is_on(4)
    before = len(on_edges(made))
    made.boot()
    pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
    valve.on(500)
    assert on_edges(made)[before:] == [5]
    pump.on(500)
    assert made.is_on(4)


def test_a_brown_out_of_the_part_switches_off_and_the_next_drive_finds_the_others_again():
    made = Pcf8574Bench()
    pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
    pump.on(5_000)
    made.part.power_cycle()
    assert not made.is_on(4)
    valve.on(500)
    assert made.is_on(4)
    assert made.is_on(5)


def test_a_failed_cut_off_amid_the_drive_of_another_output_leaves_no_supply():
    for at in ("writeto", "readfrom", "value"):
        made = Pcf8574Bench()
        pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
        valve.on(5_000)
        pump.on(1_000)
        step_of = made.line if at == "value" else made.i2c
        step = getattr(step_of, at)

        def intercept(*args, made=made, at=at, step=step, step_of=step_of):
            setattr(step_of, at, step)
            made.i2c.errors = [OSError(19)] * 3
            made.clock.advance_ms(1_050)  # the cut-off of the pump fails on the bus
            return step(*args)

        setattr(step_of, at, intercept)
        valve.off()
        assert made.line.level == 0, at
        assert not pump.is_on
        assert not made.is_on(4)


def test_a_cut_off_just_before_the_supply_is_written_leaves_it_on_for_a_second():
    made = Pcf8574Bench()
    pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
    valve.on(5_000)
    pump.on(1_000)
    step = made.line.value

    def intercept(level):
        made.line.value = step
        made.clock.advance_ms(1_050)  # the cut-off of the pump works, and switches the supply off
        step(level)

    made.line.value = intercept
    valve.off()
    assert made.line.level == 1  # as was decided before
    made.clock.advance_ms(1_060)
    assert made.line.level == 0
    made.part.write(STRAY)
    assert not made.is_on(0)


def test_misuse_raises_an_assertion():
    part = device.Pcf8574()
    for data in (b"", b"\x00\xff"):
        assert "no registers" in refusal_of(AssertionError, part.write, data)
    assert "empty read" in refusal_of(AssertionError, part.read, 0)
    assert part.read(2) == b"\xff\xff"
    part.fault = "unplugged"
    assert "19" in refusal_of(OSError, part.write, b"\x00")
    assert "19" in refusal_of(OSError, part.read, 1)


def test_the_part_keeps_its_outputs_through_a_reset_of_the_board():
    part = device.Pcf8574()
    part.write(b"\xfe")
    again = device.Pcf8574()
    again.restore(part.state())
    assert again.read(1) == b"\xfe"
