"""`idroserra board`: list, check, draw, build and scan boards.

Exit codes: 0 success, 1 rejected, 2 usage error."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from idroserra.boards import compiler, power_budget
from idroserra.boards import pinout as board_pinout
from idroserra.boards import warnings as board_warnings
from idroserra.cli.board import new
from idroserra.cli.board import scan as board_scan
from idroserra.client.requests import AsJson
from idroserra.core.errors import BoardError, HostError
from idroserra.image import build as image_build

app = typer.Typer(help="Validate and build boards.", no_args_is_help=True)
app.command("new")(new.new)
app.command("scan")(board_scan.scan)

BoardArgument = Annotated[str, typer.Argument(help="Board name, or path of a board file.")]


@app.command("list")
def list_boards(*, as_json: AsJson = False) -> None:
    """List the boards that come with this version."""
    rows = [_summary(compiler.load(name)) for name in compiler.names()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        outputs = ", ".join(row["outputs"])
        typer.echo(f"{row['name']}  {row['chip']}  {len(row['channels'])} channels; {outputs}")


@app.command()
def check(board: BoardArgument, *, as_json: AsJson = False) -> None:
    """Validate a board: pins, addresses, parts, maximum run times."""
    try:
        wired = compiler.read(compiler.path_of(board))
    except BoardError as error:
        if as_json:
            answer = {"ok": False, "file": error.file, "key": error.key, "error": error.why}
            typer.echo(json.dumps(answer))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    summary = _summary(wired.compiled)
    warnings = (board_warnings.warnings(wired.compiled) + power_budget.warnings(wired.file)
                + board_warnings.to_set(wired.file, wired.parts))
    if as_json:
        typer.echo(json.dumps({"ok": True} | summary | {"warnings": warnings}))
    else:
        for warning in warnings:
            typer.echo(f"warning: {warning}", err=True)
        typer.echo(f"{summary['name']}: valid, {len(summary['channels'])} channels, "
                   f"{len(summary['outputs'])} outputs")


@app.command()
def pinout(
    board: BoardArgument,
    out: Annotated[Path | None, typer.Option(help="SVG file to write; default: NAME.svg.")] = None,
) -> None:
    """Draw the pinout of a board: pins in physical order with their connections."""
    try:
        wired = compiler.read(compiler.path_of(board))
        target = out or Path(f"{wired.file.board.name}.svg")
        target.write_text(board_pinout.svg(wired), encoding="utf-8")
    except BoardError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"{error.filename}: cannot be written ({error.strerror})", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"drew {target}")


@app.command()
def build(
    board: BoardArgument,
    out: Annotated[Path, typer.Option(help="Folder of the image.")] = Path("build/image"),
    *, as_json: AsJson = False,
) -> None:
    """Build the image of a board, for flashing and for the simulator."""
    try:
        manifest = image_build.build_image(board, out)
    except HostError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(asdict(manifest)))
    else:
        typer.echo(f"{manifest.board} {manifest.version}: {len(manifest.files)} files in {out}")
        typer.echo(f"image {manifest.image_sha256}")


def _summary(board: compiler.Board) -> dict[str, Any]:
    return {
        "name": board["name"], "chip": board["chip"],
        "channels": [f"{s['source']}.{q}" for s in board["sensors"] for q in s["measures"]],
        "outputs": [actuator["name"] for actuator in board["actuators"]]}
