"""Refuses a board without PSRAM: by its chip before anything is written, else by its heap.

esptool reads from eFuses what is in the package of the chip. An ESP32-WROVER and some modules with
an ESP32-S2 have their PSRAM beside it: only the heap of a MicroPython that supports it tells.
"""

from idroserra.boards.chips import BUY, CHIPS
from idroserra.flash.board_link import BoardInfo
from idroserra.flash.errors import FlashError
from idroserra.flash.esptool import Chip

# Of a running node 230 kB, and some for the REPL. Without PSRAM there are about 112 kB.
HEAP_BYTES = 245_000
# Chips whose modules have no PSRAM but that in the package.
_IN_PACKAGE = ("esp32s3",)
_EMBEDDED = "Embedded PSRAM"


def check_chip(port: str, chip: Chip) -> None:
    """Refuse a chip that no module gives PSRAM. Raises FlashError."""
    if chip.name not in CHIPS:
        raise FlashError(
            f"{port}: no node runs on an {chip.described or chip.name}: no module with it has "
            "PSRAM", f"Nothing was written. To run a node, {BUY}.")


def check_package(port: str, chip: Chip) -> None:
    """Refuse a chip that lacks the PSRAM of its package. Raises FlashError."""
    if chip.name in _IN_PACKAGE and chip.features and _EMBEDDED not in chip.features:
        raise FlashError(f"{port}: the {chip.described or chip.name} has no PSRAM in its package",
                         f"Nothing was written. To run a node, {BUY}.")


def check_heap(port: str, about: BoardInfo) -> None:
    """Refuse a MicroPython whose heap is too small for a node. Raises FlashError."""
    if about.heap_bytes < HEAP_BYTES:
        raise FlashError(
            f"{port}: MicroPython finds no PSRAM: {about.heap_bytes // 1_000} kB of heap are "
            f"free, the node needs {HEAP_BYTES // 1_000} kB",
            "No file was sent. If the module has PSRAM, install the MicroPython for it: "
            "`idroserra flash BOARD --micropython FILE` (docs/flash.md has a table). "
            f"Otherwise {BUY}.")
