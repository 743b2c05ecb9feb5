"""`idroserra recipe check`: validate a recipe and run it in the simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from idroserra.cli.sim import app
from idroserra.core.errors import ConfigError, HostError
from idroserra.i18n.reasons import english, reason_json
from idroserra.recipes import feasibility, model
from idroserra.recipes.model import Recipe
from idroserra.simulation import recipe_scenario
from idrosim.runner.process import SimulatorError
from idrosim.scenarios.run import Result, ScenarioError

REFUSED, BROKEN = 1, 3


def check(
    name: Annotated[str, typer.Argument(
        metavar="NAME|FILE", help="Built-in recipe, or a recipe file.")],
    board: Annotated[str, typer.Option(help="Board to simulate.")] = "esp32-reservoir",
    stage: Annotated[str | None, typer.Option(
        help="Only the transition into this stage: name, or number from 1.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a chart to this PNG file.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check a recipe against settings and dosing limits, then run it in the simulator.

    The simulator runs the real firmware through the days with changes. Exit code 1 if a node
    would refuse the recipe, 3 if a setpoint is not reached.
    """
    found = model.find(name)
    twin = recipe_scenario.build(found, board, None if stage is None else stage_of(found, stage))
    if not as_json:
        _print_notes(found, twin.notes)
    if twin.scenario is None:
        if as_json:
            typer.echo(json.dumps(_json(found, twin.notes, None)))
        raise typer.Exit(REFUSED)
    try:
        result = app.run_with_bar(twin.scenario, None, quiet=as_json, keep_all=plot is not None)
    except (ScenarioError, SimulatorError) as error:
        raise HostError(str(error)) from None
    if plot is not None:
        _draw(plot, app.chart_of(result, twin.bands))
    if as_json:
        typer.echo(json.dumps(_json(found, twin.notes, result)))
    else:
        app.show_result(result)
    if not result.is_kept:
        raise typer.Exit(BROKEN)


def stage_of(found: Recipe, wanted: str) -> int:
    """Return the index of a stage, by name or number. Raises ConfigError."""
    for index, stage in enumerate(found.stages):
        if wanted in (stage.name, str(index + 1)):
            return index
    names = ", ".join(stage.name for stage in found.stages)
    raise ConfigError("command line", "--stage", f"{wanted!r}: not one of {names}")


def note_text(found: Recipe, note: feasibility.RecipeWarning) -> str:
    """Return a note with the name of its stage."""
    return f"{found.stages[note.stage].name}: {english(note.reason)}"


def _print_notes(found: Recipe, notes: list[feasibility.RecipeWarning]) -> None:
    console = Console()
    for note in notes:
        is_refused = note.level == feasibility.REFUSED
        mark, style = ("refused", "bold red") if is_refused else ("note", "yellow")
        console.print(Text.assemble((mark, style), f"  {note_text(found, note)}"))


def _draw(plot: Path, chart: bytes) -> None:
    try:
        plot.write_bytes(chart)
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None


def _json(
    found: Recipe, notes: list[feasibility.RecipeWarning], result: Result | None
) -> dict[str, object]:
    return {
        "recipe": found.name, "kept": result is not None and result.is_kept,
        "notes": [{"level": note.level, "stage": found.stages[note.stage].name,
                   "reason": reason_json(note.reason)} for note in notes],
        "run": None if result is None else result.to_json(),
    }
