"""Tests of MCP23017 outputs: pump cut-off, bus failures, reset and brown-out."""

from idro.drivers import doser, switch
from idro.drivers import mcp23017 as driver
from idro.errors import ActuatorError
from idrosim.devices import mcp23017 as device
from support.portable_fakes import FakeClock, FakeI2c, FakeTimer, refusal_of

ADDRESS = 0x20


class Reset:
    """The pin at the part's RESET line."""

    def __init__(self, part):
        self._part = part
        self.level = None

    def value(self, level):
        self.level = level
        self._part.set_level(level)


class Bench:
    """An expander, its part and its pin levels; None if a pin floats."""

    def __init__(self):
        self.clock = FakeClock()
        self.part = device.Mcp23017()
        self.levels = {}
        self.edges = []
        self.part.on_change = self._changed
        self.i2c = FakeI2c(self.clock, {ADDRESS: self.part})
        self.reset = Reset(self.part)
        self.expander = driver.Mcp23017(self.i2c, ADDRESS, self.reset)

    def _changed(self, number, level):
        self.levels[number] = level
        self.edges.append((self.clock.now_ms(), number, level))

    def is_on(self, number, safe_level=0):
        return self.levels.get(number) == 1 - safe_level

    def load(self, build, number, safe_level=0, max_on_ms=10_000):
        spec = {"name": "ph_down", "max_on_ms": max_on_ms, "safe_level": safe_level}
        pin = self.expander.output(number, safe_level)
        return build(spec, pin, FakeTimer(self.clock), self.clock)


def test_everything_floats_until_it_is_driven():
    made = Bench()
    assert made.reset.level == 0
    assert made.levels == {}
    made.load(doser.build, 3)
    assert made.levels == {3: 0}


def test_a_pump_runs_and_is_cut_off_by_its_timer():
    for number, safe_level in ((0, 0), (7, 1), (8, 0), (15, 1)):
        made = Bench()
        pump = made.load(doser.build, number, safe_level)
        pump.on(700)
        assert made.is_on(number, safe_level)
        made.clock.advance_ms(10_000)
        assert made.levels[number] == safe_level
        # Cut at 700 ms; the bus takes a millisecond or two.
        assert 700 <= made.edges[-1][0] <= 705
        assert 700 <= pump.off() <= 705


def test_neighbours_keep_their_levels():
    made = Bench()
    loads = [made.load(switch.build, number) for number in (0, 1, 9)]
    for load in loads:
        load.on(5_000)
    assert [made.is_on(number) for number in (0, 1, 9)] == [True] * 3
    loads[1].off()
    assert [made.is_on(number) for number in (0, 1, 9)] == [True, False, True]


def test_a_cut_off_needs_no_bus():
    for fault in ("unplugged", "stuck"):
        made = Bench()
        pump = made.load(doser.build, 4)
        pump.on(1_000)
        made.part.fault = fault
        made.clock.advance_ms(2_000)
        assert made.levels[4] is None, fault  # in reset: held by the pull-down
        assert made.reset.level == 0
        assert 1_000 <= pump.off() <= 1_010


def test_off_always_works_and_a_failed_on_raises():
    made = Bench()
    pump = made.load(doser.build, 4)
    made.part.fault = "unplugged"
    assert "cannot be driven" in refusal_of(ActuatorError, pump.on, 500)
    assert not pump.is_on
    assert made.reset.level == 0
    pump.off()
    made.part.fault = None
    pump.on(500)
    assert made.is_on(4)


def test_two_failed_transfers_are_retried():
    made = Bench()
    pump = made.load(doser.build, 4)
    made.i2c.errors = [OSError(19), OSError(19)]
    pump.on(500)
    assert made.is_on(4)


def test_outputs_stay_off_after_a_failure():
    made = Bench()
    pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
    valve.on(5_000)
    made.i2c.errors = [OSError(19)] * 3
    assert "cannot be driven" in refusal_of(ActuatorError, pump.on, 500)
    assert not made.is_on(5)
    pump.on(500)
    assert made.is_on(4)
    assert not made.is_on(5)


def test_a_cut_off_during_a_write_of_another_pin_wins():
    made = Bench()
    pump, valve = made.load(doser.build, 4), made.load(switch.build, 5)
    pump.on(1_000)
    write = made.i2c.writeto_mem

    def intercept(address, register, data):
        made.i2c.writeto_mem = write
        made.clock.advance_ms(1_000)  # the pump's timer fires before this older write arrives
        assert not made.is_on(4)
        write(address, register, data)

    made.i2c.writeto_mem = intercept
    valve.on(5_000)
    assert made.is_on(5)
    assert not made.is_on(4)


def test_a_part_is_off_and_reconfigured_after_a_brown_out():
    made = Bench()
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
