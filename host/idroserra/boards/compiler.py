"""Compiles a board file (TOML) to the dict in the firmware image.

The result is plain data (numbers, text, lists, dicts). Every board that compiles is safe: no pin
is used twice, no actuator is on a pin that changes during reset, every output has a maximum run
and a safe level. An invalid board raises one BoardError with the file, the key and the remedy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idroserra.boards import kept, modbus_map, onewire_rom, power_budget, probe_pair, warnings
from idroserra.boards.chips import CHIPS, unknown_chip
from idroserra.boards.proposal import check_name
from idroserra.boards.schema import (
    DEFAULT_VOLUME_L,
    MAX_VOLUME_L,
    MIN_VOLUME_L,
    BoardFile,
    Part,
    parse,
)
from idroserra.boards.validator import BoardValidator
from idroserra.core.errors import BoardError
from idroserra.core.paths import CHECKOUT, DATA

Board = dict[str, Any]

PARTS_FILE = "parts.toml"


@dataclass(frozen=True)
class LoadedBoard:
    """A board: its file, the known parts, and the compiled dict for the firmware."""

    file: BoardFile
    parts: dict[str, Part]
    compiled: Board


def boards_dir() -> Path:
    """Return the folder of the board files in the checkout or in the installed wheel."""
    checkout = CHECKOUT / "boards"
    return checkout if checkout.is_dir() else DATA / "boards"


def names() -> list[str]:
    """Return the names of the shipped boards."""
    return names_in(boards_dir())


def all_names() -> list[str]:
    """Return the names of the shipped boards and of those that this host keeps."""
    return sorted({*names(), *names_in(kept.folder())})


def names_in(folder: Path) -> list[str]:
    """Return the names of the boards in a folder, [] without it."""
    return sorted(p.stem for p in folder.glob("*.toml") if p.name != PARTS_FILE)


def load(name: str) -> Board:
    """Return the compiled board `name`. Raises BoardError."""
    return load_file(_path_of_name(name))


def path_of(board: str) -> Path:
    """Return the path of a board by its name, or `board` itself if it ends in .toml.

    Raises BoardError for an unknown name.
    """
    return Path(board) if board.endswith(".toml") else _path_of_name(board)


def _path_of_name(name: str) -> Path:
    """Return the path of a board. A kept one hides a shipped one, which a later version brought.

    Raises BoardError."""
    for folder in (kept.folder(), boards_dir()):
        if name in names_in(folder):
            return folder / f"{name}.toml"
    raise BoardError(f"{name}.toml", "", f"no such board; known: {', '.join(all_names())}")


def load_file(path: Path) -> Board:
    """Return the compiled board in the file `path`. Raises BoardError."""
    return read(path).compiled


def read(path: Path) -> LoadedBoard:
    """Return the board in the file `path` with the known parts. Raises BoardError."""
    parts = known_parts(path.parent)
    return read_data(_bytes_of(path), path.name, parts)


def read_data(data: bytes, file: str, parts: dict[str, Part]) -> LoadedBoard:
    """Return the board in `data`; `file` is its name in errors. Raises BoardError."""
    compiled = compile_board(data, file, parts)
    return LoadedBoard(parse(data, BoardFile, file), parts, compiled)


def known_parts(folder: Path) -> dict[str, Part]:
    """Return the parts of a board in `folder`: the shipped ones and the Modbus probes beside it.

    Raises BoardError."""
    shipped = read_parts(_bytes_of(boards_dir() / PARTS_FILE))
    return modbus_map.read_beside(folder / modbus_map.FOLDER, shipped)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"cannot be read ({error.strerror}): check the path"
        raise BoardError(str(error.filename), "", why) from error


def read_parts(data: bytes, file: str = PARTS_FILE) -> dict[str, Part]:
    """Return the parts in `data` and the Modbus probes by name. Raises BoardError."""
    return parse(data, dict[str, Part], file) | modbus_map.read_folder(
        boards_dir() / modbus_map.FOLDER)


def compile_board(data: bytes, file: str, parts: dict[str, Part]) -> Board:
    """Return the compiled board in `data`; `file` is its name in errors. Raises BoardError."""
    board = parse(data, BoardFile, file)
    if board.board.chip not in CHIPS:
        raise BoardError(file, "board.chip", unknown_chip(board.board.chip))
    if file != f"{board.board.name}.toml":
        raise BoardError(file, "board.name", f"must be the file's name, {Path(file).stem}")
    check_name(board.board.name)
    onewire_rom.check(file, board.sensor, parts)
    probe_pair.check(file, board.sensor)
    check = BoardValidator(file, CHIPS[board.board.chip], parts)
    compiled = {
        "name": board.board.name, "chip": board.board.chip,
        "volume_l": _volume_l(file, board),
        "i2c": {name: check.i2c(name, bus) for name, bus in board.i2c.items()},
        "onewire": {name: check.onewire(name, bus.pin) for name, bus in board.onewire.items()},
        "uart": {name: check.uart(name, bus) for name, bus in board.uart.items()},
        "rs485": {name: check.rs485(name, line) for name, line in board.rs485.items()},
        "adcs": [check.adc(f"adc[{i}]", adc) for i, adc in enumerate(board.adc)],
        "expanders": [check.expander(f"expander[{i}]", e) for i, e in enumerate(board.expander)],
        "sensors": [check.sensor(f"sensor[{i}]", s) for i, s in enumerate(board.sensor)],
        "actuators": [check.actuator(f"actuator[{i}]", a) for i, a in enumerate(board.actuator)]}
    compiled["button"] = None if board.button is None else check.button(board.button.pin)
    check.check_whole()
    warnings.check(file, compiled, parts)
    power_budget.check(file, board, parts)
    return compiled


def _volume_l(file: str, board: BoardFile) -> int:
    """Return the reservoir's litres, on which the dose limits depend. Raises BoardError."""
    volume_l = DEFAULT_VOLUME_L if board.reservoir is None else board.reservoir.volume_l
    if not MIN_VOLUME_L <= volume_l <= MAX_VOLUME_L:
        why = (f"{volume_l} is outside {MIN_VOLUME_L}..{MAX_VOLUME_L}: set the litres of a full "
               "reservoir; the limits of acid and base depend on them")
        raise BoardError(file, "reservoir.volume_l", why)
    return volume_l
