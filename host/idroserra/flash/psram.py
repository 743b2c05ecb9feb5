"""Refuses a board without PSRAM: by its chip before anything is written, else by its heap.

esptool reads from eFuses what is in the package of the chip. An ESP32-WROVER and some modules with
an ESP32-S2 have their PSRAM beside it: only the heap of a MicroPython that supports it tells.
"""

import re
from collections.abc import Sequence

from idroserra.boards.chips import BUY, CHIPS, WITHOUT_PSRAM
from idroserra.flash.board_link import BoardInfo
from idroserra.flash.errors import FlashError
from idroserra.flash.esptool import Chip
from idroserra.flash.micropython_bin import MicroPythonBinary
from idroserra.i18n.marker import N_

# Of a running node 230 kB, and some for the REPL. Without PSRAM there are about 112 kB.
HEAP_BYTES = 245_000
# Chips whose modules have no PSRAM but that in the package.
_IN_PACKAGE = ("esp32s3",)
_EMBEDDED = "Embedded PSRAM"
_BUY_ANOTHER = N_("This chip cannot run a node: it has no PSRAM. Nothing was written. Buy a board "
                  "with an ESP32-S3 N16R8 or ESP32-WROVER module, or a LOLIN S2 mini.")
_OCTAL = ("octal", "ESP32_GENERIC_S3-SPIRAM_OCT: --micropython VERSION")
# {MB of PSRAM in the package of an ESP32-S3: (its kind, the image for it)}. 4 MB may be either.
_KINDS = {2: ("quad", "ESP32_GENERIC_S3: --micropython VERSION-quad"), 8: _OCTAL, 16: _OCTAL}


def check_chip(port: str, chip: Chip) -> None:
    """Refuse a chip that is not supported. Raises FlashError."""
    if chip.name not in CHIPS:
        why = ": it has no PSRAM" if chip.name in WITHOUT_PSRAM else ""
        raise FlashError(f"{port}: the {chip.described or chip.name} is not supported{why}",
                         f"Nothing was written. To run a node, {BUY}.", _BUY_ANOTHER)


def check_package(port: str, chip: Chip, micropython: MicroPythonBinary) -> None:
    """Refuse a chip whose package lacks PSRAM or has another kind than `micropython` is for.

    Raises FlashError."""
    if chip.name not in _IN_PACKAGE or not chip.features:
        return
    described = chip.described or chip.name
    if _EMBEDDED not in chip.features:
        raise FlashError(f"{port}: the {described} has no PSRAM in its package",
                         f"Nothing was written. To run a node, {BUY}.", _BUY_ANOTHER)
    found = re.search(rf"{_EMBEDDED} (\d+)MB", chip.features)
    size_mb = int(found[1]) if found else 0
    kind, image = _KINDS.get(size_mb, ("", ""))
    if kind and micropython.psram and micropython.psram != kind:
        raise FlashError(
            f"{micropython.path}: is for {micropython.psram} PSRAM, the {described} has "
            f"{size_mb} MB of {kind} PSRAM", f"Nothing was written. Use {image}.",
            N_("Nothing was written: this MicroPython is for another kind of PSRAM than the board "
               "has. Choose the one that is proposed for your board."))


def proposed_release(chip: Chip, versions: Sequence[str]) -> str:
    """Return the newest of `versions` of MicroPython for the PSRAM of a chip, "" for none."""
    found = re.search(rf"{_EMBEDDED} (\d+)MB", chip.features)
    kind, _ = _KINDS.get(int(found[1]) if found else 0, ("", ""))
    return next((one for one in versions if one.endswith("-quad") == (kind == "quad")), "")


def check_heap(port: str, about: BoardInfo) -> None:
    """Refuse a MicroPython whose heap is too small for a node. Raises FlashError."""
    if about.heap_bytes < HEAP_BYTES:
        raise FlashError(
            f"{port}: MicroPython finds no PSRAM: {about.heap_bytes // 1_000} kB of heap are "
            f"free, the node needs {HEAP_BYTES // 1_000} kB",
            "No file was sent. If the module has PSRAM, install the MicroPython for it: "
            "`idroserra flash BOARD --micropython FILE` (docs/flash.md has a table). "
            f"Otherwise {BUY}.",
            N_("MicroPython finds no PSRAM on this board, and no file was sent. Choose the "
               "MicroPython for the PSRAM of your module; if it has none, a node needs another "
               "board."))
