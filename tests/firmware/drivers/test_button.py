"""A press is a hand: held for half a second, let go within five."""

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


def test_a_press_counts_once_when_it_is_let_go():
    bench = Bench()
    bench.part.press(1_000_000)
    assert bench.presses_in(900) == 0
    assert bench.presses_in(5_000) == 1


def test_a_touch_and_a_thing_that_leans_on_it_do_not_count():
    bench = Bench()
    for for_us in (50_000, 300_000, 6_000_000):
        bench.part.press(for_us)
        assert bench.presses_in(8_000) == 0


def test_sparks_and_broken_cables_are_no_hands():
    for fault in Button.FAULTS:
        bench = Bench()
        bench.part.fault = fault
        assert bench.presses_in(60_000) == 0
        bench.part.fault = None
        assert bench.presses_in(2_000) == 0


def test_a_press_from_before_does_not_count():
    bench = Bench()
    bench.part.press(2_000_000)
    assert bench.presses_in(700) == 0
    bench.button.forget()
    assert bench.presses_in(5_000) == 0
    bench.part.press(1_000_000)
    assert bench.presses_in(2_000) == 1
