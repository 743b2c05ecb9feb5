"""The board of the flashing tests, and a binary laid out like MicroPython's."""

import random
import struct

BOARD = "esp32-classroom"
NVS_ADDRESS, NVS_BYTES = 0x9000, 0x6000


def micropython_bytes(chip: str = "esp32", *, app_bytes: int = 60_000, vfs_bytes: int = 0x200000,
                      machine: str = ""):
    """Return a binary laid out as MicroPython's for `chip`, with a random application.

    `machine` is its sys.implementation._machine."""
    base, number = {"esp32": (0x1000, 0), "esp32s2": (0x1000, 2), "esp32s3": (0, 9)}[chip]
    data = bytearray(b"\xff" * (0x10000 - base))
    data[:16] = struct.pack("<BBBBIBBBBHH", 0xE9, 1, 0, 0x20, 0, 0xEE, 0, 0, 0, number, 0)
    table = [(1, 2, NVS_ADDRESS, NVS_BYTES, b"nvs"), (1, 1, 0xF000, 0x1000, b"phy_init"),
             (0, 0, 0x10000, 0x1F0000, b"factory"), (1, 0x81, 0x200000, vfs_bytes, b"vfs")]
    for line, (kind, sub, address, size, name) in enumerate(table):
        struct.pack_into("<HBBII16sI", data, 0x8000 - base + 32 * line, 0x50AA, kind, sub,
                         address, size, name, 0)
    return bytes(data) + b"\xe9" + random.Random(1).randbytes(app_bytes) + machine.encode()
