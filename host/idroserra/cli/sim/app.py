"""`idroserra sim`: run simulated greenhouses in lockstep and judge their promises."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from idro.protocol import settings
from idroserra.boards import compiler
from idroserra.cli.sim import campaign, leaderboard, score
from idroserra.core.errors import ConfigError, HostError
from idroserra.image import build
from idroserra.terminal.tables import plain_table
from idrosim.campaign import mutation
from idrosim.runner.process import SimulatorError
from idrosim.scenarios import chart as scenarios_chart
from idrosim.scenarios import html_report
from idrosim.scenarios import run as scenario_run

app = typer.Typer(help="Run simulated greenhouses on a virtual clock.", no_args_is_help=True)
app.command("score")(score.run)
app.command("leaderboard")(leaderboard.run)
app.command("campaign")(campaign.run)

BROKEN = 3


@app.callback()
def _root() -> None:
    """Keep `run` a named command."""


@app.command()
def run(
    scenario_file: Annotated[Path, typer.Argument(help="Scenario file: start, events, promises.")],
    days: Annotated[
        float | None, typer.Option(min=0.001, max=400, help="Override the length, days.")] = None,
    seed: Annotated[int | None, typer.Option(min=1, help="Override the seed.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write the trace, one JSON object per line.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a chart to this PNG file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run one scenario in lockstep and judge its promises. Exit code 3 if one is broken.

    The same file and seed give an identical trace.
    """
    try:
        wanted = scenario_run.with_changes(scenario_run.load(scenario_file), days, seed)
        result = run_with_bar(wanted, trace, quiet=as_json, keep_all=bool(plot or report))
    except scenario_run.ScenarioError as error:
        raise ConfigError(str(error.file), error.key, error.why) from None
    except SimulatorError as error:
        raise HostError(str(error)) from None
    _draw(result, plot, report)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        show_result(result)
    if not result.is_kept:
        raise typer.Exit(BROKEN)


@app.command()
def mutate(
    defects_file: Annotated[
        Path, typer.Option("--defects", help="File or folder of the defects.")
    ] = Path("sim/defects"),
    scenarios: Annotated[
        Path, typer.Option(help="Folder of the scenarios.")] = Path("sim/scenarios"),
    only: Annotated[str | None, typer.Option(help="Only this defect.")] = None,
) -> None:
    """Inject defects into the firmware; a scenario must catch each. Exit code 1 if not.

    For firmware developers: requires a checkout.
    """
    try:
        defects = [d for d in mutation.load(defects_file) if only in (None, d.name)]
        if not defects:
            raise mutation.MutationError(f"{defects_file}: no defect named {only}")
        outcomes = mutation.run_defects(
            defects, scenarios, build.firmware_sources(), build_mutated, compiler.load,
            _print_outcome)
    except (mutation.MutationError, scenario_run.ScenarioError) as error:
        raise HostError(str(error)) from None
    survivors = [outcome.defect.name for outcome in outcomes if outcome.caught_by is None]
    typer.echo(f"{len(outcomes) - len(survivors)} of {len(outcomes)} defects caught")
    if survivors:
        raise HostError(f"survived: {', '.join(survivors)}")


def build_mutated(board: str, sources: Mapping[str, Path], folder: Path) -> None:
    """Build the image of `board` from `sources` into `folder`."""
    build.build_image(board, folder, sources)


def _print_outcome(outcome: mutation.Outcome) -> None:
    caught = outcome.caught_by or "SURVIVED"
    typer.echo(f"{outcome.defect.name:26} {caught:26} {outcome.why}")


def _draw(result: scenario_run.Result, plot: Path | None, report: Path | None) -> None:
    """Write the chart and the report if requested."""
    if plot is None and report is None:
        return
    values = settings.check(result.scenario.settings)
    ph, ph_off = values["ph.target"], values["ph.deadband"]
    ec, ec_off = values["ec.target_us_cm"], values["ec.deadband_us_cm"]
    target_mm = values["level.target_mm"]
    chart = chart_of(result, {
        signal: [scenarios_chart.Band(0, result.at_ms, low, high)] for signal, low, high in (
            ("reservoir.ph", ph - ph_off, ph + ph_off),
            ("reservoir.ec_us_cm", ec - ec_off, ec + ec_off),
            ("reservoir.level_mm", target_mm - 10, target_mm),
        )
    })
    try:
        if plot is not None:
            plot.write_bytes(chart)
        if report is not None:
            report.write_text(html_report.page(result, chart), encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None


def chart_of(
    result: scenario_run.Result, bands: Mapping[str, Sequence[scenarios_chart.Band]]
) -> bytes:
    """Return the chart of a run as PNG. Raises HostError without matplotlib."""
    try:
        return scenarios_chart.png(result, bands)
    except ImportError as error:
        raise HostError("charts need matplotlib: pip install 'idroserra[sim]'") from error


def run_with_bar(
    wanted: scenario_run.Scenario, trace: Path | None, *, quiet: bool, keep_all: bool
) -> scenario_run.Result:
    """Run a scenario on a newly built image, with a progress bar on stderr."""
    board = compiler.load(wanted.board)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="idroserra-sim-") as folder,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar,
    ):
        build.build_image(wanted.board, Path(folder))
        task = bar.add_task(wanted.name, total=1.0)
        return scenario_run.run(
            wanted, board, Path(folder), trace=trace, keep_all=keep_all,
            on_progress=lambda share: bar.update(task, completed=share))


def show_result(result: scenario_run.Result) -> None:
    """Print promises, doses and the final state."""
    console = Console()
    console.print(Text(result.scenario.text, style="bold"))
    promises = plain_table("", "promise", "result", overflow="ellipsis")
    for verdict in result.verdicts:
        mark = Text("kept", "green") if verdict.is_kept else Text("BROKEN", "bold red")
        promises.add_row(mark, verdict.expectation.text, verdict.why)
    console.print(promises)
    doses = plain_table("pump", "doses", "on s", "true ml", right=("doses", "on s", "true ml"),
                        overflow="ellipsis")
    for name, dose in result.doses.items():
        doses.add_row(
            name, f"{dose['count']:.0f}", f"{dose['pumped_s']:.1f}", f"{dose['true_ml']:.1f}")
    console.print(doses)
    truth, measured = result.truth, result.measured
    console.print(
        f"at the end: pH {truth['reservoir.ph']:.2f} true,"
        f" {_reading(measured, 'reservoir.ph', 1, 2)} measured; EC"
        f" {truth['reservoir.ec_us_cm'] / 1_000:.2f} mS/cm true,"
        f" {_reading(measured, 'reservoir.ec_us_cm', 1_000, 2)} measured"
    )
    resets = f", {len(result.resets)} resets" if result.resets else ""
    console.print(
        f"{result.at_ms / 86_400_000:.2f} days in {result.wall_ms / 1_000:.1f} s,"
        f" {result.speed_up:,.0f} times real time, seed {result.scenario.seed}{resets}")


def _reading(measured: Mapping[str, float], channel: str, per: float, decimals: int) -> str:
    value = measured.get(channel)
    return "not" if value is None else f"{value / per:.{decimals}f}"
