"""Tests of power cuts in every flash operation of a dose, with torn writes (hazard H6).

The charge is never less than the delivery, measured by pin edges; the cut itself ends a run.
Exhaustive: each operation is cut when 0, 1/2, 3/4 or all of it is done, and a second cut follows
in each operation of the next boot.
"""

import asyncio
from pathlib import Path

import pytest

from idro.safety import ledger as ledger_module
from idro.safety.ledger import MAX_RECORDS
from idro.safety.limits import DAY_MS
from idrosim.shim.storage.flash_faults import FlashFaults
from support.safety_rig import BY_HAND, Rig

TORN = (0.0, 0.5, 0.75, 1.0)
FLOW_UL_PER_S = 1_000
VOLUME_UL = 2_500
FILL_MS = 90_000


class PowerCut(BaseException):
    """Ends the boot; is not caught by handlers of Exception."""


class Memory:
    """A flash in memory with the calls of a file system, which fail without power."""

    def __init__(self):
        self.files: dict[str, bytearray] = {}
        self.is_off = False

    def open(self, path, mode):
        self._powered()
        if "r" in mode and path not in self.files:
            raise OSError(2)
        if "w" in mode:
            self.files[path] = bytearray()
        return File(self, self.files.setdefault(path, bytearray()))

    def rename(self, old_path, new_path):
        self._powered()
        self.files[new_path] = self.files.pop(old_path)

    def stat(self, path):
        if path not in self.files:
            raise OSError(2)
        return (0x8000, 0, 0, 0, 0, 0, len(self.files[path]))

    def cut(self, cause, dark_ms):
        self.is_off = True
        raise PowerCut

    def _powered(self):
        if self.is_off:
            raise PowerCut


class File:
    def __init__(self, memory, data):
        self._memory = memory
        self._data = data
        self._at = 0

    def readinto(self, buffer):
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def write(self, data):
        self._memory._powered()
        self._data += data
        return len(data)

    def close(self):
        return None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class Bench:
    """The gate of safety_rig on a flash that loses power at a chosen operation."""

    def __init__(self, monkeypatch, **values):
        self.memory = Memory()
        self.faults = FlashFaults(self.memory, self.memory.open, self.memory.cut)
        monkeypatch.setattr(ledger_module, "open", self.faults.open, raising=False)
        monkeypatch.setattr(ledger_module, "os", self.faults)
        self.rig = Rig(Path("/data"), **values)

    def saved(self):
        return {path: bytes(data) for path, data in self.memory.files.items()}

    def start(self, files, at_ms):
        """Power on with `files` on flash, ready to dose."""
        self.put(files)
        self.rig.clock = self.rig.clock_class(at_ms)
        self.rig.boot()
        self.rig.edges.clear()

    def put(self, files):
        self.memory.is_off = False
        self.memory.files = {path: bytearray(data) for path, data in files.items()}

    def cut_in(self, operation, share, act):
        """Call `act()` with a cut in its n-th `operation`; return whether it was reached."""
        self.faults.cut_at(operation, share, "power", 0)
        try:
            act()
            return False
        except PowerCut:
            return True
        finally:
            self.faults._cut = None
            self.fall()

    def fall(self):
        """Set every pin to the level of its pull resistor, as without power."""
        for name in self.rig.outputs:
            if self.rig.level(name):
                self.rig.edge(name, 0)

    def reboot(self):
        self.memory.is_off = False
        self.rig.boot()

    def delivered_ms(self, channel):
        return sum(off_ms - on_ms for on_ms, off_ms in self.rig.runs(channel))

    def check(self, channel, label):
        """Assert that the charge covers the delivery and that a cut is not reported as damage."""
        on_ms, volume_ul = self.rig.ledger.spent(channel, DAY_MS)
        delivered_ms = self.delivered_ms(channel)
        assert on_ms >= delivered_ms, label
        if channel != "top_off":
            assert volume_ul * 1_000 >= delivered_ms * FLOW_UL_PER_S, label
        assert not self.rig.ledger.was_damaged, label
        assert not self.rig.ledger.error, label


def dose(rig, channel):
    asyncio.run(rig.dose(channel, VOLUME_UL))


