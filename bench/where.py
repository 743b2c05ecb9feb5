"""Where the time of a lockstep run goes: runs a job with a stop-watch on the seams between parts.

    micropython -X heapsize=8M bench/where.py JOB.json    what bench_sim.py --where does

Every seam (a task of the firmware, a call into a bus, the plant, the network) is wrapped; the time
between two switches goes to the part that was running. The harness line {"t": "where", "us":
{part: microseconds}} tells before the end. Garbage is collected here before the heap is full, so
that it can be timed. The stop-watch costs time itself: the shares are what counts.

A seam that is not there any more ends the run: its time would go to whatever ran before it.
"""

import gc
import sys
import time

_HERE = "/".join(sys.path[0].split("/")[:-1]) or "."
SIM = _HERE + "/sim"
SHIM = SIM + "/idrosim/shim"

PARTS = (
    "firmware sampling", "firmware control", "firmware records, network", "shim and devices",
    "broker and host end", "plant and probes", "scheduling", "garbage collection",
    "lines of the trace", "start of the firmware", "outside",
)
(SAMPLING, CONTROL, RECORDS, DEVICES, FAR_END, PLANT, SCHEDULING, GC, TRACE, START,
 OUTSIDE) = range(len(PARTS))
_LOW_FREE_B = 500_000
_LOOK_EVERY = 100
_EXIT_NO_SEAM = 5

# module, class, method, part, arguments with its self. Those of the simulator are wrapped when the
# board powers up, those of the firmware when it starts its first task: all of it is imported then.
SIMULATOR_SEAMS = (
    ("idrosim.board.world", "World", "_step_to", PLANT, 2),
    ("idrosim.board.world", "World", "truth", PLANT, 1),
    (
        "idrosim.shim.board_runtime",
        "BoardRuntime",
        "emit_bytes",
        TRACE,
        2,
    ),  # waits while its reader is behind
    ("idrosim.shim.peers.fake_host", "FakeHost", "received", FAR_END, 3),
    ("idrosim.shim.network.broker", "_Peer", "received", FAR_END, 2),
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
FIRMWARE_SEAMS = (
    ("idro.safety.gate", "Gate", "observe", CONTROL, 2),
    ("idro.app.control_cycle", "ControlCycle", "cycle", CONTROL, 1),
    ("idro.app.node", "Node", "_append_record", RECORDS, 1),
)
_TASKS = {"control": SAMPLING, "dosing": CONTROL}  # the others are records and the network


class NoSeam(Exception):
    """The code has changed: there is nothing to wrap at this place."""


class Watch:
    """A stop-watch with one hand a part; what a part calls is not counted as its own."""

    def __init__(self, ticks_us):
        self._ticks_us = ticks_us
        self._since_us = ticks_us()
        self._part = OUTSIDE
        self._waits = 0
        self.us = [0] * len(PARTS)

    def turn(self, part):
        """Count for `part` from now on; return the part before."""
        now_us = self._ticks_us()
        before = self._part
        self.us[before] += now_us - self._since_us
        self._since_us = now_us
        self._part = part
        return before

    def wrap(self, module, class_name, name, part, args):
        """Time every call of a method that takes `args` arguments with its self.

        Raises NoSeam.
        """
        owner = getattr(sys.modules.get(module), class_name, None)
        inner = getattr(owner, name, None)
        if inner is None:
            raise NoSeam(f"{module}.{class_name}.{name}")
        turn = self.turn

        # Small frames on purpose: one too large for the stack, as *args makes it, lives in the
        # heap and has it searched over and over. An exception is put right at the next seam.
        def one(me):
            before = turn(part)
            found = inner(me)
            turn(before)
            return found

        def two(me, first=None):
            before = turn(part)
            found = inner(me, first)
            turn(before)
            return found

        def three(me, first, second):
            before = turn(part)
            found = inner(me, first, second)
            turn(before)
            return found

        def four(me, first, second, third):
            before = turn(part)
            found = inner(me, first, second, third)
            turn(before)
            return found

        setattr(owner, name, (one, two, three, four)[args - 1])

    def look_after_heap(self):
        """Collect garbage when the heap runs low, in its own time."""
        self._waits += 1
        if self._waits % _LOOK_EVERY:
            return
        before = self.turn(OUTSIDE)
        if gc.mem_free() < _LOW_FREE_B:
            self.turn(GC)
            gc.collect()
        self.turn(before)


class Timed:
    """A coroutine that is timed whenever it runs."""

    def __init__(self, watch, coro, part):
        self._watch = watch
        self._coro = coro
        self._part = part

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        before = self._watch.turn(self._part)
        found = self._coro.send(value)
        self._watch.turn(before)
        return found

    def throw(self, *error):
        before = self._watch.turn(self._part)
        found = self._coro.throw(*error)
        self._watch.turn(before)
        return found

    def close(self):
        self._coro.close()


def wrap_simulator(watch, rig):
    """Time the parts of the simulator, and have the firmware wrapped when it starts."""
    from idrosim.shim.time import asyncio_core

    for seam in SIMULATOR_SEAMS:
        watch.wrap(*seam)
    look_after_heap(watch)
    start_task = asyncio_core.Task.__init__
    watch.is_wrapped = False

    def init(self, coro, globals=None):
        if not watch.is_wrapped:
            watch.is_wrapped = True
            or_end(rig, wrap_firmware, watch)
        start_task(self, Timed(watch, coro, RECORDS), globals)

    asyncio_core.Task.__init__ = init
    stop = type(rig).stop

    def told(self, exit_code):
        watch.turn(OUTSIDE)
        us = {PARTS[part]: us for part, us in enumerate(watch.us)}
        self.emit({"t": "where", "us": us})
        stop(self, exit_code)

    type(rig).stop = told


def look_after_heap(watch):
    """Look at the heap at every wait."""
    from idrosim.shim.network import virtual_sockets

    wait = virtual_sockets.Poll.wait

    def watched(self, timeout_ms):
        watch.turn(SCHEDULING)  # whatever ended with an exception before
        watch.look_after_heap()
        return wait(self, timeout_ms)

    virtual_sockets.Poll.wait = watched


def wrap_firmware(watch):
    """Time what the firmware's tasks do, now that all of it is imported. Raises NoSeam."""
    for seam in FIRMWARE_SEAMS:
        watch.wrap(*seam)
    supervisor = getattr(sys.modules.get("idro.safety.supervisor"), "Supervisor", None)
    keep = getattr(supervisor, "_supervise", None)
    if keep is None:
        raise NoSeam("idro.safety.supervisor.Supervisor._supervise")

    def kept(self, name, start, is_critical):
        def started():
            return Timed(watch, start(), _TASKS.get(name, RECORDS))

        return keep(self, name, started, is_critical)

    supervisor._keep = kept


def or_end(rig, wrap, *args):
    """Wrap, or name the seam that is not there and end the process."""
    try:
        wrap(*args)
    except NoSeam as missing:
        print("where.py: no seam", missing)
        rig.stop(_EXIT_NO_SEAM)


def main():
    """Boot the board of the job named on the command line."""
    watch = Watch(time.ticks_us)
    sys.path[0] = SIM
    from idrosim.shim import install

    put_in = install.modules

    def put_in_and_wrap(rig, network):
        put_in(rig, network)
        or_end(rig, wrap_simulator, watch, rig)
        watch.turn(START)

    install.modules = put_in_and_wrap
    sys.path[0] = SHIM
    with open(SHIM + "/main.py") as file:
        exec(compile(file.read(), "main.py", "exec"), {"__name__": "__main__"})


main()
