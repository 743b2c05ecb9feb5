"""A board that is being put together: a table that may still be wrong, and changes to it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from idroserra.boards import compiler
from idroserra.boards.board_text import Table, encoded, table_of, text_of
from idroserra.boards.chips import CHIPS, unknown_chip
from idroserra.boards.compiler import LoadedBoard
from idroserra.boards.proposal import KEYS_OF_BUS, Proposal
from idroserra.boards.schema import BoardFile, Part, convert
from idroserra.core.errors import BoardError

_ENTRY = re.compile(r"(sensor|adc|expander|actuator)\[(\d+)\]")
FILE = "board"  # in errors of a table whose name is not known


_Name = Annotated[str, Meta(max_length=64)]


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """A change of a draft: sensor, adc and expander add the part `part`, a sensor perhaps only of
    the quantity `name`; output adds `name`, or one of the part `part`; bus adds one of the kind
    `where`; chip sets `name` and moves pins; rewire_sensor and rewire_output put the entry `index`
    on `where`; input adds one to the chip's ADC `index`."""

    op: Literal["sensor", "output", "adc", "expander", "bus", "chip", "rewire_sensor",
                "rewire_output", "input"]
    part: _Name = ""
    name: _Name = ""
    where: _Name = ""
    index: Annotated[int, Meta(ge=0, le=999)] = 0


class CheckedDraft(NamedTuple):
    """A valid board with the text of its file."""

    wired: LoadedBoard
    text: str


def check(table: object, parts: dict[str, Part]) -> CheckedDraft:
    """Return a table as a valid board, checked as `board check` does. Raises BoardError."""
    board = convert(table, BoardFile, FILE)
    file = f"{board.board.name}.toml"
    text = text_of(board)
    return CheckedDraft(compiler.read_data(encoded(text, file), file, parts), text)


def changed(table: object, change: Change, parts: dict[str, Part]) -> Table:
    """Return a changed copy of a table, which need not be a valid board. Raises BoardError."""
    board = convert(table, BoardFile, FILE)
    if board.board.chip not in CHIPS:
        raise BoardError(FILE, "board.chip", unknown_chip(board.board.chip))
    copy = table_of(board)
    _apply(Proposal(copy, parts), copy, change)
    return table_of(convert(copy, BoardFile, FILE))


def part_at(table: object, key: str) -> str:
    """Return the part of the entry that the key of an error names, "" if it has none."""
    found = _ENTRY.match(key)
    try:
        return str(table[found[1]][int(found[2])]["part"]) if found else ""  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return ""


def _apply(proposal: Proposal, table: Table, change: Change) -> None:
    if change.op == "sensor":
        proposal.add_sensor(change.part, quantity=change.name)
    elif change.op == "output":
        proposal.add_output(change.name, change.part)
    elif change.op == "adc":
        proposal.add_converter(change.part)
    elif change.op == "expander":
        proposal.add_expander(change.part)
    elif change.op == "bus":
        proposal.add_bus(_kind_of_bus(change.where))
    elif change.op == "chip":
        if change.name not in CHIPS:
            raise BoardError(FILE, "board.chip", unknown_chip(change.name))
        proposal.set_chip(change.name)
    else:
        _rewire(proposal, table, change)


def _rewire(proposal: Proposal, table: Table, change: Change) -> None:
    section = {"rewire_sensor": "sensor", "rewire_output": "actuator", "input": "adc"}[change.op]
    key = f"{section}[{change.index}]"
    if not 0 <= change.index < len(table.get(section, ())):
        raise BoardError(FILE, key, "there is no such entry")
    if change.op == "rewire_sensor":
        if "." in change.where and change.where not in _buses(table):
            raise BoardError(FILE, f"{key}.bus", f"no bus {change.where:.40} on this board")
        proposal.rewire_sensor(change.index, change.where)
    elif change.op == "rewire_output":
        if change.where and change.where not in [e["name"] for e in table.get("expander", ())]:
            raise BoardError(FILE, f"{key}.expander", f"no expander {change.where:.40}")
        proposal.rewire_output(change.index, change.where)
    else:
        proposal.add_input(change.index)


def _kind_of_bus(kind: str) -> str:
    if kind not in KEYS_OF_BUS:
        why = f"unknown kind of bus {kind:.20}; known: {', '.join(KEYS_OF_BUS)}"
        raise BoardError(FILE, "bus", why)
    return kind


def _buses(table: Table) -> set[str]:
    named: list[dict[str, Any]] = table.get("adc", [])
    return {f"{kind}.{name}" for kind in KEYS_OF_BUS for name in table.get(kind, {})} | {
        f"adc.{adc['name']}" for adc in named}
