"""`idroserra sim score`: our dosing control and those of peers, on the same twin."""

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

from idroserra.errors import ConfigError, HostError
from idrosim import score, score_board, score_page, score_report
from idrosim.score_cells import chosen


def run(
    policies: Annotated[
        str | None, typer.Option(help="Only these, with commas: " + ", ".join(score.POLICIES))
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(help="So many cells spread over all 48, or patterns such as 'ro-*-20-*'."),
    ] = None,
    days: Annotated[float, typer.Option(min=0.1, max=60, help="Days in each cell.")] = 7.0,
    plot: Annotated[Path | None, typer.Option(help="Draw the board into this PNG file.")] = None,
    md: Annotated[Path | None, typer.Option(help="Write the page of the board here.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print every week as JSON.")] = False,
) -> None:
    """Let each dosing policy keep the same greenhouses, and measure how the crop fared.

    Finished weeks are kept, so a run that was broken off goes on where it stopped.
    """
    names = policies.split(",") if policies else list(score.POLICIES)
    for name in names:
        if name not in score.POLICIES:
            raise ConfigError("--policies", name, f"not one of {', '.join(score.POLICIES)}")
    try:
        matrix = chosen(cells)
    except ValueError as error:
        raise ConfigError("--cells", str(cells), str(error)) from None
    cache = Path(platformdirs.user_cache_dir("idroserra")) / "score.jsonl"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True,
                      disable=as_json) as bar:
            task = bar.add_task("greenhouses", total=None)
            board = score_board.run_all(
                matrix, names, days, cache,
                lambda done, total: bar.update(task, completed=done, total=total))
        if plot is not None:
            plot.write_bytes(score_report.png(board))
        if md is not None:
            picture = os.path.relpath(plot, md.parent) if plot is not None else None
            md.write_text(score_page.page(board, days, picture), encoding="utf-8")
    except ImportError as error:
        raise HostError("charts need matplotlib: pip install 'idroserra[sim]'") from error
    except OSError as error:
        raise HostError(f"cannot be written: {error}") from None
    if as_json:
        typer.echo(json.dumps([week.to_json() for week in board]))
    else:
        _show(board)


def _show(board: list[score.Measures]) -> None:
    console = Console()
    console.print(_table(score_report.SUMMARY_TITLES, score_report.summary(board)))
    console.print("median / worst of all cells")
    ours = score_report.by_policy(board).get(score.POLICIES[0], [])
    missed = [score_report.row(week) for week in ours if score_report.misses(week)]
    if missed:
        console.print(f"\nwhere {score.POLICIES[0]} misses an aim:")
        console.print(_table(score_report.ROW_TITLES, missed))


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None)
    for index, title in enumerate(titles):
        is_text = index == 0 or title == "misses"
        table.add_column(title, justify="left" if is_text else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    return table
