"""Parses a MicroPython binary: its chip, its partitions, and the parts to write.

ESP-IDF layout: an image starts with 0xE9 and contains a chip id (esp_image_header_t); the
partition table is at 0x8000, in entries of 32 bytes (esp_partition_info_t).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idroserra.flash.errors import FlashError
from idroserra.i18n.marker import N_

# chip: (address of the first byte of the binary, chip id in its header)
CHIPS = {"esp32": (0x1000, 0), "esp32s2": (0x1000, 2), "esp32s3": (0x0, 9)}
_MAGIC = 0xE9
_TABLE_ADDRESS = 0x8000
_TABLE_BYTES = 0xC00
_ENTRY = struct.Struct("<HBBII16sI")
_ENTRY_MAGIC = 0x50AA
_DATA, _NVS = 1, 2
# In sys.implementation._machine of the stock images for an ESP32-S3, by their kind of PSRAM.
_PSRAM = {"octal": b"with Octal-SPIRAM", "quad": b"Generic ESP32S3 module with ESP32S3"}
_CHOOSE = N_("This is not a file of MicroPython for such a board: choose the .bin from "
             "micropython.org/download, not .uf2, .elf or .app-bin.")
_USE_BIN = "Use the .bin from micropython.org/download, not .uf2, .elf or .app-bin."


@dataclass(frozen=True)
class Partition:
    """An entry of the partition table."""

    name: str
    address: int
    size_bytes: int
    is_nvs: bool


@dataclass(frozen=True)
class MicroPythonBinary:
    """A valid MicroPython binary for `chip`, with (address, bytes) of each part to write."""

    path: Path
    chip: str
    parts: tuple[tuple[int, bytes], ...]
    flash_bytes: int  # the flash its partitions need
    psram: str  # "octal" or "quad", or "" if it does not say

    @property
    def size_bytes(self) -> int:
        """The number of bytes to write."""
        return sum(len(content) for _, content in self.parts)


def read_binary(path: Path, chip: str) -> MicroPythonBinary:
    """Return the binary in `path`. Raises FlashError if it is invalid or not for `chip`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = f"{path}: cannot be read ({error.strerror})"
        raise FlashError(why, "Check the path.", _CHOOSE) from error
    base, number = CHIPS[chip]
    if len(data) < _TABLE_ADDRESS or data[0] != _MAGIC:
        raise FlashError(
            f"{path}: not a MicroPython binary for an ESP32 (first bytes: "
            f"{data[:4].hex(' ') or 'none'})", _USE_BIN, _CHOOSE)
    its_number = int.from_bytes(data[12:14], "little")
    if its_number != number:
        names = {chip_number: name for name, (_, chip_number) in CHIPS.items()}
        its = names.get(its_number, f"chip number {its_number}")
        raise FlashError(f"{path}: is for {its}, the board file says {chip}",
                         "Use the binary for the board's chip, or a board file for that chip.",
                         N_("This file of MicroPython is for another chip: choose the one for the "
                            "chip of your board."))
    table = list(partitions(data, base))
    if not table:
        raise FlashError(f"{path}: no partition table at {_TABLE_ADDRESS:#x}", _USE_BIN, _CHOOSE)
    needs_bytes = max(p.address + p.size_bytes for p in table)
    psram = next((kind for kind, text in _PSRAM.items() if text in data), "")
    return MicroPythonBinary(
        path, chip, tuple(_without_nvs(data, base, table)), needs_bytes, psram)


def partitions(data: bytes, base: int) -> Iterator[Partition]:
    """Yield the partitions of a binary whose first byte belongs at `base`."""
    start = _TABLE_ADDRESS - base
    for at in range(start, min(start + _TABLE_BYTES, len(data) - _ENTRY.size + 1), _ENTRY.size):
        magic, kind, sub, address, size_bytes, name, _ = _ENTRY.unpack_from(data, at)
        if magic != _ENTRY_MAGIC:
            return
        yield Partition(name.rstrip(b"\0").decode("ascii", "replace"), address, size_bytes,
                        (kind, sub) == (_DATA, _NVS))


def _without_nvs(data: bytes, base: int, table: list[Partition]) -> Iterator[tuple[int, bytes]]:
    """Yield the parts to write: all except NVS, which stores Wi-Fi settings and the node's key.

    The binary has only 0xFF there, which would erase NVS.
    """
    gaps = sorted((p.address, p.address + p.size_bytes) for p in table if p.is_nvs)
    at = base
    end = base + len(data)
    for low, high in gaps:
        inside = data[max(0, low - base):max(0, high - base)]
        if low >= end or inside.strip(b"\xff"):
            continue
        if low > at:
            yield at, data[at - base:low - base]
        at = high
    if at < end:
        yield at, data[at - base:]
