"""`idroserra board new`: create a board file from options or prompts; print the wiring."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from idroserra.boards import compiler
from idroserra.boards.chips import CHIPS, unknown_chip
from idroserra.boards.power_budget import MAX_MA
from idroserra.boards.proposal import OUTPUTS, check_name
from idroserra.boards.scaffold import Answers, board_text, free_pins
from idroserra.boards.schema import DEFAULT_VOLUME_L, MAX_VOLUME_L, MIN_VOLUME_L, Part, parse
from idroserra.boards.summary import wiring_lines
from idroserra.core.errors import BoardError, HostError

_KEYS = "keys: chip, volume_l, sensors, outputs, button, loads_ma"
_SENSORS = "Sensor, as part, part.quantity or part:source@address; Enter when done"
_OUTPUTS = "Output, as name or name@pin; Enter when done"


def new(
    name: Annotated[str, typer.Argument(help="Name of the board and of its file.")],
    chip: Annotated[str | None, typer.Option(help="esp32, esp32s2 or esp32s3.")] = None,
    volume_l: Annotated[int, typer.Option(help="Volume of the full tank, L.")] = DEFAULT_VOLUME_L,
    sensor: Annotated[
        list[str] | None,
        typer.Option(help="part, part.quantity, part:source or part@address; repeatable."),
    ] = None,
    output: Annotated[list[str] | None, typer.Option(help="name or name@pin; repeatable.")] = None,
    *,
    button: Annotated[bool, typer.Option(help="Use the BOOT button.")] = True,
    loads_ma: Annotated[int, typer.Option(help="Rated current of the load supply, mA.")] = 5_000,
    answers: Annotated[Path | None, typer.Option(help="TOML file with all answers.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the file; default: the boards folder.")] = None,
) -> None:
    """Create and validate a board file, and print the wiring.

    Without --chip and --answers, prompts for each value.
    """
    target = (out or compiler.boards_dir()) / f"{name}.toml"
    parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    _check_target(target, name)
    if answers is not None:
        wanted = read_answers(answers)
    elif chip is not None:
        wanted = Answers(chip, volume_l, sensor or [], output or [], button, loads_ma)
    else:
        wanted = prompt_answers(name, parts)
    text = board_text(name, wanted, parts)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be written ({error.strerror})") from error
    wired = compiler.read(target)
    typer.echo(f"{target}: valid. Wiring:")
    for line in wiring_lines(wired):
        typer.echo(f"  {line}")
    typer.echo(f"To draw it: idroserra board pinout {name if out is None else target}")


def read_answers(path: Path) -> Answers:
    """Return the answers in a TOML file. Raises BoardError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BoardError(path.name, "", f"cannot be read ({error.strerror})") from error
    return parse(data, Answers, path.name, {"": Answers}, _KEYS)


def prompt_answers(name: str, parts: dict[str, Part]) -> Answers:
    """Prompt for all answers; invalid ones are prompted for again."""
    chip = _prompt_chip()
    litres = _prompt_number("Full tank, L", DEFAULT_VOLUME_L, MIN_VOLUME_L, MAX_VOLUME_L)
    button = typer.confirm("Use the BOOT button?", default=True)
    loads_ma = _prompt_number("Supply of pumps and valves, rated mA", 5_000, 0, MAX_MA)
    known = ", ".join(part for part, entry in parts.items() if entry.kind == "sensor")
    typer.echo(f"Parts: {known}")
    sensors: list[str] = []
    outputs: list[str] = []

    def answers() -> Answers:
        return Answers(chip, litres, sensors, outputs, button, loads_ma)

    while not sensors:
        _prompt_list(_SENSORS, sensors, lambda: board_text(name, answers(), parts))
    text = board_text(name, answers(), parts)
    typer.echo(f"Outputs: {', '.join(OUTPUTS)}")
    pins = ", ".join(map(str, free_pins(name, text, parts)))
    typer.echo(f"Free and safe pins: {pins}")
    _prompt_list(_OUTPUTS, outputs, lambda: board_text(name, answers(), parts))
    return answers()


def _check_target(target: Path, name: str) -> None:
    """Raise BoardError if the name is invalid or taken."""
    check_name(name)
    if target.exists():
        raise BoardError(target.name, "", "already exists: choose another name, or remove it")


def _prompt_chip() -> str:
    while True:
        chip: str = typer.prompt(f"Chip ({', '.join(CHIPS)})", "esp32s3")
        if chip in CHIPS:
            return chip
        typer.echo(f"  {unknown_chip(chip)}")


def _prompt_number(question: str, default: int, low: int, high: int) -> int:
    while True:
        number: int = typer.prompt(question, default, type=int)
        if low <= number <= high:
            return number
        typer.echo(f"  {number}: outside {low} to {high}")


def _prompt_list(question: str, found: list[str], check: Callable[[], str]) -> None:
    """Prompt for items one by one; the board must compile after each."""
    while answer := typer.prompt(question, "", show_default=False).strip():
        found.append(answer)
        try:
            check()
        except BoardError as error:
            found.pop()
            typer.echo(f"  {error.key}: {error.why}")
