"""Tests of button presses: held for 0.5 s and released within 5 s."""

from idro.drivers import button as driver
from idrosim.devices.button import Button
from support.portable_fakes import FakeClock, FakeGpio

PIN = 0


class Bench:
    """A driver and its button."""

    def __init__(self):
        self.clock = FakeClock()
        self.part = Button(self.clock)
        self.button = driver.build(
            {"part": "button", "pin": PIN}, FakeGpio(self.clock, {PIN: self.part}), self.clock
        )

    def presses_in(self, duration_ms):
        count = 0
        for _ in range(duration_ms // 100):
            self.clock.spend(100_000)
            count += self.button.was_pressed()
        return count


def test_a_press_counts_once_on_release():
    bench = Bench()
    bench.part.press(1_000_000)
    assert bench.presses_in(900) == 0
    assert bench.presses_in(5_000) == 1


def test_too_short_and_too_long_presses_do_not_count():
    bench = Bench()
    for for_us in (50_000, 300_000, 6_000_000):
        bench.part.press(for_us)
        assert bench.presses_in(8_000) == 0


def test_glitches_and_broken_cables_are_not_presses():
    for fault in Button.FAULTS:
        bench = Bench()
        bench.part.fault = fault
        assert bench.presses_in(60_000) == 0
        bench.part.fault = None
        assert bench.presses_in(2_000) == 0


def test_a_press_held_at_start_does_not_count():
    bench = Bench()
    bench.part.press(2_000_000)
    assert bench.presses_in(700) == 0
    bench.button.forget()
    assert bench.presses_in(5_000) == 0
    bench.part.press(1_000_000)
    assert bench.presses_in(2_000) == 1
