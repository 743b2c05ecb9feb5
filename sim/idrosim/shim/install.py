"""Puts the simulated modules into sys.modules, for either clock."""

import builtins
import gc
import os
import select
import socket
import sys
import time

import micropython

from idrosim.shim import (
    at_hand,
    esp32_shim,
    files,
    live_net,
    machine_shim,
    onewire_shim,
    radio,
    virtual_net,
    virtual_time,
)
from idrosim.shim.broker import Broker
from idrosim.shim.host_end import HostEnd
from idrosim.shim.rig import Module
from idrosim.shim.timers import WDT
from idrosim.shim.virtual_tasks import Task, TaskQueue

real_urandom = os.urandom
# What a freshly booted ESP32 reports. The heap of this process holds the world as well, so its own
# fill says nothing about a board, and differs from run to run.
_HEAP_FREE_B, _HEAP_ALLOC_B = 96_000, 72_000


def far_end(rig, state):
    """Return (network, host end) of the job; in live mode both are real and the host is None."""
    job = rig.job
    if rig.clock.is_live:
        return live_net.Air(), None
    latency_ms = job.get("network", {}).get("latency_ms", 20)
    network = virtual_net.Network(rig.clock, latency_ms, job["seed"])
    key = bytes.fromhex(esp32_shim.provisioned(job["nvs"]).get("key", ""))
    host = HostEnd(rig, job["node"], key, job.get("settings", {}))
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
    modules["machine"] = Module(machine_shim.functions(rig))
    modules["network"] = Module(radio.functions(rig, network))
    modules["esp32"] = Module(esp32_shim.functions(rig))
    onewire_shim.OneWire._rig = rig
    modules["onewire"] = Module({
        "OneWire": onewire_shim.OneWire, "OneWireError": onewire_shim.OneWireError,
    })
    modules["os"] = rig.flash_faults.module = Module(files.functions(rig.flash))
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
    modules["socket"] = Module(virtual_net.socket_functions(network))
    modules["select"] = Module(virtual_net.select_functions(rig.clock))
    modules["gc"] = Module(_gc())
    modules["_asyncio"] = Module({"TaskQueue": TaskQueue, "Task": Task})
    import asyncio

    TaskQueue.core = asyncio.core
    rig.clock.at(rig.boot_us + at_hand.AFTER_US, at_hand.put)


def _live(rig, air):
    tap = live_net.Tap(rig)
    rig.savers["tap"] = tap.state
    rig.before_exit.append(tap.report)
    if "tap" in rig.old_state:
        tap.restore(rig.old_state["tap"])
    tap.arm()
    modules = sys.modules
    modules["socket"] = Module(live_net.socket_functions(socket, tap, air))
    modules["select"] = Module(live_net.select_functions(select, rig, sys.stdin))


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
