"""Boots a simulated board: `micropython -X heapsize=512K shim/main.py JOB.json [MODULES]`.

MODULES is a folder with the precompiled simulator; without it the sources are compiled. All of the
simulator is imported before the flash directory becomes the root of the file system; from then on
only boot.py, main.py and their imports are visible. Exit code 0: end of the scenario; 3: reset,
start again; 4: the firmware ended.
"""

import sys

# Do not search the folder of the script: its modules are not top-level modules.
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
    """Return the runtime of `job`, powered up and with all modules installed."""
    state = load_state(disk, job["state_path"])
    now_us = max(state.get("now_us", 0), job["resume_at_ms"] * 1_000)
    if job["mode"] == "live":
        clock = LiveClock(real_time.ticks_us, real_time.ticks_diff, now_us)
    else:
        clock = VirtualClock(now_us)
    runtime = BoardRuntime(job, clock, disk, state)
    runtime.sleep_ms = real_time.sleep_ms
    runtime.gmtime = real_time.gmtime
    runtime.nvs.setdefault("idro", {}).update(esp32.provisioned(job["nvs"]))
    runtime.world = World(job, clock, runtime.emit)
    runtime.savers["world"] = runtime.world.save
    runtime.flash = filesystem.Flash(runtime, job["flash_dir"], install.real_urandom)
    runtime.flash_faults = FlashFaults(runtime.flash, runtime.flash.open, runtime.reset)
    runtime.savers["flash"] = runtime.flash_faults.state
    if state:
        runtime.flash_faults.restore(state["flash"])
    elif job["counts_flash"]:
        runtime.flash_faults.count()
    if state:
        runtime.world.load(state["world"], had_power=runtime.cause != "power")
    network, host = install.peers(runtime, state)
    timeline = Timeline(runtime, runtime.world, network, host)
    runtime.savers["timeline"] = timeline.state
    runtime.apply_event = timeline.apply
    if state:
        timeline.restore(state["timeline"])
    timeline.arm()
    trace_and_end(runtime)
    runtime.power_up()
    runtime.emit({"t": "boot", "at_ms": runtime.clock.now_us // 1_000, "cause": runtime.cause})
    install.modules(runtime, network)
    return runtime


def trace_and_end(runtime):
    """Print true values every `trace_every_ms` (0: never), and end after `duration_ms`."""
    clock = runtime.clock
    every_us = runtime.job["trace_every_ms"] * 1_000
    started_ms = real_time.ticks_ms()

    keys = sorted(runtime.world.plant.truth())
    shape = ",".join([f'"{key}":%.4f' for key in keys])
    shape = b'{"t":"truth","at_ms":%d,"values":{' + shape.encode() + b"}}"

    def emit_truth():
        truth = runtime.world.truth()
        at_ms = clock.now_us // 1_000
        runtime.emit_bytes(shape % tuple([at_ms] + [truth[key] for key in keys]))
        counted = runtime.flash_faults.counted()
        if counted is not None:
            runtime.emit({"t": "flash", "at_ms": at_ms, "values": counted})

    def trace():
        emit_truth()
        clock.at(clock.now_us + every_us, trace)

    def finish():
        if every_us:
            emit_truth()
        wall_ms = real_time.ticks_diff(real_time.ticks_ms(), started_ms)
        for hook in runtime.before_exit:
            hook()
        runtime.emit({"t": "end", "at_ms": clock.now_us // 1_000, "wall_ms": wall_ms})
        runtime.before_exit = []
        runtime.cause = "power"  # of a boot that continues this run
        runtime.stop(0)

    runtime.finish = finish
    if runtime.job.get("heap_every_ms"):
        trace_heap(runtime, runtime.job["heap_every_ms"] * 1_000)
    if every_us:
        clock.at((clock.now_us + every_us - 1) // every_us * every_us, trace)
    if runtime.job.get("duration_ms"):
        clock.at(runtime.job["duration_ms"] * 1_000, finish)


def trace_heap(runtime, every_us):
    """Print the growth of the heap since before the start of the firmware, every `every_us`.

    The growth of the simulator itself is included.
    """
    gc.collect()
    before = gc.mem_alloc()

    def emit_heap():
        gc.collect()
        runtime.emit({"t": "heap", "at_ms": runtime.clock.now_us // 1_000,
                  "used_bytes": gc.mem_alloc() - before})
        runtime.clock.at(runtime.clock.now_us + every_us, emit_heap)

    runtime.clock.at(runtime.clock.now_us + every_us, emit_heap)


def run_board(runtime):
    """Run boot.py and main.py as the board does, then idle at the prompt."""
    names = {"__name__": "__main__"}
    for path in ("boot.py", "main.py"):
        try:
            with builtins.open("/" + path) as file:
                source = file.read()
            exec(compile(source, path, "exec"), names)
        except OSError as error:
            if error.errno != 2 or path != "boot.py":
                sys.print_exception(error)
        except KeyboardInterrupt as error:
            sys.print_exception(error)
            runtime.clock.advance_to(runtime.clock.now_us + runtime.at_prompt_us)
            runtime.reset("reset")  # by the person at the prompt; main.py never ran after boot.py
        except Exception as error:  # noqa: BLE001  the board prints every exception
            sys.print_exception(error)
    print("the firmware ended: the board sits at its prompt")
    install.idle_at_prompt(runtime)
    runtime.emit({"t": "dead", "at_ms": runtime.clock.now_us // 1_000})
    runtime.stop(EXIT_DEAD)


def main():
    """Run the job named on the command line."""
    with open(sys.argv[1]) as file:
        job = json.load(file)
    disk = vfs.VfsPosix()
    runtime = build(job, disk)
    disk.chdir(job["flash_dir"])  # a VfsPosix with a root does not resolve relative paths
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(job["flash_dir"]), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
    run_board(runtime)


main()
