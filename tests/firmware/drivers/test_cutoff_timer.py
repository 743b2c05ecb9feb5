"""Tests of the timer that cuts off every output of a board."""

from idro.drivers import switch
from idro.drivers.shared.cutoff_timer import CHECK_MS, CutoffTimer
from idro.errors import ActuatorError
from support.portable_fakes import FakeClock, FakePin, FakeTimer, refusal_of


class CountedTimer(FakeTimer):
    """Counts its starts, and can lose calls."""

    def __init__(self, clock):
        super().__init__(clock)
        self.starts = 0
        self.is_silent = False

    def init(self, mode, period, callback):
        self.starts += 1
        super().init(mode, period, lambda timer: 0 if self.is_silent else callback(timer))


def bench(count=1):
    clock = FakeClock()
    hardware = CountedTimer(clock)
    timer = CutoffTimer(hardware, clock)
    pins = [FakePin(clock) for _ in range(count)]
    spec = {"name": "light", "max_on_ms": 600_000, "safe_level": 0}
    return [switch.build(spec, pin, timer, clock) for pin in pins], pins, hardware, clock


def test_is_started_once_for_all_runs_of_all_outputs():
    outputs, _, hardware, clock = bench(9)
    for run in range(300):
        for output in outputs:
            output.on(1_000)
            clock.advance_ms(100 + run)
            output.off()
    assert hardware.starts == 1


def test_every_output_is_cut_at_its_own_time():
    outputs, pins, _, clock = bench(9)
    for index, output in enumerate(outputs):
        output.on(1_000 * (index + 1))
    clock.advance_ms(60_000)
    assert [pin.edges[-1] for pin in pins] == [(1_000 * n, 0) for n in range(1, 10)]


def test_a_cut_comes_at_the_first_check_after_its_deadline():
    for for_ms in range(1, 300, 7):
        for began_ms in range(0, CHECK_MS, 9):
            (output,), (pin,), _, clock = bench()
            clock.advance_ms(began_ms)
            output.on(for_ms)
            clock.advance_ms(1_000)
            cut_ms = -(-(began_ms + for_ms) // CHECK_MS) * CHECK_MS
            assert pin.edges[-1] == (cut_ms, 0)
            assert output.off() == cut_ms - began_ms


def test_a_lost_check_is_made_up_for_by_the_next():
    (output,), (pin,), hardware, clock = bench()
    output.on(1_000)
    clock.advance_ms(940)
    hardware.is_silent = True
    clock.advance_ms(320)
    assert output.is_on
    hardware.is_silent = False
    clock.advance_ms(CHECK_MS)
    assert pin.edges[-1] == (1_300, 0)


def test_without_checks_no_output_starts():
    (output,), (pin,), hardware, clock = bench()
    hardware.is_silent = True
    clock.advance_ms(2_001)
    assert "cut-off does not run" in refusal_of(ActuatorError, output.on, 1_000)
    assert not output.is_on
    assert pin.level == 0
    hardware.is_silent = False
    clock.advance_ms(CHECK_MS)
    output.on(1_000)
    assert output.is_on


def test_without_checks_an_extension_ends_the_run():
    (output,), (pin,), hardware, clock = bench()
    output.on(600_000)
    clock.advance_ms(1_000)
    hardware.is_silent = True
    clock.advance_ms(2_001)
    refusal_of(ActuatorError, output.on, 600_000)
    assert pin.level == 0
    assert output.off() == 3_001


def test_an_output_that_fails_does_not_keep_the_others_on():
    (first, second), pins, hardware, clock = bench(2)
    first.on(1_000)
    second.on(1_000)
    drive = pins[0].value
    failures = []

    def broken(level=None):
        failures.append(level)
        raise OSError(19)

    pins[0].value = broken
    clock.timers.clear()
    clock.advance_ms(1_000)
    hardware.fire()
    assert failures == [0]
    assert (first.is_on, second.is_on) == (True, False)
    pins[0].value = drive
    clock.advance_ms(CHECK_MS)
    hardware.fire()
    assert not first.is_on
