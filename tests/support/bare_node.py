"""Runs an image in MicroPython without the simulator: `micropython bare_node.py IMAGE_DIR`.

The hardware is stubs without state, so only the firmware uses the heap. Prints one line per step,
"<name> <bytes added> <bytes in total>": every module of the image in the order of import, the
node built, and the node after some cycles.
"""

import asyncio
import builtins
import gc
import os
import sys


class Stub:
    """Stub of any hardware class or module: accepts every call; attributes are stubs too."""

    def __init__(self, *_, **__):
        return

    def __getattr__(self, name):
        if name.isupper() or name.startswith("__"):
            return len(name)
        return answer


def answer(*_, **__):
    """Raise OSError(ENODEV), as for missing hardware."""
    raise OSError(19)


class Pins:
    """machine.Pin: the pins of the chip are in flash, so one object replaces all of them."""

    OUT = IN = PULL_UP = PULL_DOWN = IRQ_RISING = IRQ_FALLING = OPEN_DRAIN = 1

    def __call__(self, *_, **__):
        return self

    def value(self, *_):
        return 0


class Adc(Stub):
    ATTN_11DB = 3


class Quiet(Stub):
    """Accepts every call and does nothing: timers, PWM, the watchdog."""

    ONE_SHOT = PERIODIC = 1

    def __getattr__(self, name):
        return nothing


class Counter(Quiet):
    """esp32.PCNT at rest."""

    INCREMENT = 1

    def value(self):
        return 0


class Nvs(Stub):
    """NVS with a node id only."""

    def get_blob(self, key, buffer):
        if key != "node_id":
            raise OSError(19)
        buffer[:7] = b"bench-1"
        return 7


class Rtc:
    def memory(self, *_):
        return b""


class Wlan(Stub):
    IF_STA = PM_NONE = 0


class EncodedRecord(Stub):
    def reset(self, *_):
        raise OSError(19)


def nothing(*_, **__):
    return None


class Module:
    def __init__(self, names):
        for name in names:
            setattr(self, name, names[name])


def used():
    """Return the bytes in use after a collection."""
    gc.collect()
    return gc.mem_alloc()


def install():
    """Install the stubs of the hardware."""
    causes = ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET")
    machine = {name: number for number, name in enumerate(causes)}
    machine.update({
        "Pin": Pins(), "PWM": Quiet, "Timer": Quiet, "WDT": Quiet, "I2C": Stub, "SoftI2C": Stub,
        "UART": Stub, "ADC": Adc, "RTC": Rtc, "reset_cause": lambda: 0, "reset": nothing,
        "time_pulse_us": answer, "dht_readinto": answer,
    })
    sys.modules["machine"] = Module(machine)
    sys.modules["esp32"] = Module({"NVS": Nvs, "PCNT": Counter})
    sys.modules["network"] = Module({"WLAN": Wlan})
    sys.modules["onewire"] = Module({"OneWire": EncodedRecord, "OneWireError": OSError})


def mount(root):
    """Make `root` the root of the file system and the only import path."""
    import vfs

    disk = vfs.VfsPosix()  # a mounted one with a root renames wrongly
    names = {name: getattr(os, name) for name in dir(os) if not name.startswith("_")}
    names["rename"] = lambda old, new: disk.rename(root + old, root + new)
    sys.modules["os"] = Module(names)
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(root), "/")
    sys.path[:] = ["/", ".frozen"]


def report(name, before, start):
    now = used()
    print(name, now - before, now - start)
    return used()


def largest_piece():
    """Return the size of the largest free block after a collection, bytes."""
    gc.collect()
    fits, too_large = 0, gc.mem_free()
    while too_large - fits > 64:
        size = (fits + too_large) // 2
        try:
            bytearray(size)
            fits = size
        except MemoryError:
            too_large = size
        gc.collect()
    return fits


async def cycles(node, count):
    for _ in range(count):
        await node.sampler.cycle(False)
        node.gate.observe(node.sampler.readings)
        node.control.cycle()
        node._append_record()


def main():
    install()
    mount(sys.argv[1])
    start = last = used()
    real_import = builtins.__import__
    depth = [0]

    def counting(name, *more):
        if not name.startswith("idro") or name in sys.modules:
            return real_import(name, *more)
        nonlocal last
        depth[0] += 1
        module = real_import(name, *more)
        depth[0] -= 1
        last = report(name, last, start)
        return module

    builtins.__import__ = counting
    from idro.app import node
    from idro.update import platform

    builtins.__import__ = real_import
    last = report("imports", last, start)
    built = node.Node(platform.start_watchdog(), "0badcafe")
    last = report("built", last, start)
    asyncio.run(cycles(built, 20))
    report("cycles", last, start)
    print("piece", largest_piece(), gc.mem_free())


if __name__ == "__main__":
    main()
