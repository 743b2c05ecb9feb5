"""Finds the Modbus probes on an RS485 line of a board over USB: asks every address for a register.

The board runs a few lines of MicroPython with its own UART; its firmware does not run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from idroserra.boards import modbus_map
from idroserra.flash.board_link import BoardLink, literal

AT_ONCE = 16  # addresses in one call, which may not last longer than the link waits
# Defined on the board: _a(frame) returns what came back in 150 ms. The frames come with their CRC.
_ON_BOARD = """\
import machine,time
_u=machine.UART(1,baudrate={baud},parity={parity},tx=machine.Pin({tx_pin}),rx=machine.Pin({rx_pin}),timeout=0)
_d={driver}
def _a(f):
 time.sleep_ms(6)
 _u.read()
 if _d:_d.value(1)
 _u.write(f)
 _u.flush()
 if _d:_d.value(0)
 time.sleep_ms(150)
 r=_u.read() or b''
 return r[len(f):] if r.startswith(f) else r
"""
_ASK = "for f in {frames!r}:print(repr(_a(f)))"


@dataclass(frozen=True)
class Found:
    """What is at an address. `answer`: "answers", "exception N", "damaged" or "silent"; `part` is
    the one that the board expects there, or ""."""

    address: int
    answer: str
    part: str


def scan(
    link: BoardLink, board: Mapping[str, Any], name: str, last: int,
    on_address: Callable[[int], None],
) -> list[Found]:
    """Return what answers on the line `name` of a compiled board, up to address `last`, and what
    the board expects there without an answer.

    `link` is at its raw prompt. Raises FlashError.
    """
    expected = {s["address"]: s for s in board["sensors"] if s.get("bus") == f"rs485.{name}"}
    addresses = sorted({*range(modbus_map.LOWEST_ADDRESS, last + 1), *expected})
    found = []
    link.execute(setup(board["rs485"][name]), "the line was opened")
    for at in range(0, len(addresses), AT_ONCE):
        some = addresses[at:at + AT_ONCE]
        frames = [request(address, expected.get(address)) for address in some]
        output = link.execute(_ASK.format(frames=frames), "its probes were asked")
        for address, frame, answer in zip(some, frames, answers(link, output), strict=True):
            kind = meaning(frame, answer)
            part = expected[address]["part"] if address in expected else ""
            if kind != "silent" or part:
                found.append(Found(address, kind, part))
        on_address(some[-1])
    return found


def setup(line: Mapping[str, Any]) -> str:
    """Return the code that opens a compiled line on the board."""
    driver = f"machine.Pin({line['de_pin']},machine.Pin.OUT,value=0)" if "de_pin" in line else None
    return _ON_BOARD.format(
        baud=line["baud"], parity=line.get("parity"), tx_pin=line["tx_pin"],
        rx_pin=line["rx_pin"], driver=driver)


def request(address: int, sensor: Mapping[str, Any] | None) -> bytes:
    """Return the frame that asks an address: the first read of its sensor, else register 0."""
    function, start, count = sensor["reads"][0][:3] if sensor else (3, 0, 1)
    body = bytes((address, function)) + start.to_bytes(2, "big") + count.to_bytes(2, "big")
    return body + modbus_map.crc(body)


def answers(link: BoardLink, output: str) -> Iterator[bytes]:
    """Yield the bytes that the board printed. Raises FlashError."""
    for line in output.split("\n"):
        if line.strip():
            yield literal(link.port, line)


def meaning(asked: bytes, answer: bytes) -> str:
    """Return what an answer to the frame `asked` means."""
    if not answer:
        return "silent"
    if (len(answer) < 5 or modbus_map.crc(answer[:-2]) != answer[-2:] or answer[0] != asked[0]
            or answer[1] & 0x7F != asked[1]):
        return "damaged"
    return f"exception {answer[2]}" if answer[1] & 0x80 else "answers"
