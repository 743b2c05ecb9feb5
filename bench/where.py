"""Profiles a lockstep run: measures the time of each part between instrumented calls.

    micropython -X heapsize=8M bench/where.py JOB.json    run by bench_sim.py --where

Tasks of the firmware and calls into a bus, the plant and the network are wrapped; the time between
two switches goes to the part that was running. The harness line {"t": "where", "us": {part:
microseconds}} is printed before the end. Garbage is collected before the heap is full, so that it
can be timed. Profiling takes time itself: only the shares count.

A missing method ends the run, as its time would go to another part.
"""

import gc
import sys
import time

_HERE = "/".join(sys.path[0].split("/")[:-1]) or "."
SIM = _HERE + "/sim"
SHIM = SIM + "/idrosim/shim"

PARTS = (
    "firmware sampling", "firmware control", "firmware records, network", "shim and devices",
    "broker and host", "plant and probes", "scheduling", "garbage collection",
    "lines of the trace", "start of the firmware", "outside",
)
(SAMPLING, CONTROL, RECORDS, DEVICES, HOST, PLANT, SCHEDULING, GC, TRACE, START,
 OUTSIDE) = range(len(PARTS))
_LOW_FREE_B = 500_000
_HEAP_CHECK_WAITS = 100
_EXIT_NO_METHOD = 5

# Module, class, method, part, number of arguments including self. Methods of the simulator are
# wrapped when the board powers up, those of the firmware at its first task, when all is imported.
SIMULATOR_METHODS = (
    ("idrosim.board.world", "World", "_step_to", PLANT, 2),
    ("idrosim.board.world", "World", "truth", PLANT, 1),
    # emit_bytes blocks while its reader is behind
    ("idrosim.shim.board_runtime", "BoardRuntime", "emit_bytes", TRACE, 2),
    ("idrosim.shim.peers.fake_host", "FakeHost", "received", HOST, 3),
    ("idrosim.shim.network.broker", "_Peer", "received", HOST, 2),
    ("idrosim.shim.hardware.i2c", "I2C", "_transfer", DEVICES, 4),
    ("idrosim.shim.hardware.onewire", "OneWire", "reset", DEVICES, 1),
    ("idrosim.shim.hardware.onewire", "OneWire", "readbit", DEVICES, 1),
    ("idrosim.shim.hardware.onewire", "OneWire", "writebyte", DEVICES, 2),
    ("idrosim.shim.hardware.onewire", "OneWire", "readinto", DEVICES, 2),
    ("idrosim.shim.hardware.pins", "Pin", "value", DEVICES, 2),
    ("idrosim.shim.network.virtual_sockets", "Socket", "read", DEVICES, 2),
    ("idrosim.shim.network.virtual_sockets", "Socket", "write", DEVICES, 2),
    ("idrosim.shim.network.virtual_sockets", "Poll", "wait", SCHEDULING, 2),
)
FIRMWARE_METHODS = (
    ("idro.safety.gate", "Gate", "observe", CONTROL, 2),
    ("idro.app.control_cycle", "ControlCycle", "cycle", CONTROL, 1),
    ("idro.app.node", "Node", "_append_record", RECORDS, 1),
)
_TASKS = {"control": SAMPLING, "dosing": CONTROL}  # the others are records and network


class MissingMethod(Exception):
    """A method to wrap does not exist."""


class Profiler:
    """Measures the own time of each part, without that of the parts it calls."""

    def __init__(self, ticks_us):
        self._ticks_us = ticks_us
        self._since_us = ticks_us()
        self._part = OUTSIDE
        self._waits = 0
        self.us = [0] * len(PARTS)

    def switch(self, part):
        """Count for `part` from now; return the previous part."""
        now_us = self._ticks_us()
        before = self._part
        self.us[before] += now_us - self._since_us
        self._since_us = now_us
        self._part = part
        return before

    def wrap(self, module, class_name, name, part, args):
        """Time every call of a method with `args` arguments. Raises MissingMethod."""
        owner = getattr(sys.modules.get(module), class_name, None)
        inner = getattr(owner, name, None)
        if inner is None:
            raise MissingMethod(f"{module}.{class_name}.{name}")
        switch = self.switch

        # Small frames on purpose: frames with *args live in the heap and cause collections. After
        # an exception the next wrapped call corrects the part.
        def one(me):
            before = switch(part)
            found = inner(me)
            switch(before)
            return found

        def two(me, first=None):
            before = switch(part)
            found = inner(me, first)
            switch(before)
            return found

        def three(me, first, second):
            before = switch(part)
            found = inner(me, first, second)
            switch(before)
            return found

        def four(me, first, second, third):
            before = switch(part)
            found = inner(me, first, second, third)
            switch(before)
            return found

        setattr(owner, name, (one, two, three, four)[args - 1])

    def collect_garbage(self):
        """Collect garbage when the heap runs low, timed as its own part."""
        self._waits += 1
        if self._waits % _HEAP_CHECK_WAITS:
            return
        before = self.switch(OUTSIDE)
        if gc.mem_free() < _LOW_FREE_B:
            self.switch(GC)
            gc.collect()
        self.switch(before)


