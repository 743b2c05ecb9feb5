"""`idroserra board`: list, check, draw, build and scan boards.

Exit codes: 0 success, 1 rejected, 2 usage error."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from idroserra.boards import compiler, kept
from idroserra.boards import pinout as board_pinout
from idroserra.boards.summary import shopping_of, summary_of, warnings_of, wiring_lines
from idroserra.cli.board import new
from idroserra.cli.board import scan as board_scan
from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson
from idroserra.core.config import load_config
from idroserra.core.errors import BoardError, HostError
from idroserra.image import build as image_build

app = typer.Typer(help="Validate and build boards.", no_args_is_help=True)
app.command("new")(new.new)
app.command("scan")(board_scan.scan)

BoardArgument = Annotated[str, typer.Argument(help="Board name, or path of a board file.")]


@app.callback()
def _use_host(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Validate and build boards: those of this version, those that the host keeps, and files."""
    if config is not None:
        context.with_resource(kept.in_data_dir(load_config(config).data_dir))


@app.command("list")
def list_boards(*, as_json: AsJson = False) -> None:
    """List the boards that come with this version and those that the host keeps."""
    rows = [summary_of(compiler.load(name)) for name in compiler.all_names()]
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
        if not as_json:
            raise
        answer = {"ok": False, "file": error.file, "key": error.key, "error": error.why}
        typer.echo(json.dumps(answer))
        raise typer.Exit(1) from error
    summary = summary_of(wired.compiled)
    warnings = warnings_of(wired)
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
    wired = compiler.read(compiler.path_of(board))
    target = out or Path(f"{wired.file.board.name}.svg")
    try:
        target.write_text(board_pinout.svg(wired), encoding="utf-8")
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be written ({error.strerror})") from error
    typer.echo(f"drew {target}")


@app.command()
def parts(board: BoardArgument) -> None:
    """Print what to buy for a board, and its wiring."""
    wired = compiler.read(compiler.path_of(board))
    shopping = shopping_of(wired)
    for one in (*shopping.parts, *shopping.components):
        typer.echo(f"{one.pieces:>3} {one.name}" + (f": {one.text}" if one.text else ""))
    typer.echo("Wiring:")
    for line in wiring_lines(wired):
        typer.echo(f"  {line}")


@app.command()
def build(
    board: BoardArgument,
    out: Annotated[Path, typer.Option(help="Folder of the image.")] = Path("build/image"),
    *, as_json: AsJson = False,
) -> None:
    """Build the image of a board, for flashing and for the simulator."""
    manifest = image_build.build_image(board, out)
    if as_json:
        typer.echo(json.dumps(asdict(manifest)))
    else:
        typer.echo(f"{manifest.board} {manifest.version}: {len(manifest.files)} files in {out}")
        typer.echo(f"image {manifest.image_sha256}")
