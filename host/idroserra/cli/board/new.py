"""`idroserra board new`: a board file from answers, asked for or given; says what to wire."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from idroserra.boards import compiler, netlist, scaffold
from idroserra.boards.chips import CHIPS
from idroserra.boards.power_budget import MAX_MA
from idroserra.boards.scaffold import Answers
from idroserra.boards.schema import DEFAULT_VOLUME_L, MAX_VOLUME_L, MIN_VOLUME_L, Part
from idroserra.core.errors import BoardError

_SENSORS = "Sensor, as part or part:source@address; nothing when that is all"
_OUTPUTS = "Output, as name or name@pin; nothing when that is all"


def new(
    name: Annotated[str, typer.Argument(help="Name of the board and of its file.")],
    chip: Annotated[str | None, typer.Option(help="esp32, esp32s3 or esp32c3.")] = None,
    volume_l: Annotated[int, typer.Option(help="Litres of a full tank.")] = DEFAULT_VOLUME_L,
    sensor: Annotated[
        list[str] | None, typer.Option(help="part, part:source or part@address; repeat.")
    ] = None,
    output: Annotated[list[str] | None, typer.Option(help="name or name@pin; repeat.")] = None,
    *,
    button: Annotated[bool, typer.Option(help="The one marked BOOT is used.")] = True,
    loads_ma: Annotated[int, typer.Option(help="What the supply of the loads gives.")] = 5_000,
    answers: Annotated[
        Path | None, typer.Option(help="A TOML file with all answers instead.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the file; among the boards otherwise.")
    ] = None,
) -> None:
    """Make a board file from answers, check it, and say what to wire.

    Without --chip and --answers it asks.
    """
    target = (out or compiler.boards_dir()) / f"{name}.toml"
    try:
        parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
        _check_target(target, name)
        if answers is not None:
            wanted = read_answers(answers)
        elif chip is not None:
            wanted = Answers(chip, volume_l, sensor or [], output or [], button, loads_ma)
        else:
            wanted = ask(name, parts)
        target.write_text(scaffold.board_text(name, wanted, parts), encoding="utf-8")
        wired = compiler.read(target)
    except BoardError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"{error.filename}: cannot be written ({error.strerror})", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{target}: good. What to wire:")
    for line in what_to_wire(wired):
        typer.echo(f"  {line}")
    typer.echo(f"idroserra board pinout {name if out is None else target} draws it.")


def read_answers(path: Path) -> Answers:
    """Return the answers in a TOML file. Raises BoardError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Answers)
    except (OSError, ValueError) as error:
        why = f"{error}: chip, volume_l, sensors, outputs, button and loads_ma may stand there"
        raise BoardError(path.name, "", why) from error


def ask(name: str, parts: dict[str, Part]) -> Answers:
    """Ask for everything; what cannot be is refused at once and asked for again."""
    chip = _ask_chip()
    litres = _ask_number("Litres of a full tank", DEFAULT_VOLUME_L, MIN_VOLUME_L, MAX_VOLUME_L)
    button = typer.confirm("Use the button marked BOOT?", default=True)
    loads_ma = _ask_number("What the supply of pumps and valves gives, mA", 5_000, 0, MAX_MA)
    known = ", ".join(part for part, entry in parts.items() if entry.kind == "sensor")
    typer.echo(f"Parts: {known}")
    sensors: list[str] = []
    outputs: list[str] = []

    def answers() -> Answers:
        return Answers(chip, litres, sensors, outputs, button, loads_ma)

    while not sensors:
        _ask_list(_SENSORS, sensors, lambda: scaffold.board_text(name, answers(), parts))
    text = scaffold.board_text(name, answers(), parts)
    typer.echo(f"Outputs: {', '.join(scaffold.OUTPUTS)}")
    pins = ", ".join(map(str, scaffold.free_pins(name, text, parts)))
    typer.echo(f"Pins that are free and safe: {pins}")
    _ask_list(_OUTPUTS, outputs, lambda: scaffold.board_text(name, answers(), parts))
    return answers()


def what_to_wire(wired: compiler.LoadedBoard) -> list[str]:
    """Return a sentence for every line of a board."""
    found = [(f"GPIO{pin}", wire)
             for pin, wire in sorted(netlist.wires(wired.file, wired.parts).items())]
    found += netlist.adc_inputs(wired.file, wired.parts)
    lines = []
    for where, wire in found:
        details = "; ".join([wire.title, *wire.details])
        lines.append(f"{where:<12}{details}" + (f"; fit {wire.fit}" if wire.fit else ""))
    return lines


def _check_target(target: Path, name: str) -> None:
    """Refuse a name that is none, or that another board has."""
    if not scaffold.NAME.fullmatch(name):
        why = "a-z, 0-9 and -, a letter first, 3 to 32 of them"
        raise BoardError(f"{name}.toml", "board.name", why)
    if target.exists():
        raise BoardError(target.name, "", "is there already: choose another name, or remove it")


def _ask_chip() -> str:
    while True:
        chip: str = typer.prompt(f"Chip ({', '.join(CHIPS)})", "esp32")
        if chip in CHIPS:
            return chip
        typer.echo(f"  {chip} is none of {', '.join(CHIPS)}")


def _ask_number(question: str, default: int, low: int, high: int) -> int:
    while True:
        number: int = typer.prompt(question, default, type=int)
        if low <= number <= high:
            return number
        typer.echo(f"  {number} is outside {low}..{high}")


def _ask_list(question: str, found: list[str], check: Callable[[], str]) -> None:
    """Ask for one thing after the other, each of which must leave a board that compiles."""
    while answer := typer.prompt(question, "", show_default=False).strip():
        found.append(answer)
        try:
            check()
        except BoardError as error:
            found.pop()
            typer.echo(f"  {error.key}: {error.why}")
