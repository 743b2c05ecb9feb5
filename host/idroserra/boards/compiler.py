"""Boards: load a TOML file, check its wiring, compile it to the dict the firmware is given.

What comes out is plain data (numbers, text, lists, dicts) and is safe by itself: no pin does two
jobs, no actuator hangs on a pin that moves by itself during reset, every output has a longest
run and a safe level. What is refused is refused with one BoardError that names the file, the
key and what to do instead.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idroserra.boards import power_budget, warnings
from idroserra.boards.chips import CHIPS
from idroserra.boards.schema import MAX_VOLUME_L, MIN_VOLUME_L, BoardFile, Part, parse
from idroserra.boards.validator import BoardValidator
from idroserra.core.errors import BoardError
from idroserra.core.paths import CHECKOUT, DATA

Board = dict[str, Any]

PARTS_FILE = "parts.toml"


@dataclass(frozen=True)
class LoadedBoard:
    """A board that compiles: what its file says, the parts there are, what the firmware gets."""

    file: BoardFile
    parts: dict[str, Part]
    compiled: Board


def boards_dir() -> Path:
    """Return the folder of the boards: in the checkout, or in the installed wheel."""
    checkout = CHECKOUT / "boards"
    return checkout if checkout.is_dir() else DATA / "boards"


def names() -> list[str]:
    """Return the names of all boards."""
    return sorted(p.stem for p in boards_dir().glob("*.toml") if p.name != PARTS_FILE)


def load(name: str) -> Board:
    """Return the compiled board `name`. Raises BoardError."""
    return load_file(_path_of_name(name))


def path_of(board: str) -> Path:
    """Return the file of a board by its name, or by its path where it ends in .toml.

    Raises BoardError for a name that is no board's.
    """
    return Path(board) if board.endswith(".toml") else _path_of_name(board)


def _path_of_name(name: str) -> Path:
    if name not in names():
        why = f"no such board; there are: {', '.join(names())}"
        raise BoardError(f"{name}.toml", "", why)
    return boards_dir() / f"{name}.toml"


def load_file(path: Path) -> Board:
    """Return the compiled board in `path`, which may lie anywhere. Raises BoardError."""
    return read(path).compiled


def read(path: Path) -> LoadedBoard:
    """Return the board in `path`, which may lie anywhere, with its parts. Raises BoardError."""
    try:
        data = path.read_bytes()
        parts_data = (boards_dir() / PARTS_FILE).read_bytes()
    except OSError as error:
        why = f"cannot be read ({error.strerror}): check the path"
        raise BoardError(str(error.filename), "", why) from error
    parts = read_parts(parts_data)
    compiled = compile_board(data, path.name, parts)
    return LoadedBoard(parse(data, BoardFile, path.name), parts, compiled)


def read_parts(data: bytes, file: str = PARTS_FILE) -> dict[str, Part]:
    """Return the parts in `data` by name. Raises BoardError."""
    return parse(data, dict[str, Part], file)


def compile_board(data: bytes, file: str, parts: dict[str, Part]) -> Board:
    """Return the compiled board in `data`. `file` names it in errors. Raises BoardError."""
    board = parse(data, BoardFile, file)
    if board.board.chip not in CHIPS:
        raise BoardError(file, "board.chip", f"unknown chip; known: {', '.join(CHIPS)}")
    if file != f"{board.board.name}.toml":
        raise BoardError(file, "board.name", f"must be the file's name, {Path(file).stem}")
    wiring = BoardValidator(file, CHIPS[board.board.chip], parts)
    compiled = {
        "name": board.board.name,
        "chip": board.board.chip,
        "volume_l": _volume_l(file, board.reservoir.volume_l),
        "i2c": {name: wiring.i2c(name, bus) for name, bus in board.i2c.items()},
        "onewire": {name: wiring.onewire(name, bus.pin) for name, bus in board.onewire.items()},
        "uart": {name: wiring.uart(name, bus) for name, bus in board.uart.items()},
        "adcs": [wiring.adc(f"adc[{i}]", adc) for i, adc in enumerate(board.adc)],
        "expanders": [wiring.expander(f"expander[{i}]", e) for i, e in enumerate(board.expander)],
        "sensors": [wiring.sensor(f"sensor[{i}]", s) for i, s in enumerate(board.sensor)],
        "actuators": [wiring.actuator(f"actuator[{i}]", a) for i, a in enumerate(board.actuator)],
    }
    compiled["button"] = None if board.button is None else wiring.button(board.button.pin)
    wiring.check_whole()
    warnings.check(file, compiled)
    power_budget.check(file, board, parts)
    return compiled


def _volume_l(file: str, volume_l: int) -> int:
    """Return the litres the board's ceilings of acid and base go by. Raises BoardError."""
    if not MIN_VOLUME_L <= volume_l <= MAX_VOLUME_L:
        why = (
            f"{volume_l} is outside {MIN_VOLUME_L}..{MAX_VOLUME_L}: state the litres of a full "
            "reservoir, the ceilings of acid and base go by them"
        )
        raise BoardError(file, "reservoir.volume_l", why)
    return volume_l
