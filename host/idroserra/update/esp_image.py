"""Reads an application as ESP-IDF builds it (esp_app_format.h): is it whole, for which chip."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path

from idroserra.update.errors import BadRelease

CHIP_IDS = {"esp32": 0x0000, "esp32c3": 0x0005, "esp32s3": 0x0009}
_MAGIC, _CHECKSUM_SEED = 0xE9, 0xEF
_HEAD_BYTES, _SEGMENT_HEAD_BYTES = 24, 8
_DESCRIPTION_MAGIC = 0xABCD5432  # esp_app_desc_t, which begins the first segment
_DESCRIPTION_AT = _HEAD_BYTES + _SEGMENT_HEAD_BYTES
_PROJECT = "micropython"


@dataclass(frozen=True)
class Application:
    """What an application says of itself: the versions of MicroPython and of ESP-IDF."""

    version: str
    idf_version: str


def read(name: str, data: bytes, chip: str, room_bytes: int) -> Application:
    """Return what the application in `data` says, which was read from the file `name`.

    Raises BadRelease that says why it is none for this chip and room."""
    if len(data) < _DESCRIPTION_AT + 176 or data[0] != _MAGIC:
        raise BadRelease(f"{name}: is no application of ESP-IDF")
    magic, = struct.unpack_from("<I", data, _DESCRIPTION_AT)
    if magic != _DESCRIPTION_MAGIC:
        raise BadRelease(f"{name}: does not begin with an application: firmware.bin holds the "
                         "bootloader too, take micropython.bin beside it")
    chip_id, = struct.unpack_from("<H", data, 12)
    if chip_id != CHIP_IDS[chip]:
        found = next((one for one, number in CHIP_IDS.items() if number == chip_id),
                     f"chip {chip_id}")
        raise BadRelease(f"{name}: is for {found}, the board has {chip}")
    if len(data) > room_bytes:
        raise BadRelease(f"{name}: {len(data)} bytes, the board's slots have {room_bytes}")
    if _whole_bytes(data) != len(data):
        raise BadRelease(f"{name}: is cut short or damaged")
    version, project = _text(data, 16), _text(data, 48)
    if project != _PROJECT:
        raise BadRelease(f"{name}: is {project or 'of no name'}, not {_PROJECT}")
    return Application(version, _text(data, 112))


def load(path: Path) -> bytes:
    """Return the bytes of a file. Raises BadRelease."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRelease(f"{path}: {error.strerror or error}") from None


def _whole_bytes(data: bytes) -> int:
    """Return how long the image is, by its segments; 0 where checksum or hash do not hold."""
    at, checksum = _HEAD_BYTES, _CHECKSUM_SEED
    for _ in range(data[1]):
        if at + _SEGMENT_HEAD_BYTES > len(data):
            return 0
        size, = struct.unpack_from("<I", data, at + 4)
        at += _SEGMENT_HEAD_BYTES + size
        if at > len(data):
            return 0
        checksum = reduce(xor, data[at - size:at], checksum)
    at = at // 16 * 16 + 16
    if at > len(data) or data[at - 1] != checksum or data[_HEAD_BYTES - 1] != 1:
        return 0
    return at + 32 if hashlib.sha256(data[:at]).digest() == data[at:at + 32] else 0


def _text(data: bytes, offset: int) -> str:
    start = _DESCRIPTION_AT + offset
    return data[start:start + 32].split(b"\0")[0].decode("ascii", "replace")
