"""Installs the simulated modules in sys.modules, for either clock."""

import builtins
import gc
import os
import select
import socket
import sys
import time

import micropython

from idrosim.shim import builtins_shim
from idrosim.shim.board_runtime import Module
from idrosim.shim.hardware import esp32, machine, onewire
from idrosim.shim.hardware.timers import WDT
from idrosim.shim.network import live_sockets, virtual_sockets, wlan
from idrosim.shim.network.broker import Broker
from idrosim.shim.peers.fake_host import FakeHost
from idrosim.shim.storage import filesystem
from idrosim.shim.time import virtual_time
from idrosim.shim.time.asyncio_core import Task, TaskQueue

real_urandom = os.urandom
# Values of a freshly booted ESP32. The heap of this process also holds the world, so its own
# figures differ from those of a board, and from run to run.
_HEAP_FREE_B, _HEAP_ALLOC_B = 96_000, 72_000


def peers(runtime, state):
    """Return (network, fake host) of the job; in live mode (radio, None), with real peers."""
    job = runtime.job
    if runtime.clock.is_live:
        return live_sockets.Radio(), None
    latency_ms = job.get("network", {}).get("latency_ms", 20)
    network = virtual_sockets.Network(runtime.clock, latency_ms, job["seed"])
    key = bytes.fromhex(esp32.provisioned(job["nvs"]).get("key", ""))
    host = FakeHost(runtime, job["node"], key, job.get("settings", {}))
    host.broker = network.broker = Broker(network.latency_us, host)
    runtime.savers["host"] = host.state
    if "host" in state:
        host.restore(state["host"])
    return network, host


def modules(runtime, network):
    """Install everything the firmware may import. asyncio must not have been imported before."""
    modules = sys.modules
    for name in ("machine", "network", "esp32", "onewire", "os", "micropython"):
        modules.pop(name, None)
    modules["machine"] = Module(machine.functions(runtime))
    modules["network"] = Module(wlan.functions(runtime, network))
    modules["esp32"] = Module(esp32.functions(runtime))
    onewire.OneWire._runtime = runtime
    modules["onewire"] = Module({"OneWire": onewire.OneWire, "OneWireError": onewire.OneWireError})
    modules["os"] = runtime.flash_faults.module = Module(filesystem.functions(runtime.flash))
    builtins.open = runtime.flash.watched(builtins.open)
    runtime.flash_faults.arm()
    modules["micropython"] = Module(_micropython())
    if runtime.clock.is_live:
        _live(runtime, network)
    else:
        _lockstep(runtime, network)


def _lockstep(runtime, network):
    names = virtual_time.functions(runtime, runtime.gmtime)
    TaskQueue.ticks_ms = staticmethod(names["ticks_ms"])
    modules = sys.modules
    modules["time"] = Module(names)
    modules["socket"] = Module(virtual_sockets.socket_functions(network))
    modules["select"] = Module(virtual_sockets.select_functions(runtime.clock))
    modules["gc"] = Module(_gc())
    modules["_asyncio"] = Module({"TaskQueue": TaskQueue, "Task": Task})
    import asyncio

    TaskQueue.core = asyncio.core
    runtime.clock.at(runtime.boot_us + builtins_shim.AFTER_US, builtins_shim.copy_builtins)


def _live(runtime, radio):
    tap = live_sockets.TrafficTap(runtime)
    runtime.savers["tap"] = tap.state
    runtime.before_exit.append(tap.report)
    if "tap" in runtime.old_state:
        tap.restore(runtime.old_state["tap"])
    tap.arm()
    modules = sys.modules
    modules["socket"] = Module(live_sockets.socket_functions(socket, tap, radio))
    modules["select"] = Module(live_sockets.select_functions(select, runtime, sys.stdin))


def idle_at_prompt(runtime):
    """Advance time until the watchdog resets or the scenario ends. Returns without a watchdog."""
    clock = runtime.clock
    while WDT._timeout_us is not None:
        if clock.is_live:
            time.sleep_ms(100)
            clock.run_due()
        else:
            clock.advance_to(clock.next_due_us)


def _micropython():
    names = {
        name: getattr(micropython, name) for name in dir(micropython) if not name.startswith("_")}

    def alloc_emergency_exception_buf(size):
        return None

    names["alloc_emergency_exception_buf"] = alloc_emergency_exception_buf
    return names


def _gc():
    def collect():
        return 0  # the interpreter collects when it needs to

    def threshold(*_):
        return -1

    def mem_free():
        return _HEAP_FREE_B

    def mem_alloc():
        return _HEAP_ALLOC_B

    return {
        "collect": collect, "enable": gc.enable, "disable": gc.disable,
        "isenabled": gc.isenabled, "threshold": threshold, "mem_free": mem_free,
        "mem_alloc": mem_alloc,
    }
