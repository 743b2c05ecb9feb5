"""ROM codes of 1-Wire parts in a board file: 64 bits in hex, the family first, the CRC last.

A line with one part needs none; parts that share a line are addressed by them (Maxim 19-7487 rev
6, figure 5; CRC-8 of application note 27).
"""

import re
from collections.abc import Mapping, Sequence

from idroserra.boards.schema import Part, Sensor
from idroserra.core.errors import BoardError

FAMILY = 0x28  # DS18B20
_FORM = re.compile(r"[0-9a-fA-F]{16}")
_SCAN = "`idroserra board scan` prints the codes of a line"


def check(file: str, sensors: Sequence[Sensor], parts: Mapping[str, Part]) -> None:
    """Check the ROM codes of a board: form, CRC, and that parts on one line have one each.

    Raises BoardError."""
    seen: dict[str, str] = {}  # code: key of its sensor
    alone: dict[str, str] = {}  # line: key of the sensor on it that has no code
    lines: dict[str, str] = {}  # line: key of the first sensor on it
    for index, sensor in enumerate(sensors):
        key = f"sensor[{index}]"
        part = parts.get(sensor.part)
        if part is None or "onewire" not in part.buses:
            if sensor.rom is not None:
                raise BoardError(file, f"{key}.rom", f"{sensor.part} has none: remove it")
            continue
        if sensor.rom is not None:
            why = refusal(sensor.rom)
            if why is None and sensor.rom.lower() in seen:
                why = f"{seen[sensor.rom.lower()]} has this code, which is of one part only"
            if why is not None:
                raise BoardError(file, f"{key}.rom", f"{why}; {_SCAN}")
            seen[sensor.rom.lower()] = key
        line = sensor.bus
        if line is None:
            continue
        if line in lines and (sensor.rom is None or line in alone):
            lacking, other = (key, lines[line]) if sensor.rom is None else (alone[line], key)
            why = f"missing: {other} is on {line} too, so each needs its ROM code; {_SCAN}"
            raise BoardError(file, f"{lacking}.rom", why)
        lines.setdefault(line, key)
        if sensor.rom is None:
            alone[line] = key


def refusal(rom: str) -> str | None:
    """Return why `rom` is not the ROM code of a DS18B20, or None."""
    digits = rom.removeprefix("0x")
    if _FORM.fullmatch(digits) is None:
        return f"{rom!r:.40} is not 16 hex digits, the family 28 first"
    data = bytes.fromhex(digits)
    if is_code(data) and digits == rom:
        return None
    for other in (data, data[::-1]):
        if is_code(other):
            return f"{rom} is written in another order: write {other.hex()}"
    if data[0] != FAMILY:
        return f"{rom} is of the family {data[0]:02x}, a DS18B20 has {FAMILY:02x}"
    return f"{rom} has a wrong digit: its CRC does not fit, read it again"


def is_code(data: bytes) -> bool:
    """Return whether eight bytes are the ROM code of a DS18B20."""
    return data[0] == FAMILY and crc8(data) == 0


def crc8(data: bytes) -> int:
    """Return the 1-Wire CRC: x^8 + x^5 + x^4 + 1, lowest bit first; 0 if the last byte is it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc
