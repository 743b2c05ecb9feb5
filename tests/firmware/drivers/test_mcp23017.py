"""Tests of MCP23017 outputs: pump cut-off, bus failures, reset and brown-out."""

from idro.drivers import doser, switch
from idrosim.devices import mcp23017 as device
from support.expander_benches import Mcp23017Bench
from support.portable_fakes import refusal_of


def test_everything_floats_until_it_is_driven():
    made = Mcp23017Bench()
    assert made.line.level == 0
    assert made.levels == {}
    made.load(doser.build, 3)
    assert made.levels == {3: 0}


def test_a_pump_runs_and_is_cut_off_by_its_timer():
    for number, safe_level in ((0, 0), (7, 1), (8, 0), (15, 1)):
        made = Mcp23017Bench()
        pump = made.load(doser.build, number, safe_level)
        pump.on(700)
        assert made.is_on(number, safe_level)
        made.clock.advance_ms(10_000)
        assert made.levels[number] == safe_level
        # Cut at the first check after 700 ms; the bus takes a millisecond or two.
        assert 700 <= made.edges[-1][0] <= 755
        assert 700 <= pump.off() <= 755


def test_neighbours_keep_their_levels():
    made = Mcp23017Bench()
    loads = [made.load(switch.build, number) for number in (0, 1, 9)]
    for load in loads:
        load.on(5_000)
    assert [made.is_on(number) for number in (0, 1, 9)] == [True] * 3
    loads[1].off()
    assert [made.is_on(number) for number in (0, 1, 9)] == [True, False, True]


def test_a_cut_off_needs_no_bus():
    for fault in ("unplugged", "stuck"):
        made = Mcp23017Bench()
        pump = made.load(doser.build, 4)
        pump.on(1_000)
        made.part.fault = fault
        made.clock.advance_ms(2_000)
        assert made.levels[4] is None, fault  # in reset: held by the pull-down
        assert made.line.level == 0
        assert 1_000 <= pump.off() <= 1_060


def test_a_part_is_off_and_reconfigured_after_a_brown_out():
    made = Mcp23017Bench()
    pump = made.load(doser.build, 4)
    pump.on(5_000)
    made.part.set_level(0)
    made.part.set_level(1)
    assert not made.is_on(4)
    pump.off()
    pump.on(500)
    assert made.is_on(4)


def test_the_part_resets_to_inputs():
    part = device.Mcp23017()
    assert "19" in refusal_of(OSError, part.read, 1)
    part.set_level(1)
    part.write(b"\x00")
    assert part.read(2) == b"\xff\xff"
    part.write(b"\x12\x81")  # writing the port writes the latch
    part.write(b"\x14")
    assert part.read(2) == b"\x81\x00"


def test_misuse_raises_an_assertion():
    part = device.Mcp23017()
    part.set_level(1)
    for data, words in ((b"", "empty write"), (b"\x16", "no register"), (b"\x0a\x80", "written")):
        assert words in refusal_of(AssertionError, part.write, data)
    part.write(b"\x15")
    assert "2 registers" in refusal_of(AssertionError, part.read, 2)
