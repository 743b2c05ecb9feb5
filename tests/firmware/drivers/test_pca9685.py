"""Tests of PCA9685 outputs: dimming, pump cut-off, and OE when the bus fails."""

from idro.drivers import doser, switch
from idro.errors import ActuatorError
from idrosim.devices import pca9685 as device
from support.expander_benches import Pca9685Bench
from support.portable_fakes import FakeClock, refusal_of


def test_everything_is_off_until_it_is_driven():
    made = Pca9685Bench()
    made.load(doser.build, 3)
    made.lamp(4)
    assert made.edges == []


def test_a_lamp_follows_its_level_and_its_timer_switches_it_off():
    made = Pca9685Bench()
    lamp = made.lamp(15)
    for duty_pct, counts in ((1, 41), (50, 2_048), (99, 4_055), (100, 4_096)):
        lamp.set(duty_pct, 60_000)
        assert made.duty(15) == counts / 4_096
    made.clock.advance_ms(60_060)
    assert made.duty(15) == 0
    assert not lamp.is_on


def test_a_pump_runs_and_is_cut_off_by_its_timer():
    for number in (0, 7, 15):
        made = Pca9685Bench()
        pump = made.load(doser.build, number)
        pump.on(700)
        assert made.duty(number) == 1
        made.clock.advance_ms(10_000)
        assert made.duty(number) == 0
        # Cut at the first check after 700 ms; the bus takes some milliseconds to be read back.
        assert 700 <= made.edges[-1][0] - made.edges[0][0] <= 760


def test_neighbours_keep_their_levels():
    made = Pca9685Bench()
    lamp = made.lamp(2)
    loads = [made.load(switch.build, number) for number in (0, 1, 9)]
    lamp.set(25, 5_000)
    for load in loads:
        load.on(5_000)
    loads[1].off()
    assert [made.duty(number) for number in (0, 1, 9, 2)] == [1, 0, 1, 0.25]


def test_a_cut_off_needs_no_bus():
    for fault in ("unplugged", "stuck"):
        made = Pca9685Bench()
        pump = made.load(doser.build, 4)
        pump.on(1_000)
        made.part.fault = fault
        made.clock.advance_ms(2_000)
        assert made.duty(4) == 0, fault
        assert made.line.level == 1
        assert made.edges[-1][0] - made.edges[0][0] <= 1_110, fault  # three attempts
        assert 1_000 <= pump.off() <= 1_120


def test_a_lamp_that_cannot_be_driven_is_dark():
    made = Pca9685Bench()
    lamp = made.lamp(5)
    lamp.set(20, 5_000)
    made.part.fault = "unplugged"
    assert "cannot be driven" in refusal_of(ActuatorError, lamp.set, 50, 500)
    assert (lamp.duty_pct, made.duty(5)) == (0, 0)


def test_a_failed_cut_off_while_another_output_is_released_wins():
    made = Pca9685Bench()
    pump, lamp = made.load(doser.build, 4), made.lamp(5)
    pump.on(1_000)
    level = made.line.value

    def intercept(wanted):
        if wanted == 0:
            made.line.value = level
            made.i2c.errors = [OSError(19)] * 3
            made.clock.advance_ms(1_050)  # the pump's timer fires, and its bus fails
            assert made.line.level == 1
        level(wanted)

    made.line.value = intercept
    assert "its expander failed" in refusal_of(ActuatorError, lamp.set, 50, 5_000)
    made.clock.advance_ms(10)
    assert made.duty(4) == made.duty(5) == 0
    assert not lamp.is_on


class Interrupted:
    """Duties; `on_clear` is called once before the given output is cleared."""

    def __init__(self, duties, number, on_clear):
        self.duties = duties
        self.number = number
        self.on_clear = on_clear

    def __getitem__(self, number):
        return self.duties[number]

    def __setitem__(self, number, counts):
        if number == self.number and not counts and self.on_clear is not None:
            call, self.on_clear = self.on_clear, None
            call()
        self.duties[number] = counts


def test_a_cut_off_amid_a_halt_leaves_no_output_on():
    for number in range(16):
        made = Pca9685Bench()
        loads = [made.load(switch.build, output) for output in (0, 9, 15)]
        for load, for_ms in zip(loads, (9_000, 1_000, 9_000)):  # noqa: B905  (portable)
            load.on(for_ms)
        made.expander._duties = Interrupted(
            made.expander._duties, number, lambda: made.clock.advance_ms(1_100))  # noqa: B023
        made.i2c.errors = [OSError(19)] * 3
        loads[0].off()  # the bus fails, and works again when the check comes
        made.clock.advance_ms(1)
        assert [made.duty(output) for output in (0, 9, 15)] == [0, 0, 0], number
        assert not [load for load in loads if load.is_on]


def test_outputs_are_off_after_a_chip_reset():
    made = Pca9685Bench()
    made.load(doser.build, 4).on(10_000)
    made.lamp(5).set(80, 900_000)
    made.clock.timers.clear()
    made.edges.clear()
    made.boot()
    assert (made.duty(4), made.duty(5)) == (0, 0)
    made.part.set_level(0)  # the registers alone would keep driving
    assert made.duty(4) == 1
    made.boot()
    made.lamp(6).set(10, 900_000)
    assert (made.duty(4), made.duty(5), made.duty(6)) == (0, 0, 410 / 4_096)


