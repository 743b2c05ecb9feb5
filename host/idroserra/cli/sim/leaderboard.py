"""`idroserra sim leaderboard`: compare agents of the environment dose-v0."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.console import Console

from idroserra.cli.sim.score_report import progress, table_of
from idroserra.core.errors import ConfigError, HostError
from idrosim.benchmark.cases import select

DAYS = 3.0


def run(
    agents: Annotated[
        str | None,
        typer.Option(help="Agents, comma-separated: baselines, or your own as module:callable "
                     "(docs/benchmark.md). Default: every baseline."),
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(help="Number of cells out of 48, or patterns such as 'ro-*-20-*'."),
    ] = None,
    days: Annotated[float, typer.Option(min=0.1, max=60, help="Days in each cell.")] = DAYS,
    md: Annotated[Path | None, typer.Option(help="Write a Markdown report.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print every episode as JSON.")] = False,
) -> None:
    """Run agents of the environment dose-v0 in the same greenhouses and compare them.

    Finished episodes of the baselines are cached, so an interrupted run resumes.
    """
    try:
        from idrosim.gym import baselines, leaderboard
    except ImportError as error:
        raise HostError("environments need gymnasium: pip install 'idroserra[gym]'") from error
    try:
        chosen = select(cells)
    except ValueError as error:
        raise ConfigError("--cells", str(cells), str(error)) from None
    names = agents.split(",") if agents else list(baselines.BASELINES)
    cached = Path(platformdirs.user_cache_dir("idroserra")) / "leaderboard.jsonl"
    try:
        with progress(quiet=as_json) as bar:
            task = bar.add_task("episodes", total=None)
            episodes = leaderboard.run_all(
                names, chosen, days, cached,
                lambda done, total: bar.update(task, completed=done, total=total))
        if md is not None:
            md.write_text(leaderboard.page(
                episodes, days, _command(agents, cells, days, md)), encoding="utf-8")
    except leaderboard.UnknownAgentError as error:
        raise ConfigError("--agents", error.name, str(error)) from None
    except OSError as error:
        raise HostError(f"cannot write: {error}") from None
    if as_json:
        typer.echo(json.dumps([episode._asdict() for episode in episodes]))
    else:
        Console().print(table_of(leaderboard.TITLES, leaderboard.rows(episodes)))


def _command(agents: str | None, cells: str | None, days: float, md: Path) -> str:
    """Return the command that gives this page."""
    parts = ["idroserra sim leaderboard"]
    if agents is not None:
        parts.append(f"--agents {shlex.quote(agents)}")
    if cells is not None:
        parts.append(f"--cells {shlex.quote(cells)}")
    if days != DAYS:
        parts.append(f"--days {days:g}")
    return " ".join([*parts, f"--md {shlex.quote(str(md))}"])