def fill(rig, channel):
    rig.sense(level_mm=150)
    rig.gate.run(channel, FILL_MS, BY_HAND, "control", rig.readings)
    for _ in range(3):
        rig.clock.advance(30_000)
    rig.gate.end(channel)


ACTS = {"ph_down": dose, "nutrient_b": dose, "top_off": fill}


def fresh(bench):
    """Prepare the first run of a new board."""


def used(bench):
    """Prepare a ledger with runs of every channel."""
    for channel in ACTS:
        bench.give(channel)


def about_to_compact(bench):
    """Prepare a full ledger, which the next reserve compacts."""
    ledger = bench.rig.ledger
    while ledger._records < MAX_RECORDS:
        ledger.set_latch(0)


def prepared(monkeypatch, history):
    bench = Bench(monkeypatch)
    ledger = bench.rig.ledger

    def give(channel):
        entry_id = ledger.reserve(channel, 700, 700)
        ledger.settle(entry_id, 650, 650)

    bench.give = give
    history(bench)
    return bench, bench.saved(), bench.rig.clock.at_ms


def ready(bench, files, at_ms):
    bench.start(files, at_ms)
    bench.rig.arm()
    bench.rig.wait(310_000)


@pytest.mark.parametrize("history", [fresh, used, about_to_compact])
@pytest.mark.parametrize("channel", ACTS)
def test_a_cut_in_any_operation_charges_at_least_the_delivery(monkeypatch, history, channel):
    bench, files, at_ms = prepared(monkeypatch, history)
    cuts = delivering = 0
    operation = 1
    while True:
        reached = []
        for share in TORN:
            ready(bench, files, at_ms)
            before = bench.rig.ledger.spent(channel, DAY_MS)[0]
            act = ACTS[channel]
            reached.append(bench.cut_in(operation, share, lambda: act(bench.rig, channel)))  # noqa: B023
            bench.reboot()
            label = f"operation {operation}, {share} of it done"
            bench.check(channel, label)
            ran_ms = bench.delivered_ms(channel)
            assert bench.rig.ledger.spent(channel, DAY_MS)[0] >= before + ran_ms, label
            delivering += ran_ms > 0
        if not any(reached):
            break
        assert all(reached)
        cuts += len(TORN)
        operation += 1
    # A reserve and a settle, each in two copies.
    assert cuts >= 4 * len(TORN)
    assert delivering >= 2 * len(TORN)


@pytest.mark.parametrize("history", [fresh, used, about_to_compact])
def test_a_second_cut_during_the_restart_does_so_too(monkeypatch, history):
    channel = "ph_down"
    bench, files, at_ms = prepared(monkeypatch, history)
    seconds = 0
    operation = 1
    is_reached = True
    while is_reached:
        for share in TORN:
            ready(bench, files, at_ms)
            is_reached = bench.cut_in(operation, share, lambda: dose(bench.rig, channel))
            after_first = bench.saved()
            seconds += second_cuts(bench, channel, after_first, f"{operation}, {share}")
        operation += 1
    assert seconds >= 100


def second_cuts(bench, channel, files, label):
    """Cut the next boot in every operation; return the number of cuts."""
    edges = list(bench.rig.edges)
    operation = cuts = 0
    is_reached = True
    while is_reached:
        operation += 1
        for share in TORN:
            bench.put(files)
            bench.rig.edges[:] = edges
            is_reached = bench.cut_in(operation, share, bench.rig.boot)
            cuts += is_reached
            bench.reboot()
            bench.check(channel, f"{label}; then {operation}, {share}")
    return cuts


def test_a_ledger_that_reserves_after_the_dose_is_detected(monkeypatch):
    """A reserve written after the dose leaves a cut uncharged, which this check must detect."""
    bench, files, at_ms = prepared(monkeypatch, fresh)
    ready(bench, files, at_ms)
    bench.rig.edge("ph_down", 1)
    bench.rig.clock.advance(2_500)
    assert bench.cut_in(1, 0.5, lambda: bench.rig.ledger.reserve("ph_down", 2_500, 2_500))
    bench.reboot()
    with pytest.raises(AssertionError, match="late"):
        bench.check("ph_down", "late")
