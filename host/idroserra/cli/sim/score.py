"""`idroserra sim score`: compare dosing policies in the simulator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from rich.console import Console

from idro.errors import SettingsError
from idroserra.cli.sim import score_random
from idroserra.cli.sim.score_report import Report, progress, table_of
from idroserra.core.errors import ConfigError, HostError
from idroserra.i18n.reasons import english
from idrosim.benchmark import case_file, firmware_policy, markdown_page, scoreboard, tables
from idrosim.benchmark import run as benchmark_run
from idrosim.benchmark.cases import Cell, select
from idrosim.benchmark.measures import Measures
from idrosim.scenarios.toml_table import ScenarioError

MISSED = 3
_KEYS = {"ph.down_ul_per_ph": "acid", "ph.up_ul_per_ph": "base"}


def run(
    policies: Annotated[
        str | None,
        typer.Option(help="Policies, comma-separated: " + ", ".join(benchmark_run.POLICIES)),
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(
            help="Number of cells out of 48, patterns such as 'ro-*-20-*' (also of --random), or "
            "a TOML file (bench/score.md)."),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Number of greenhouses drawn at random instead "
                     "(docs/score.md).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of --random.")] = 1,
    days: Annotated[
        float | None,
        typer.Option(min=0.1, max=60, help="Days per cell; default: 7, or from the file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a chart to this PNG file.")] = None,
    md: Annotated[Path | None, typer.Option(help="Write a Markdown report.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run each dosing policy in the same greenhouses and compare the results.

    Finished cells are cached, so an interrupted run resumes. Exit code 3 if Idroserra's own
    policy misses a target in a cell, or of --random in more than 2 % of the cells.
    """
    names = policies.split(",") if policies else list(benchmark_run.POLICIES)
    for name in names:
        if name not in benchmark_run.POLICIES:
            raise ConfigError(
                "--policies", name, f"not one of {', '.join(benchmark_run.POLICIES)}")
    report: Report
    if random is None:
        report = _NamedReport(_cells(cells))
    else:
        report = score_random.draw(random, seed, cells, quiet=as_json)
    board = _board(report.cells, names, days, quiet=as_json)
    _write(report, board, days, plot, md)
    if as_json:
        typer.echo(json.dumps(report.to_json(board)))
    else:
        report.show(board)
    if not report.is_kept(board):
        raise typer.Exit(MISSED)


class _NamedReport:
    """Report of the 48 cells or of those of a file: one row per cell."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells = cells

    def page(self, board: list[Measures], days: float, picture: str | None) -> str:
        return markdown_page.page(board, days, picture)

    def chart(self, board: list[Measures]) -> bytes:
        return tables.png(board)

    def to_json(self, board: list[Measures]) -> dict[str, Any]:
        return tables.to_json(board, self.cells)

    def show(self, board: list[Measures]) -> None:
        console = Console()
        console.print(table_of(tables.SUMMARY_TITLES, tables.summary(board)))
        console.print("median / worst of all cells")
        ours = tables.by_policy(board).get(firmware_policy.NAME, [])
        missed = [tables.row(week) for week in ours if tables.misses(week)]
        if missed:
            console.print(f"\nwhere {firmware_policy.NAME} misses a target:")
            console.print(table_of(tables.ROW_TITLES, missed))

    def is_kept(self, board: list[Measures]) -> bool:
        return not any(
            tables.misses(week) for week in board if week.policy == firmware_policy.NAME)


def _board(
    cells: list[Cell], names: list[str], days: float | None, *, quiet: bool
) -> list[Measures]:
    cache = Path(platformdirs.user_cache_dir("idroserra")) / "score.jsonl"
    try:
        with progress(quiet=quiet) as bar:
            task = bar.add_task("simulating", total=None)
            return scoreboard.run_all(
                cells, names, days, cache,
                lambda done, total: bar.update(task, completed=done, total=total))
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None


def _write(report: Report, board: list[Measures], days: float | None, plot: Path | None,
           md: Path | None) -> None:
    """Write chart and report if requested."""
    try:
        if plot is not None:
            plot.write_bytes(report.chart(board))
        if md is not None:
            picture = os.path.relpath(plot, md.parent) if plot is not None else None
            md.write_text(
                report.page(board, days or scoreboard.DAYS, picture), encoding="utf-8")
    except ImportError as error:
        raise HostError("charts need matplotlib: pip install 'idroserra[sim]'") from error
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None


def _cells(wanted: str | None) -> list[Cell]:
    """Return the cells of a file, a number or patterns."""
    if wanted is None or not (wanted.endswith(".toml") or Path(wanted).exists()):
        try:
            return select(wanted)
        except ValueError as error:
            raise ConfigError("--cells", str(wanted), str(error)) from None
    try:
        cells = case_file.load(Path(wanted))
    except ScenarioError as error:
        raise ConfigError(str(error.file), error.key, error.why) from None
    for cell in cells:
        try:
            firmware_policy.settings_of(cell, benchmark_run.setup_of(cell), benchmark_run.STEP_S)
        except firmware_policy.TooStrongError as error:
            key = _KEYS.get(error.key, "volume_l")
            raise ConfigError(wanted, f"{cell.name}.{key}", str(error)) from None
        except SettingsError as error:
            why = f"needs a setting outside its range: {english(error.reason)}"
            raise ConfigError(wanted, f"{cell.name}.recipe", why) from None
    return cells
