"""Tests of the float switch: contact bounce, waves and cut cables."""

from idro.drivers import float_switch as driver
from idrosim.devices.float_switch import FloatSwitch
from support.portable_fakes import FakeClock, FakeGpio, fault_of, refusal_of, run

PIN = 7


class Bench:
    """A driver and its switch; `is_up` is the float."""

    def __init__(self, up_level=0, is_up=True):
        self.is_up = is_up
        self.clock = FakeClock()
        self.part = FloatSwitch(self.clock, lambda: self.is_up, up_level)
        spec = {"source": "reservoir", "part": "float_switch", "pin": PIN, "up_level": up_level}
        self.sensor = driver.build(spec, FakeGpio(self.clock, {PIN: self.part}), self.clock, {})

    def read(self):
        return run(self.sensor.read({}))


def test_reads_either_contact():
    for up_level in (0, 1):
        for is_up in (True, False):
            assert Bench(up_level, is_up).read() == {"float_up": 1 if is_up else 0}


def test_needs_five_equal_samples():
    made = Bench()
    made.read()
    assert made.clock.now_ms() == 4 * 20


def test_waits_for_a_bouncing_contact():
    made = Bench()
    made.read()
    made.is_up = False
    assert made.read() == {"float_up": 0}


def test_waits_for_waves_to_settle():
    made = Bench()
    looks = [1, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    made.part._is_up = lambda: looks.pop(0) if len(looks) > 1 else looks[0]
    assert made.read() == {"float_up": 0}


def test_a_contact_that_never_settles_is_a_fault():
    made = Bench()
    made.part.fault = "noisy"
    assert fault_of(made.sensor.read({})) == "noisy"
    assert made.clock.now_ms() <= 1_100


def test_a_cut_cable_reads_as_an_open_contact():
    made = Bench(up_level=0)
    made.part.fault = "unplugged"
    assert made.read() == {"float_up": 0}  # "no water": the side to err on for a dry run
    made.part.fault = "shorted"
    assert made.read() == {"float_up": 1}


def test_a_jammed_float_stays_where_it_is():
    made = Bench()
    made.read()
    made.part.fault = "stuck"
    made.is_up = False
    assert made.read() == {"float_up": 1}


def test_misuse_raises_an_assertion():
    assert "an input" in refusal_of(AssertionError, Bench().part.set_level, 1)
