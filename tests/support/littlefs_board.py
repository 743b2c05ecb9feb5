"""Counts flash accesses of the firmware: `micropython littlefs_board.py FOLDER STEP`.

FOLDER holds the files of the board. They are copied to littlefs as the ESP32 port formats it, on a
block device in RAM that counts. STEP is "start" (main.py, until the tasks run), "parts" (outbox,
ledger) or "append" (72 h of records appended to the outbox). Prints one JSON line per part.
"""

import json
import os
import sys

sys.path[0] = sys.path[0] or "."

import bare_node  # noqa: E402  (beside this file)
import vfs  # noqa: E402

PAGE_BYTES, BLOCK_BYTES, BLOCK_COUNT = 32, 4_096, 512
SAMPLE_MS, EVENT_EVERY = 10_000, 90


class CountingFlash:
    """A block device in RAM. `counts` is [pages read, pages programmed, blocks erased]."""

    def __init__(self):
        self._data = bytearray(BLOCK_COUNT * BLOCK_BYTES)
        self.counts = [0, 0, 0]
        self.opens = 0

    def readblocks(self, block, buffer, offset=0):
        self.counts[0] += len(buffer) // PAGE_BYTES
        at = block * BLOCK_BYTES + offset
        buffer[:] = memoryview(self._data)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self.counts[1] += len(buffer) // PAGE_BYTES
        at = block * BLOCK_BYTES + offset
        self._data[at : at + len(buffer)] = buffer

    def ioctl(self, request, block):
        if request == 4:
            return BLOCK_COUNT
        if request == 5:
            return BLOCK_BYTES
        if request == 6:
            self.counts[2] += 1
            at = block * BLOCK_BYTES
            self._data[at : at + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return 0


class CountingLittlefs:
    """littlefs on a CountingFlash; counts opened files too."""

    def __init__(self, flash):
        vfs.VfsLfs2.mkfs(flash)
        self._flash = flash
        self.disk = vfs.VfsLfs2(flash)

    def __getattr__(self, name):
        return getattr(self.disk, name)

    def mount(self, is_read_only, should_format):
        self.disk.mount(is_read_only, should_format)

    def open(self, path, mode):
        self._flash.opens += 1
        return self.disk.open(path, mode)


def copy(disk, source, folder=""):
    """Copy the files of `source` to the flash."""
    for entry in os.ilistdir(source):
        name = f"{folder}/{entry[0]}"
        if entry[1] == 0x4000:
            disk.mkdir(name)
            copy(disk, f"{source}/{entry[0]}", name)
        else:
            with open(f"{source}/{entry[0]}", "rb") as file, disk.open(name, "wb") as copied:
                copied.write(file.read())


def report(flash, part, **more):
    """Print and reset the counts of one part."""
    found = {"part": part, "reads": flash.counts[0], "programs": flash.counts[1],
             "erases": flash.counts[2], "opens": flash.opens}
    found.update(more)
    print(json.dumps(found))
    flash.counts[:] = [0, 0, 0]
    flash.opens = 0


class Watchdog:
    """machine.WDT: notes the most pages read between two feeds, and ends main.py at the first
    feed of a task."""

    flash = None
    fed_at = most = 0

    def __init__(self, timeout):
        self.feed()

    def feed(self):
        pages = Watchdog.flash.counts[0]
        Watchdog.most = max(Watchdog.most, pages - Watchdog.fed_at)
        Watchdog.fed_at = pages
        core = sys.modules.get("asyncio.core")
        if core and core.cur_task:
            raise KeyboardInterrupt


def start(flash):
    Watchdog.flash = flash
    sys.modules["machine"].WDT = Watchdog
    sys.modules["machine"].freq = bare_node.nothing
    with open("/main.py") as file:
        source = file.read()
    report(flash, "main.py")
    try:  # noqa: SIM105  (MicroPython has no contextlib)
        exec(source, {"__name__": "__main__"})
    except KeyboardInterrupt:
        pass
    report(flash, "start", silent=Watchdog.most)


class Clock:
    def now_ms(self):
        return 0


def parts(flash):
    from idro.outbox.outbox import Outbox
    from idro.safety.ledger import Ledger

    report(flash, "code")
    outbox = Outbox("/data/outbox", "0badcafe", ("air.temp_c",), Clock())
    report(flash, "outbox", count=outbox.count)
    Ledger(("/data/ledger.a", "/data/ledger.b"), lambda: 0, True)
    report(flash, "ledger")


def append(flash):
    """Append records as a node does, and report the call with the most pages read."""
    from idro.outbox.outbox import Outbox

    outbox = Outbox("/data/outbox", "0badcafe", ("reservoir.ph", "air.temp_c"), Clock())
    report(flash, "open")
    most = [0, 0, 0]

    def note_call():
        for at in range(3):
            most[at] = max(most[at], flash.counts[at])
            flash.counts[at] = 0

    at_ms = 0
    for step in range(26_000):
        at_ms += SAMPLE_MS
        outbox.append_telemetry(at_ms, {"reservoir.ph": 6.0, "air.temp_c": 21.5}, {})
        note_call()
        if step % EVENT_EVERY == 0:
            outbox.append_event(at_ms, "dosed", {"actuator": "ph_down", "on_ms": step})
            note_call()
    flash.counts[:] = most
    report(flash, "append", lost=outbox.lost_count, failures=outbox.write_failures_count)


def main():
    flash = CountingFlash()
    littlefs = CountingLittlefs(flash)
    copy(littlefs.disk, sys.argv[1])
    vfs.umount("/")
    vfs.mount(littlefs, "/")
    bare_node.install()
    sys.path[:] = ["/", ".frozen"]
    flash.counts[:] = [0, 0, 0]
    flash.opens = 0
    {"start": start, "parts": parts, "append": append}[sys.argv[2]](flash)


if __name__ == "__main__":
    main()
