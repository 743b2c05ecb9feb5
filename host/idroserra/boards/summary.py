"""Says what a board measures and switches, what to mind, its wires and what to buy for it.

`idroserra board` prints it, the page shows it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from idroserra.boards import netlist, power_budget
from idroserra.boards import warnings as board_warnings
from idroserra.boards.compiler import Board, LoadedBoard
from idroserra.boards.devkits import DEVKITS
from idroserra.boards.netlist import Wire
from idroserra.boards.schema import BoardFile

# What an RS485 line needs that is not a part.
_TRANSCEIVER = "RS485 transceiver for 3.3 V, such as MAX3485"


class Purchase(NamedTuple):
    """One line of the shopping list; `text` says what it is, "" if the name does."""

    pieces: int
    name: str
    text: str


class Shopping(NamedTuple):
    """What to buy for a board: `components` are resistors and what else is fitted to wires."""

    parts: list[Purchase]
    components: list[Purchase]


def summary_of(board: Board) -> dict[str, Any]:
    """Return name, chip, channels and outputs of a compiled board."""
    return {
        "name": board["name"], "chip": board["chip"],
        "channels": [f"{s['source']}.{q}" for s in board["sensors"] for q in s["measures"]],
        "outputs": [actuator["name"] for actuator in board["actuators"]]}


def warnings_of(wired: LoadedBoard) -> list[str]:
    """Return what to mind about a valid board, a sentence each."""
    return (board_warnings.warnings(wired.compiled) + power_budget.warnings(wired.file)
            + board_warnings.to_set(wired.file, wired.parts))


def wires_of(wired: LoadedBoard) -> list[tuple[str, Wire]]:
    """Return (place, Wire) of every connection: pins, inputs of ADCs, outputs of expanders."""
    return [*((f"GPIO{pin}", wire)
              for pin, wire in sorted(netlist.wires(wired.file, wired.parts).items())),
            *netlist.adc_inputs(wired.file, wired.parts), *netlist.expander_outputs(wired.file)]


def wiring_lines(wired: LoadedBoard) -> list[str]:
    """Return the wiring of a board, one line a wire."""
    lines = []
    for where, wire in wires_of(wired):
        details = "; ".join([wire.title, *wire.details])
        lines.append(f"{where:<12}{details}" + (f"; fit {wire.fit}" if wire.fit else ""))
    return lines


def shopping_of(wired: LoadedBoard) -> Shopping:
    """Return what to buy for a valid board."""
    kit = DEVKITS[wired.file.board.chip]
    bought = [Purchase(1, kit.name, kit.module)]
    for name, count in Counter(_parts(wired.file)).items():
        part = wired.parts[name]
        if "chip" not in part.buses:
            bought.append(Purchase(count, name, part.text))
    lines = len(wired.file.rs485)
    if lines:
        bought.append(Purchase(lines, _TRANSCEIVER, ""))
    fits = Counter(wire.fit for _, wire in wires_of(wired) if wire.fit)
    return Shopping(bought, [Purchase(count, fit, "") for fit, count in fits.items()])


def _parts(board: BoardFile) -> list[str]:
    return [entry.part for entries in (board.sensor, board.adc, board.expander, board.actuator)
            for entry in entries]
