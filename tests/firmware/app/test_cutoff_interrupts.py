"""The check of the cut-off timer may run between any two lines of a driver, as on the chip."""

import sys

import pytest

from idro.drivers import switch
from idro.drivers.shared import cutoff_timer
from idro.drivers.shared.cutoff_timer import CHECK_MS, Cutoff, CutoffTimer
from idro.errors import ActuatorError

FILE = cutoff_timer.__file__
RUNS_MS = (1, 30, 49, 50, 1_000)


class Bench:
    """One output; `edges` are [(at_ms, level)]."""

    def __init__(self):
        self.at_ms = 0
        self.edges = []
        self.timer = CutoffTimer(self, self)
        spec = {"name": "ph_down", "max_on_ms": 10_000, "safe_level": 0}
        self.output = switch.build(spec, self, self.timer, self)

    def init(self, mode, period, callback):
        self.check = callback

    def now_ms(self):
        return self.at_ms

    def value(self, level):
        self.edges.append((self.at_ms, level))

    @property
    def level(self):
        return self.edges[-1][1]

    def given_ms(self):
        """The on-time that the pin gave."""
        given_ms, since_ms = 0, None
        for at_ms, level in self.edges:
            if level and since_ms is None:
                since_ms = at_ms
            elif not level and since_ms is not None:
                given_ms, since_ms = given_ms + at_ms - since_ms, None
        return given_ms if since_ms is None else given_ms + self.at_ms - since_ms

    def interrupted(self, line, call, *args):
        """Call, with a check before the `line`-th line that the driver executes. Return whether
        there is such a line."""
        count = 0

        def trace(frame, event, _):
            nonlocal count
            if frame.f_code.co_filename != FILE or frame.f_code.co_name in ("_check", "_cut"):
                return None
            if event == "line":
                count += 1
                if count == line:
                    sys.settrace(None)
                    self.check(None)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call(*args)
        except ActuatorError:
            pass
        finally:
            sys.settrace(before)
        return count >= line

    def run_out(self, for_ms):
        """Advance beyond the deadline, with a check at every period."""
        end_ms = self.at_ms + for_ms + 2 * CHECK_MS
        while self.at_ms < end_ms:
            self.at_ms += CHECK_MS
            self.check(None)


def each_line(prepare, act, for_ms):
    """Interrupt `act` at each of its lines, and check what must be true afterwards."""
    line = 1
    while True:
        bench = Bench()
        prepare(bench, for_ms)
        if not bench.interrupted(line, act, bench, for_ms):
            return line
        bench.run_out(for_ms)
        assert bench.level == 0
        assert not bench.output.is_on
        assert bench.output.on_ms_total >= bench.given_ms()
        assert bench.output.off() >= bench.given_ms()
        bench.output.on(100)  # it can run again, and be cut again
        assert bench.level == 1
        bench.run_out(100)
        assert bench.level == 0
        line += 1


def start(bench, for_ms):
    bench.output.on(for_ms)


def nothing(bench, for_ms):
    pass


def run_half(bench, for_ms):
    bench.output.on(for_ms)
    bench.at_ms += for_ms // 2


@pytest.mark.parametrize("for_ms", RUNS_MS)
def test_a_start_may_be_interrupted_anywhere(for_ms):
    assert each_line(nothing, start, for_ms) > 10


@pytest.mark.parametrize("for_ms", RUNS_MS)
def test_an_extension_may_be_interrupted_anywhere(for_ms):
    assert each_line(run_half, start, for_ms) > 10


@pytest.mark.parametrize("for_ms", RUNS_MS)
def test_a_stop_may_be_interrupted_anywhere(for_ms):
    def stop(bench, _):
        bench.claimed_ms = bench.output.off()

    line = 1
    while True:
        bench = Bench()
        run_half(bench, for_ms)
        if not bench.interrupted(line, stop, bench, for_ms):
            break
        bench.run_out(for_ms)
        assert bench.level == 0
        assert bench.claimed_ms + bench.output.off() >= bench.given_ms()
        line += 1
    assert line > 5


def test_a_check_without_memory_drives_every_running_output_safe():
    bench = Bench()
    bench.output.on(10_000)
    now_ms = bench.now_ms

    def refused():
        raise MemoryError

    bench.now_ms = refused
    with pytest.raises(MemoryError):
        bench.check(None)
    assert bench.level == 0
    bench.now_ms = now_ms
    bench.at_ms = CHECK_MS
    bench.check(None)
    assert not bench.output.is_on
    assert bench.output.off() == CHECK_MS  # too much, never too little


@pytest.mark.parametrize("failure", [MemoryError(), OSError(5)], ids=repr)
def test_an_output_that_fails_without_memory_keeps_no_other_on(failure):
    class Expander(Cutoff):
        """An output whose line cannot be reached, as at a PCF8574."""

    def refused():
        raise failure

    bench = Bench()
    outputs = [Expander({"name": "relay", "max_on_ms": 10_000}, lambda: None, bench.timer, bench)]
    outputs[0].start(10_000, lambda: None)
    outputs[0].drive_safe = refused
    bench.timer._cutoffs.reverse()  # it comes first
    bench.output.on(10_000)

    def no_memory():
        raise MemoryError

    bench.now_ms = no_memory
    with pytest.raises(MemoryError):
        bench.check(None)
    assert bench.level == 0
