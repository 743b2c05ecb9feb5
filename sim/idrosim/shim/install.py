"""Puts the simulated modules into sys.modules, for either clock."""

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
# What a freshly booted ESP32 reports. The heap of this process holds the world as well, so its own
# fill says nothing about a board, and differs from run to run.
_HEAP_FREE_B, _HEAP_ALLOC_B = 96_000, 72_000


def far_end(rig, state):
    """Return (network, host end) of the job; in live mode both are real and the host is None."""
    job = rig.job
    if rig.clock.is_live:
        return live_sockets.Air(), None
    latency_ms = job.get("network", {}).get("latency_ms", 20)
    network = virtual_sockets.Network(rig.clock, latency_ms, job["seed"])
    key = bytes.fromhex(esp32.provisioned(job["nvs"]).get("key", ""))
    host = FakeHost(rig, job["node"], key, job.get("settings", {}))
    host.broker = network.broker = Broker(network.latency_us, host)
    rig.savers["host"] = host.state
    if "host" in state:
        host.restore(state["host"])
    return network, host


def modules(rig, network):
    """Install everything the firmware may import. Nothing may have imported asyncio before."""
    modules = sys.modules
    for name in ("machine", "network", "esp32", "onewire", "os", "micropython"):
        modules.pop(name, None)
    modules["machine"] = Module(machine.functions(rig))
    modules["network"] = Module(wlan.functions(rig, network))
    modules["esp32"] = Module(esp32.functions(rig))
    onewire.OneWire._rig = rig
    modules["onewire"] = Module({
        "OneWire": onewire.OneWire, "OneWireError": onewire.OneWireError,
    })
    modules["os"] = rig.flash_faults.module = Module(filesystem.functions(rig.flash))
    builtins.open = rig.flash.watched(builtins.open)
    rig.flash_faults.arm()
    modules["micropython"] = Module(_micropython())
    if rig.clock.is_live:
        _live(rig, network)
    else:
        _lockstep(rig, network)


def _lockstep(rig, network):
    names = virtual_time.functions(rig, rig.gmtime)
    TaskQueue.ticks_ms = staticmethod(names["ticks_ms"])
    modules = sys.modules
    modules["time"] = Module(names)
    modules["socket"] = Module(virtual_sockets.socket_functions(network))
    modules["select"] = Module(virtual_sockets.select_functions(rig.clock))
    modules["gc"] = Module(_gc())
    modules["_asyncio"] = Module({"TaskQueue": TaskQueue, "Task": Task})
    import asyncio

    TaskQueue.core = asyncio.core
    rig.clock.at(rig.boot_us + builtins_shim.AFTER_US, builtins_shim.put)


def _live(rig, air):
    tap = live_sockets.Tap(rig)
    rig.savers["tap"] = tap.state
    rig.before_exit.append(tap.report)
    if "tap" in rig.old_state:
        tap.restore(rig.old_state["tap"])
    tap.arm()
    modules = sys.modules
    modules["socket"] = Module(live_sockets.socket_functions(socket, tap, air))
    modules["select"] = Module(live_sockets.select_functions(select, rig, sys.stdin))


def sit(rig):
    """Let time pass at the prompt: a watchdog bites or the scenario ends. Returns without one."""
    clock = rig.clock
    while WDT._timeout_us is not None:
        if clock.is_live:
            time.sleep_ms(100)
            clock.run_due()
        else:
            clock.advance_to(clock.next_due_us)


def _micropython():
    names = {
        name: getattr(micropython, name) for name in dir(micropython) if not name.startswith("_")
    }

    def alloc_emergency_exception_buf(size):
        return None

    names["alloc_emergency_exception_buf"] = alloc_emergency_exception_buf
    return names


def _gc():
    def collect():
        return 0  # unseen by the firmware, and the interpreter collects when it needs to

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
