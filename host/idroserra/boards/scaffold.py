"""Makes a board file of the answers of `idroserra board new`.

The file is compiled before it is returned, so it passes `board check`.
"""

import re
from typing import Any

import msgspec

from idroserra.boards import compiler, netlist
from idroserra.boards.board_text import text_of
from idroserra.boards.chips import CHIPS, unknown_chip
from idroserra.boards.proposal import OUTPUTS, Proposal, blank_table, check_name
from idroserra.boards.schema import DEFAULT_VOLUME_L, BoardFile, Part, convert, parse
from idroserra.core.errors import BoardError

_SENSOR = re.compile(r"(?P<part>\w+)(?:\.(?P<quantity>\w+))?(?::(?P<source>\w+))?"
                     r"(?:@(?P<address>0x[0-9a-f]+|\d+))?")
_OUTPUT = re.compile(r"(?P<name>\w+)(?:@(?P<pin>\d+))?")


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The input: sensors as `part.quantity:source@address`, outputs as `name@pin`.

    Quantity, source, address and pin are optional.
    """

    chip: str
    volume_l: int = DEFAULT_VOLUME_L
    sensors: list[str] = []
    outputs: list[str] = []
    button: bool = True
    loads_ma: int = 5_000


def board_text(name: str, answers: Answers, parts: dict[str, Part]) -> str:
    """Return a valid board file for `answers`. Raises BoardError if there is none."""
    file = f"{name}.toml"
    check_name(name)
    if answers.chip not in CHIPS:
        raise BoardError(file, "board.chip", unknown_chip(answers.chip))
    table = blank_table(name, answers.chip, answers.volume_l, answers.loads_ma)
    if not answers.button:
        del table["button"]
    outputs = [_output_of(file, index, text) for index, text in enumerate(answers.outputs)]
    proposal = Proposal(table, parts, [pin for _, pin in outputs if pin is not None])
    for index, text in enumerate(answers.sensors):
        proposal.add_sensor(**_sensor_of(file, index, text, parts))
    for output, pin in outputs:
        proposal.add_output(output, pin=pin)
    text = text_of(convert(table, BoardFile, file))
    compiler.compile_board(text.encode(), file, parts)
    return text


def free_pins(name: str, text: str, parts: dict[str, Part]) -> list[int]:
    """Return the free pins for outputs of a valid board."""
    board = parse(text.encode(), BoardFile, f"{name}.toml")
    return CHIPS[board.board.chip].free_outputs(frozenset(netlist.wires(board, parts)))


def _output_of(file: str, index: int, text: str) -> tuple[str, int | None]:
    found = _OUTPUT.fullmatch(text)
    if found is None or found["name"] not in OUTPUTS:
        why = f"{text!r:.40} is not name or name@pin; known names: {', '.join(OUTPUTS)}"
        raise BoardError(file, f"actuator[{index}].name", why)
    return found["name"], int(found["pin"]) if found["pin"] else None


def _sensor_of(file: str, index: int, text: str, parts: dict[str, Part]) -> dict[str, Any]:
    """Return the arguments of Proposal.add_sensor()."""
    known = [name for name, part in parts.items() if part.kind == "sensor"]
    found = _SENSOR.fullmatch(text)
    if found is None or found["part"] not in known:
        why = f"{text!r:.40} is not part, part.quantity, part:source or part@address; known " \
              f"parts: {', '.join(known)}"
        raise BoardError(file, f"sensor[{index}].part", why)
    part = parts[found["part"]]
    if found["quantity"] not in (None, *part.measures):
        why = f"{found['part']} measures {', '.join(part.measures)}, not {found['quantity']}"
        raise BoardError(file, f"sensor[{index}].measures", why)
    address = int(found["address"], 0) if found["address"] else None
    return {"name": found["part"], "source": found["source"] or "", "address": address,
            "quantity": found["quantity"] or ""}
