"""Finds the thermometers on a 1-Wire line of a board over USB, with their temperatures.

The board runs a few lines of MicroPython with its module `onewire`; its firmware does not run
meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idroserra.boards.onewire_rom import FAMILY, crc8
from idroserra.flash.board_link import BoardLink, literal
from idroserra.flash.errors import FlashError

# Defined on the board: _f() returns (level of the idle line, ROM codes), _t(codes) the scratchpads
# after a conversion of all parts at once.
ON_BOARD = """\
import machine,onewire,time
_w=onewire.OneWire(machine.Pin({pin}))
def _f():
 v=_w.pin.value()
 return v,[bytes(r) for r in _w.scan()] if v else []
def _t(roms):
 _w.reset()
 _w.write(b'\\xcc\\x44')
 time.sleep_ms(800)
 s=[]
 for r in roms:
  b=bytearray(9)
  _w.select_rom(r)
  _w.writebyte(0xbe)
  _w.readinto(b)
  s.append(bytes(b))
 return s
"""
FIND, MEASURE = "print(repr(_f()))", "print(repr(_t({roms!r})))"
_POWER_ON_RAW = 0x0550


@dataclass(frozen=True)
class Found:
    """A part on a 1-Wire line, or one that the board expects there without an answer.

    `rom` is its ROM code in hex, "" for an expected part without a code; `temp_c` is None unless
    `answer` is "answers", else it is "damaged", "no conversion", "another kind", "missing", or
    "needs a code" for a part without one on a line with several. `source` is the one that the
    board expects there, or ""."""

    rom: str
    temp_c: float | None
    answer: str
    source: str


def scan(link: BoardLink, board: Mapping[str, Any], name: str) -> list[Found]:
    """Return what is on the line `name` of a compiled board, and what is expected there but
    missing.

    `link` is at its raw prompt. Raises FlashError."""
    link.execute(ON_BOARD.format(pin=board["onewire"][name]["pin"]), "the line was opened")
    is_high, roms = literal(link.port, link.execute(FIND, "the line was searched"))
    if not is_high:
        raise FlashError(f"onewire.{name}: the line is low",
                         "Look for a short, and whether each probe has its supply.")
    output = link.execute(MEASURE.format(roms=roms), "its parts were read")
    sensors = [s for s in board["sensors"] if s.get("bus") == f"onewire.{name}"]
    return matched(roms, literal(link.port, output), sensors)


def matched(
    roms: Sequence[bytes], scratchpads: Sequence[bytes], sensors: Sequence[Mapping[str, Any]]
) -> list[Found]:
    """Return the parts with their places on the board; `sensors` are those of the line."""
    expected = {s["rom"]: s["source"] for s in sensors if "rom" in s}
    alone = [s["source"] for s in sensors if "rom" not in s]  # at most one
    found = []
    for rom, scratchpad in sorted(zip(roms, scratchpads, strict=True)):
        source = expected.pop(rom.hex(), "")
        if len(roms) == 1 and alone:
            source = alone.pop()
        found.append(Found(rom.hex(), *reading(rom, scratchpad), source))
    found += [Found(rom, None, "missing", source) for rom, source in sorted(expected.items())]
    return found + [Found("", None, "needs a code" if roms else "missing", s) for s in alone]


def reading(rom: bytes, scratchpad: bytes) -> tuple[float | None, str]:
    """Return (temperature in C or None, answer) of a part."""
    if crc8(rom) or not any(rom):
        return None, "damaged"
    if rom[0] != FAMILY:
        return None, "another kind"
    if crc8(scratchpad) or not any(scratchpad):
        return None, "damaged"
    raw = int.from_bytes(scratchpad[:2], "little", signed=True)
    return (None, "no conversion") if raw == _POWER_ON_RAW else (raw / 16, "answers")