class TimedCoroutine:
    """A coroutine whose run time is measured."""

    def __init__(self, profiler, coro, part):
        self._profiler = profiler
        self._coro = coro
        self._part = part

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        before = self._profiler.switch(self._part)
        found = self._coro.send(value)
        self._profiler.switch(before)
        return found

    def throw(self, *error):
        before = self._profiler.switch(self._part)
        found = self._coro.throw(*error)
        self._profiler.switch(before)
        return found

    def close(self):
        self._coro.close()


def wrap_simulator(profiler, runtime):
    """Time the parts of the simulator; wrap the firmware at its first task."""
    from idrosim.shim.time import asyncio_core

    for method in SIMULATOR_METHODS:
        profiler.wrap(*method)
    collect_in_waits(profiler)
    start_task = asyncio_core.Task.__init__
    profiler.is_wrapped = False

    def init(self, coro, globals=None):
        if not profiler.is_wrapped:
            profiler.is_wrapped = True
            wrap_or_stop(runtime, wrap_firmware, profiler)
        start_task(self, TimedCoroutine(profiler, coro, RECORDS), globals)

    asyncio_core.Task.__init__ = init
    stop = type(runtime).stop

    def report_and_stop(self, exit_code):
        profiler.switch(OUTSIDE)
        us = {PARTS[part]: us for part, us in enumerate(profiler.us)}
        self.emit({"t": "where", "us": us})
        stop(self, exit_code)

    type(runtime).stop = report_and_stop


def collect_in_waits(profiler):
    """Check the heap at every wait."""
    from idrosim.shim.network import virtual_sockets

    wait = virtual_sockets.Poll.wait

    def collect_and_wait(self, timeout_ms):
        profiler.switch(SCHEDULING)  # also after an exception in another part
        profiler.collect_garbage()
        return wait(self, timeout_ms)

    virtual_sockets.Poll.wait = collect_and_wait


def wrap_firmware(profiler):
    """Time the tasks of the firmware, once all of it is imported. Raises MissingMethod."""
    for method in FIRMWARE_METHODS:
        profiler.wrap(*method)
    supervisor = getattr(sys.modules.get("idro.safety.supervisor"), "Supervisor", None)
    supervise = getattr(supervisor, "_supervise", None)
    if supervise is None:
        raise MissingMethod("idro.safety.supervisor.Supervisor._supervise")

    def supervise_timed(self, name, start, is_critical):
        def start_timed():
            return TimedCoroutine(profiler, start(), _TASKS.get(name, RECORDS))

        return supervise(self, name, start_timed, is_critical)

    supervisor._supervise = supervise_timed


def wrap_or_stop(runtime, wrap, *args):
    """Wrap, or print the missing method and end the process."""
    try:
        wrap(*args)
    except MissingMethod as missing:
        print("where.py: no method", missing)
        runtime.stop(_EXIT_NO_METHOD)


def main():
    """Boot the board of the job named on the command line."""
    profiler = Profiler(time.ticks_us)
    sys.path[0] = SIM
    from idrosim.shim import install

    install_modules = install.modules

    def install_and_wrap(runtime, network):
        install_modules(runtime, network)
        wrap_or_stop(runtime, wrap_simulator, profiler, runtime)
        profiler.switch(START)

    install.modules = install_and_wrap
    sys.path[0] = SHIM
    with open(SHIM + "/main.py") as file:
        exec(compile(file.read(), "main.py", "exec"), {"__name__": "__main__"})


main()
