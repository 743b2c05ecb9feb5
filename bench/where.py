"""Where the time of a lockstep run goes: runs a job with a stop-watch on the seams between parts.

    micropython -X heapsize=8M bench/where.py JOB.json    what bench_sim.py --where does

Every seam (a task of the firmware, a call into a bus, the plant, the network) is wrapped; the time
between two switches goes to the part that was running. The harness line {"t": "where", "us":
{part: microseconds}} tells before the end. Garbage is collected here before the heap is full, so
that it can be timed. The stop-watch costs time itself: the shares are what counts.
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
    "lines of the trace", "outside",
)
(SAMPLING, CONTROL, RECORDS, DEVICES, FAR_END, PLANT, SCHEDULING, GC, TRACE,
 OUTSIDE) = range(len(PARTS))
_LOW_FREE_B = 500_000
_LOOK_EVERY = 100


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

    def wrap(self, owner, name, part, args=2):
        """Time every call of `owner.name`, which takes `args` arguments with its self."""
        inner = getattr(owner, name)
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


def wrap_parts(watch):
    """Time the calls into the shim, the far end and the plant."""
    from idrosim import world
    from idrosim.shim import broker, buses, host_end, onewire_shim, pins, rig, virtual_net

    watch.wrap(world.World, "_step_to", PLANT)
    watch.wrap(world.World, "truth", PLANT, 1)
    watch.wrap(rig.Rig, "emit_bytes", TRACE)  # waits while its reader is behind
    watch.wrap(host_end.HostEnd, "received", FAR_END, 3)
    watch.wrap(broker._Peer, "received", FAR_END)
    watch.wrap(buses.I2C, "_transfer", DEVICES, 4)
    for name, args in (("reset", 1), ("readbit", 1), ("writebyte", 2), ("readinto", 2)):
        watch.wrap(onewire_shim.OneWire, name, DEVICES, args)
    watch.wrap(pins.Pin, "value", DEVICES)
    for name in ("read", "write"):
        watch.wrap(virtual_net.Socket, name, DEVICES)
    watch.wrap(virtual_net.Poll, "ipoll", DEVICES)
    ipoll = virtual_net.Poll.ipoll

    def watched(self, timeout_ms=-1, flags=0):
        watch.turn(SCHEDULING)  # whatever ended with an exception before
        watch.look_after_heap()
        return ipoll(self, timeout_ms)

    virtual_net.Poll.ipoll = watched


def wrap_simulator(watch):
    """Time the parts, and every task of the firmware."""
    from idrosim.shim import esp32_shim, rig, virtual_tasks

    wrap_parts(watch)
    start_task = virtual_tasks.Task.__init__

    def init(self, coro, globals=None):
        start_task(self, Timed(watch, coro, RECORDS), globals)

    virtual_tasks.Task.__init__ = init
    open_nvs = esp32_shim.NVS.__init__

    def opened(self, namespace):
        # The node opens its store first of all: everything is imported, nothing is built.
        if not watch.is_wrapped:
            watch.is_wrapped = True
            wrap_firmware(watch)
        open_nvs(self, namespace)

    watch.is_wrapped = False
    esp32_shim.NVS.__init__ = opened
    stop = rig.Rig.stop

    def told(self, exit_code):
        watch.turn(OUTSIDE)
        us = {PARTS[part]: us for part, us in enumerate(watch.us)}
        self.emit({"t": "where", "us": us})
        stop(self, exit_code)

    rig.Rig.stop = told


def wrap_firmware(watch):
    """Time what the firmware's tasks do, now that all of it is imported."""
    modules = sys.modules
    supervisor = modules["idro.safety.supervisor"].Supervisor
    add = supervisor.add
    parts = {"control": SAMPLING, "dosing": CONTROL}

    def added(self, name, start, **more):
        def started():
            return Timed(watch, start(), parts.get(name, RECORDS))

        add(self, name, started, **more)

    supervisor.add = added
    watch.wrap(modules["idro.app.loops"].Loops, "cycle", CONTROL, 1)
    watch.wrap(modules["idro.safety.gate"].Gate, "observe", CONTROL)
    watch.wrap(modules["idro.app.node"].Node, "_keep_record", RECORDS, 1)


def main():
    """Boot the board of the job named on the command line."""
    watch = Watch(time.ticks_us)
    sys.path[0] = SIM
    from idrosim.shim import install

    put_in = install.modules

    def put_in_and_wrap(rig, network):
        put_in(rig, network)
        wrap_simulator(watch)
        watch.turn(SCHEDULING)

    install.modules = put_in_and_wrap
    sys.path[0] = SHIM
    with open(SHIM + "/start.py") as file:
        exec(compile(file.read(), "start.py", "exec"), {"__name__": "__main__"})


main()
