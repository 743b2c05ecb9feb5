"""The ledger never says less than the pins gave (hazard I6), whatever happens in between.

Random sequences of doses, correction steps, fills, leases, off_all, stops, failed tasks, failed
writes, power cuts and wraps of the clocks, on the real gate, ledger and leases. Each is a function
of its seed. `make campaign-ledger` runs 100,000.
"""

import os
import random
from types import SimpleNamespace

import pytest

from idro.app import clock as app_clock
from idro.errors import NodeError
from idro.protocol.reason import Reason
from idro.safety import ledger as ledger_module
from idro.safety.limits import CORRECTED, DAY_MS, FILL
from support.safety_rig import BY_HAND, DOSERS, HOUR_MS, Clock, Rig

COUNT = int(os.environ.get("IDROSERRA_LEDGER_SEQUENCES", "100"))
FIRST = int(os.environ.get("IDROSERRA_FIRST_SEQUENCE", "1"))
PERIOD_MS = 1 << 30  # of the ticks of a board
ERRORS = (MemoryError, OSError, RuntimeError)


class Ticks:
    """time.ticks_ms and ticks_diff of a board, at a time that the clock of the rig sets."""

    at_ms = 0

    @classmethod
    def ticks_ms(cls):
        return cls.at_ms % PERIOD_MS

    @staticmethod
    def ticks_diff(later, earlier):
        return (later - earlier + PERIOD_MS // 2) % PERIOD_MS - PERIOD_MS // 2


class WrappingClock(Clock):
    """The clock of the node on ticks that wrap. `fail_after` (sleeps, error) ends a task."""

    start_ms = 0  # ticks at the start of the test
    fail_after = None

    def __init__(self, at_ms=0):
        super().__init__(at_ms)
        Ticks.at_ms = self.start_ms + at_ms
        self._uptime = app_clock.Clock()

    def now_ms(self):
        Ticks.at_ms = self.start_ms + self.at_ms
        return self._uptime.now_ms()

    async def sleep_ms(self, duration_ms):
        if self.fail_after is not None:
            sleeps, error = self.fail_after
            self.fail_after = (sleeps - 1, error)
            if sleeps == 0:
                self.fail_after = None
                # A task may fail as soon as it is resumed, or while others run.
                self.advance(duration_ms // 3)
                raise error
        self.advance(duration_ms)


class Flash:
    """open() for the ledger. `fail_after` (calls, error) fails calls from then on, if any."""

    def __init__(self):
        self.fail_after = None
        self.fails_for = 0

    def open(self, path, mode):
        if self.fail_after is not None and mode != "rb":
            calls, error = self.fail_after
            self.fail_after = (max(0, calls - 1), error)
            if calls == 0:
                self.fails_for -= 1
                if self.fails_for <= 0:
                    self.fail_after = None
                raise error
        return open(path, mode)


class Sequence:
    """One random sequence on a rig."""

    def __init__(self, seed, folder, flash):
        self.rng = random.Random(f"ledger {seed}")
        WrappingClock.start_ms = self.rng.choice((0, PERIOD_MS - self.rng.randrange(DAY_MS)))
        self.flash = flash
        self.rig = Rig(folder, WrappingClock)
        # Chained uptime of years, near the ends of 30, 31 and 32 bits.
        self.rig.chain_base_ms = max(
            0, (1 << self.rng.choice((1, 30, 31, 32))) - self.rng.randrange(DAY_MS))
        self.rig.arm()

    def run(self):
        """Do 3 to 25 moves; after each the ledger says no less than the pins."""
        moves = (
            self.dose, self.dose, self.step, self.fill, self.fill, self.lease, self.wait,
            self.wait, self.off_all, self.stop, self.fail, self.cut, self.flash_fails)
        for _ in range(self.rng.randrange(3, 25)):
            move = self.rng.choice(moves)
            move()
            self.assert_charged(move.__name__)

    def assert_charged(self, move):
        rig = self.rig
        since_ms = rig.clock.at_ms - DAY_MS
        for name in (*DOSERS, FILL):
            given_ms = sum(off_ms - max(on_ms, since_ms) for on_ms, off_ms in rig.runs(name)
                           if off_ms > since_ms)
            charged_ms = rig.ledger.spent(name, DAY_MS)[0]
            if name in CORRECTED:
                charged_ms += rig.ledger.spent(CORRECTED[name], DAY_MS)[0]
            assert charged_ms >= given_ms, f"{name} after {move}"

    def wait(self):
        """Let time pass: seconds, or hours."""
        self.rig.clock.advance(self.rng.choice((
            self.rng.randrange(1, 5_000), self.rng.randrange(120_000, HOUR_MS),
            self.rng.randrange(120_000, HOUR_MS), self.rng.randrange(HOUR_MS, 9 * HOUR_MS))))
        self.sense()

    def sense(self, **values):
        rig = self.rig
        rig.sense(**values)
        try:
            rig.circulate()
        except NodeError:
            return  # refused

    def dose(self):
        """Request a dose of a random volume, in the middle of which all may go off."""
        rig, rng = self.rig, self.rng
        self.sense()
        actuator = rng.choice(DOSERS)
        room_ul, _ = rig.gate.headroom(actuator, rig.readings, "ann")
        volume_ul = min(rng.randrange(1, 12_000), room_ul) or 1_000
        if rng.random() < 0.2:
            rig.clock.call_in(rng.randrange(0, 12_000), rig.gate.off_all)
        self.task(rig.gate.dose(actuator, volume_ul, BY_HAND, "ann", rig.readings))

    def step(self):
        """Request a correction step."""
        self.sense()
        self.task(self.rig.gate.correct(
            self.rng.choice(tuple(CORRECTED)), self.rng.randrange(1, 30_000), 0, (BY_HAND, "ann"),
            self.rig.readings))

    def task(self, dose):
        """Run a critical task, as the supervisor does."""
        try:
            dose.send(None)  # the clock of the rig never suspends it
        except StopIteration:
            return
        except NodeError:
            return  # the task of the doses expects it
        except ERRORS:
            self.rig.gate.off_all()

    def fill(self):
        """Request top-off; it runs, is ended, or is left to its cut-off."""
        rig, rng = self.rig, self.rng
        self.control(lambda: self.fill_for(rng.randrange(100, 600_001)))
        if rng.random() < 0.7:
            rig.clock.advance(rng.randrange(0, 700_000))
        if rng.random() < 0.4:
            self.control(lambda: rig.gate.end(FILL, Reason("by_hand")))

    def fill_for(self, for_ms):
        self.rig.sense(level_mm=150)
        self.rig.gate.run(FILL, for_ms, BY_HAND, "ann", self.rig.readings)

    def control(self, work):
        """Do work of the control task, as the supervisor does."""
        try:
            work()
        except NodeError:
            return  # control expects a refusal
        except ERRORS:
            self.rig.gate.off_all()

    def lease(self):
        """Lease another output."""
        rig, rng = self.rig, self.rng
        for_ms = rng.randrange(100, 900_000)
        if rng.random() < 0.3:
            self.control(lambda: rig.gate.set_duty("light", rng.randrange(0, 101), for_ms, "ann"))
        else:
            name = rng.choice(("circulation", "irrigation"))
            self.control(lambda: rig.gate.run(name, for_ms, BY_HAND, "ann", rig.readings))

    def off_all(self):
        """A failed task, now or in the middle of what runs then."""
        delay_ms = self.rng.choice((0, 0, self.rng.randrange(1, 900_000)))
        if delay_ms:
            self.rig.clock.call_in(delay_ms, self.rig.gate.off_all)
        else:
            self.rig.gate.off_all()

    def stop(self):
        """STOP, and resume."""
        self.rig.gate.stop("ann")
        self.rig.clock.advance(self.rng.randrange(0, 5_000))
        self.rig.gate.resume("ann")

    def fail(self):
        """A dose or a step fails at any await."""
        self.rig.clock.fail_after = (self.rng.randrange(0, 12), self.rng.choice(ERRORS)())
        self.rng.choice((self.dose, self.step))()
        self.rig.clock.fail_after = None

    def flash_fails(self):
        """One to four of the next writes to the flash fail, also between the two copies."""
        error = self.rng.choice((MemoryError(), OSError(28)))
        self.flash.fail_after = (self.rng.randrange(0, 6), error)
        self.flash.fails_for = self.rng.randrange(1, 5)
        self.rng.choice((self.dose, self.step, self.fill))()

    def cut(self):
        """Power fails during something, at the end of it, or in peace."""
        rig, rng = self.rig, self.rng
        snapshots = []
        if rng.random() < 0.7:
            rig.clock.call_in(
                rng.randrange(0, 15_000), lambda: snapshots.append((rig.snapshot(), rig.clock)))
            rng.choice((self.dose, self.step, self.fill))()
        snapshot = snapshots[0][0] if snapshots else rig.snapshot()
        self.flash.fail_after = None
        if rng.random() < 0.5:  # RTC memory survives a dip of the supply
            rig.chain_base_ms += snapshot.at_ms - rig.clock.boot_ms
        rig.power_cut_at(snapshot)
        rig.arm()
        if rng.random() < 0.8:
            rig.clock.advance(600_000)
            self.sense()


@pytest.fixture
def flash(monkeypatch):
    monkeypatch.setattr(app_clock, "time", SimpleNamespace(
        ticks_ms=Ticks.ticks_ms, ticks_diff=Ticks.ticks_diff))
    flash = Flash()
    monkeypatch.setattr(ledger_module, "open", flash.open, raising=False)
    return flash


def test_the_ledger_never_says_less_than_the_pins(tmp_path, flash):
    try:
        for seed in range(FIRST, FIRST + COUNT):
            for name in ("ledger.a", "ledger.b"):
                (tmp_path / name).unlink(missing_ok=True)
            flash.fail_after = None
            Sequence(seed, tmp_path, flash).run()
    finally:
        print(f"the last sequence: IDROSERRA_FIRST_SEQUENCE={seed}")