def test_a_part_is_off_and_reconfigured_after_a_supply_loss():
    made = Pca9685Bench()
    lamp = made.lamp(4)
    lamp.set(50, 5_000)
    made.part.power_cycle()
    assert made.duty(4) == 0
    lamp.set(50, 5_000)
    assert made.duty(4) == 0.5


def test_the_frequency_is_the_nearest_to_that_of_the_board():
    # Table 5: the prescaler of 200 Hz is 30.
    for freq_hz, low_hz, high_hz in ((24, 23.8, 24.3), (200, 196, 197), (1_526, 1_525, 1_526)):
        made = Pca9685Bench(freq_hz)
        made.lamp(0).set(10, 1_000)
        assert low_hz <= made.part.freq_hz <= high_hz


def awake(clock=None):
    clock = clock or FakeClock()
    part = device.Pca9685(clock)
    part.write(b"\x00\x20")
    clock.spend(500)
    return part, clock


def test_the_part_powers_up_asleep_and_full_off():
    part = device.Pca9685(FakeClock())
    assert part.read(1) == b"\x11"
    assert part.read(1) == b"\x11"  # without auto-increment the pointer does not move
    part.write(b"\x01")
    assert part.read(1) == b"\x04"
    part.write(b"\xfe")
    assert part.read(1) == b"\x1e"
    part.write(b"\x00\x31")
    part.write(b"\x06")
    assert part.read(64) == b"\x00\x00\x00\x10" * 16
    assert part.read(1) == b"\x31"  # MODE1 follows the last output


def test_full_off_wins_over_full_on_and_over_counts():
    part, _ = awake()
    seen = {}
    part.on_change = seen.__setitem__
    part.set_level(0)
    part.write(b"\x06\x00\x10\x00\x10")
    assert seen == {}
    part.write(b"\x06\x00\x10\x00\x00")
    part.write(b"\x0a\x00\x08\x00\x00")  # on at 2048, off at 0: the second half
    assert seen == {0: 1, 1: 0.5}
    part.write(b"\xfa\x00\x00\x00\x10")
    assert seen == {0: 0, 1: 0}


def test_restart_resumes_where_sleep_stopped():
    part, clock = awake()
    seen = {}
    part.on_change = seen.__setitem__
    part.set_level(0)
    part.write(b"\x06\x00\x00\x00\x04")
    part.write(b"\x00\x30")
    assert seen == {0: 0}
    part.write(b"\x00")
    assert part.read(1) == b"\xb0"
    part.write(b"\x00\x20")
    clock.spend(500)
    assert seen == {0: 0}
    part.write(b"\x00\xa0")
    assert seen == {0: 0.25}
    part.write(b"\x00")
    assert part.read(1) == b"\x20"


def test_a_software_reset_and_a_write_to_all_reach_every_part():
    clock = FakeClock()
    parts = [awake(clock)[0], awake(clock)[0]]
    everybody, all_call = device.GeneralCall(), device.AllCall()
    everybody.parts = all_call.parts = parts
    refusal_of(OSError, all_call.write, b"\x00\x21")
    parts[0].write(b"\x00\x21")
    all_call.write(b"\xfa\x00\x10\x00\x00")
    for part, on_high in ((parts[0], 0x10), (parts[1], 0)):
        part.write(b"\x07")
        assert part.read(1)[0] == on_high
    everybody.write(b"\x06")
    for part in parts:
        part.write(b"\x00")
        assert part.read(1) == b"\x11"


def test_misuse_raises_an_assertion():
    part, _ = awake()
    for data, words in (
        (b"", "empty write"), (b"\xfe\x1e", "PRESCALE written while awake"), (b"\x46\x00", "46"),
        (b"\x00\x60", "external clock"), (b"\x01\x14", "MODE2"), (b"\x01\x00", "open drain"),
        (b"\x09\x20", "register 09 is 20"),
    ):
        assert words in refusal_of(AssertionError, part.write, data)
    refusal_of(AssertionError, setattr, part, "fault", "shorted")
    part.write(b"\x00\x30")
    assert "prescale 2" in refusal_of(AssertionError, part.write, b"\xfe\x02")


def test_use_before_the_oscillator_runs_raises_an_assertion():
    clock = FakeClock()
    part = device.Pca9685(clock)
    part.write(b"\x00\x20")
    part.write(b"\x06\x00\x10\x00\x00")
    clock.spend(499)
    assert "500 us" in refusal_of(AssertionError, part.set_level, 0)
    clock.spend(1)
    part.set_level(0)
    assert "same count" in refusal_of(AssertionError, part.write, b"\x06\x00\x00\x00\x00")


def test_the_part_state_is_restored():
    part, clock = awake()
    part.write(b"\x06\x00\x00\x00\x04")
    again = device.Pca9685(clock)
    seen = {}
    again.on_change = seen.__setitem__
    again.restore(part.state())
    assert seen == {}
    again.set_level(0)
    assert seen == {0: 0.25}
