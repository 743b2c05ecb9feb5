"""`idroserra sim score`: compare dosing policies in the simulator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from idro.errors import SettingsError
from idroserra.core.errors import ConfigError, HostError
from idroserra.i18n.reasons import english
from idrosim.benchmark import (
    case_file,
    firmware_policy,
    markdown_page,
    random_cells,
    scoreboard,
    tables,
)
from idrosim.benchmark import run as benchmark_run
from idrosim.benchmark.cases import Cell, select
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
            help="Number of cells out of 48, patterns such as 'ro-*-20-*', or "
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
    policy misses a target.
    """
    names = policies.split(",") if policies else list(benchmark_run.POLICIES)
    for name in names:
        if name not in benchmark_run.POLICIES:
            raise ConfigError(
                "--policies", name, f"not one of {', '.join(benchmark_run.POLICIES)}")
    if random is not None and cells is not None:
        raise ConfigError("--random", str(random), "cannot be combined with --cells")
    matrix = _cells(cells) if random is None else random_cells.draw(random, seed).cells
    cache = Path(platformdirs.user_cache_dir("idroserra")) / "score.jsonl"
    try:
        with _progress(quiet=as_json) as bar:
            task = bar.add_task("greenhouses", total=None)
            board = scoreboard.run_all(
                matrix, names, days, cache,
                lambda done, total: bar.update(task, completed=done, total=total))
        if plot is not None:
            plot.write_bytes(tables.png(board))
        if md is not None:
            picture = os.path.relpath(plot, md.parent) if plot is not None else None
            md.write_text(
                markdown_page.page(board, days or scoreboard.DAYS, picture), encoding="utf-8")
    except ImportError as error:
        raise HostError("charts need matplotlib: pip install 'idroserra[sim]'") from error
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None
    if as_json:
        typer.echo(json.dumps(tables.to_json(board, matrix)))
    else:
        _show(board)
    if any(tables.misses(week) for week in board if week.policy == firmware_policy.NAME):
        raise typer.Exit(MISSED)


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)


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


def _show(board: list[benchmark_run.Measures]) -> None:
    console = Console()
    console.print(_table(tables.SUMMARY_TITLES, tables.summary(board)))
    console.print("median / worst of all cells")
    ours = tables.by_policy(board).get(benchmark_run.POLICIES[0], [])
    missed = [tables.row(week) for week in ours if tables.misses(week)]
    if missed:
        console.print(f"\nwhere {benchmark_run.POLICIES[0]} misses a target:")
        console.print(_table(tables.ROW_TITLES, missed))


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None)
    for index, title in enumerate(titles):
        is_text = index == 0 or title == "misses"
        table.add_column(title, justify="left" if is_text else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    return table
