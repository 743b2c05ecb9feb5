"""Run by MicroPython: mounts littlefs on the file sys.argv[1], then runs the other arguments.

The NVS is in nvs.bin beside the file.
"""

import os
import sys

import vfs
import virtual_nvs

_BLOCK_BYTES = 4_096
_COUNT, _SIZE, _ERASE = 4, 5, 6


class File:
    """A block device on a file."""

    def __init__(self, path):
        self._file = open(path, "r+b")  # noqa: SIM115  as long as the board
        self._blocks = self._file.seek(0, 2) // _BLOCK_BYTES

    def readblocks(self, number, buffer, offset=0):
        self._file.seek(number * _BLOCK_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, number, buffer, offset=0):
        self._file.seek(number * _BLOCK_BYTES + offset)
        self._file.write(buffer)
        self._file.flush()

    def ioctl(self, what, _):
        return {_COUNT: self._blocks, _SIZE: _BLOCK_BYTES, _ERASE: 0}.get(what)


class Machine:
    """The parts of `machine` that flashing needs."""

    def WDT(self, timeout):  # noqa: N802  as in MicroPython
        if esp32 is None:
            raise ValueError("timeout exceeds 8388")  # as on an RP2040
        starts.write(f"{timeout}\n")
        starts.flush()

    def reset(self):
        sys.exit(3)

    def __getattr__(self, name):
        """Return what hardware.py on the flash has, such as a UART and what hangs on it."""
        return getattr(__import__("hardware"), name)

    def unique_id(self):
        return b"\x24\x0a\xc4\xe2\x95\x26"


def copy(source, target):
    """Copy every file below one folder into another; "" is the root of the flash."""
    for name, kind, *_ in list(os.ilistdir(source or "/")):
        here, there = source + "/" + name, target + "/" + name
        if here == "/host":
            continue
        if kind & 0x4000:
            if name not in os.listdir(target or "/"):
                os.mkdir(there)
            copy(here, there)
        else:
            with open(here, "rb") as old, open(there, "wb") as new:
                while data := old.read(4_096):
                    new.write(data)


starts = open(sys.argv[1] + ".watchdog", "a")  # noqa: SIM115  as long as the board
device = File(sys.argv[1])
esp32 = virtual_nvs.module(sys.argv[1].rsplit("/", 1)[0])
try:
    flash = vfs.VfsLfs2(device)
except OSError:  # an empty flash, as in the ESP32 port
    vfs.VfsLfs2.mkfs(device)
    flash = vfs.VfsLfs2(device)
vfs.umount("/")
vfs.mount(flash, "/")
os.chdir("/")
sys.path.append("/")  # as on the chip
sys.modules["machine"] = Machine()
if esp32 is not None:
    sys.modules["esp32"] = esp32
for code in sys.argv[2:]:
    exec(code)
