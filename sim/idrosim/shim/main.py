"""Boots a simulated board: `micropython -X heapsize=512K shim/main.py JOB.json [MODULES]`.

MODULES is a folder with the simulator as compiled before; without it the sources are compiled.
Everything of the simulator is imported and put into sys.modules before the flash directory becomes
the root of the file system; from then on this process holds what a board would: boot.py, main.py
and what they import. Exit code 0 is the end of the scenario, 3 a reset (start again), 4 a board
that can do nothing any more.
"""

import sys

# The script's folder must not be searched: its modules are no top-level modules.
sys.path[0] = sys.argv[2] if sys.argv[2:] else "/".join(sys.path[0].split("/")[:-2]) or "."

import builtins  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import time as real_time  # noqa: E402

import vfs  # noqa: E402

from idrosim.board.clock import LiveClock, VirtualClock  # noqa: E402
from idrosim.board.world import World  # noqa: E402
from idrosim.shim import install  # noqa: E402
from idrosim.shim.board_runtime import EXIT_DEAD, BoardRuntime, load_state  # noqa: E402
from idrosim.shim.event_schedule import Timeline  # noqa: E402
from idrosim.shim.hardware import esp32  # noqa: E402
from idrosim.shim.storage import filesystem  # noqa: E402
from idrosim.shim.storage.flash_faults import FlashFaults  # noqa: E402


def build(job, disk):
    """Return the rig of `job`, powered up and with every module in its place."""
    state = load_state(disk, job["state_path"])
    now_us = state.get("now_us", 0)
    if job["mode"] == "live":
        clock = LiveClock(real_time.ticks_us, real_time.ticks_diff, now_us)
    else:
        clock = VirtualClock(now_us)
    rig = BoardRuntime(job, clock, disk, state)
    rig.sleep_ms = real_time.sleep_ms
    rig.gmtime = real_time.gmtime
    rig.nvs.setdefault("idro", {}).update(esp32.provisioned(job["nvs"]))
    rig.world = World(job, clock, rig.emit)
    rig.savers["world"] = rig.world.save
    rig.flash = filesystem.Flash(rig, job["flash_dir"], install.real_urandom)
    rig.flash_faults = FlashFaults(rig.flash, rig.flash.open, rig.reset)
    rig.savers["flash"] = rig.flash_faults.state
    if state:
        rig.flash_faults.restore(state["flash"])
    elif job["counts_flash"]:
        rig.flash_faults.count()
    if state:
        rig.world.load(state["world"], had_power=rig.cause != "power")
    network, host = install.far_end(rig, state)
    timeline = Timeline(rig, rig.world, network, host)
    rig.savers["timeline"] = timeline.state
    rig.happen = timeline.happen
    if state:
        timeline.restore(state["timeline"])
    timeline.arm()
    trace_and_end(rig)
    rig.power_up()
    rig.emit({"t": "boot", "at_ms": rig.clock.now_us // 1_000, "cause": rig.cause})
    install.modules(rig, network)
    return rig


def trace_and_end(rig):
    """Print the truth at the trace's rhythm (0: never), and end after the job's duration."""
    clock = rig.clock
    every_us = rig.job["trace_every_ms"] * 1_000
    started_ms = real_time.ticks_ms()

    keys = sorted(rig.world.plant.truth())
    shape = ",".join([f'"{key}":%.4f' for key in keys])
    shape = b'{"t":"truth","at_ms":%d,"values":{' + shape.encode() + b"}}"

    def tell():
        truth = rig.world.truth()
        at_ms = clock.now_us // 1_000
        rig.emit_bytes(shape % tuple([at_ms] + [truth[key] for key in keys]))
        counted = rig.flash_faults.counted()
        if counted is not None:
            rig.emit({"t": "flash", "at_ms": at_ms, "values": counted})

    def trace():
        tell()
        clock.at(clock.now_us + every_us, trace)

    def finish():
        if every_us:
            tell()
        wall_ms = real_time.ticks_diff(real_time.ticks_ms(), started_ms)
        for hook in rig.before_exit:
            hook()
        rig.emit({"t": "end", "at_ms": clock.now_us // 1_000, "wall_ms": wall_ms})
        rig.before_exit = []
        rig.stop(0)

    rig.finish = finish
    if rig.job.get("heap_every_ms"):
        tell_heap(rig, rig.job["heap_every_ms"] * 1_000)
    if every_us:
        clock.at((clock.now_us + every_us - 1) // every_us * every_us, trace)
    if rig.job.get("duration_ms"):
        clock.at(rig.job["duration_ms"] * 1_000, finish)


def tell_heap(rig, every_us):
    """Print at that rhythm how much more of the heap is held than before the firmware began.

    What the simulator comes to hold meanwhile is in it.
    """
    gc.collect()
    before = gc.mem_alloc()

    def tell():
        gc.collect()
        rig.emit({"t": "heap", "at_ms": rig.clock.now_us // 1_000,
                  "used_bytes": gc.mem_alloc() - before})
        rig.clock.at(rig.clock.now_us + every_us, tell)

    rig.clock.at(rig.clock.now_us + every_us, tell)


def run_board(rig):
    """Run boot.py and main.py as the board does, then sit at the prompt."""
    names = {"__name__": "__main__"}
    for path in ("boot.py", "main.py"):
        try:
            with builtins.open("/" + path) as file:
                source = file.read()
            exec(compile(source, path, "exec"), names)
        except OSError as error:
            if error.errno != 2 or path != "boot.py":
                sys.print_exception(error)
        except Exception as error:  # noqa: BLE001  the prompt of a board prints every exception
            sys.print_exception(error)
    print("the firmware ended: the board sits at its prompt")
    install.sit(rig)
    rig.emit({"t": "dead", "at_ms": rig.clock.now_us // 1_000})
    rig.stop(EXIT_DEAD)


def main():
    """Run the job named on the command line."""
    with open(sys.argv[1]) as file:
        job = json.load(file)
    disk = vfs.VfsPosix()
    rig = build(job, disk)
    disk.chdir(job["flash_dir"])  # a VfsPosix with a root leaves relative paths alone
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(job["flash_dir"]), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
    run_board(rig)


main()
