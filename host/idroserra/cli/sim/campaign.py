"""`idroserra sim campaign`: random faults and the fault matrix, judged against the invariants."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from idroserra.boards import compiler
from idroserra.core.errors import ConfigError, HostError
from idroserra.image import build
from idrosim.campaign import case, fault_matrix
from idrosim.campaign import run as campaign_run
from idrosim.campaign.run import CaseId, Outcome

BROKEN = 3
_MATRIX_HOURS, _SEED_HOURS, _EVIL_HOURS = 6.0, 24.0, 3.0
_PUMPS = case.DOSERS


def run(
    seeds: Annotated[int, typer.Option(min=1, help="Number of random seeds.")] = 20,
    first_seed: Annotated[int, typer.Option(min=1, help="First seed.")] = 1,
    hours: Annotated[
        float | None,
        typer.Option(min=0.1, max=72, help="Virtual hours per case; default: 24, matrix 6."),
    ] = None,
    cases: Annotated[
        str | None, typer.Option(help="Only these cases of the matrix: 17, or 100-199.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every N-th case of the matrix.")] = 1,
    evil: Annotated[
        int | None, typer.Option(min=1, help="Malicious host with the key: commands per seed.")
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Write the trace; for a single case.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="File of outcomes, to resume a campaign.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Parallel jobs; default: one per core.")] = None,
    *,
    is_matrix: Annotated[
        bool, typer.Option("--matrix", help="Run the fault matrix instead of random seeds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every outcome as JSON.")] = False,
) -> None:
    """Inject faults into simulated greenhouses. Exit code 3 if an invariant is violated.

    Each failure prints the command that replays it. Invariants: docs/safety.md.
    """
    if is_matrix:
        wanted = _matrix_cases(cases, every, hours or _MATRIX_HOURS)
    elif cases is not None or every != 1:
        raise ConfigError("--cases", "", "requires --matrix")
    elif evil is not None:
        wanted = [CaseId("evil", first_seed + n, hours or _EVIL_HOURS, evil) for n in range(seeds)]
    else:
        wanted = [CaseId("seed", first_seed + n, hours or _SEED_HOURS) for n in range(seeds)]
    if trace is not None and len(wanted) != 1:
        raise ConfigError("--trace", str(trace), f"requires a single case, not {len(wanted)}")
    outcomes, differing = _run(wanted, trace, resume, jobs or os.cpu_count() or 1, quiet=as_json)
    broken = [outcome for outcome in outcomes if not outcome.is_kept]
    if as_json:
        result = {"outcomes": [o.to_json() for o in outcomes], "offline_differs": differing,
                "broken": len(broken)}
        typer.echo(json.dumps(result))
    else:
        _show(outcomes, broken, differing)
    if broken or differing:
        raise typer.Exit(BROKEN)


def _matrix_cases(cases: str | None, every: int, hours: float) -> list[CaseId]:
    numbers = range(fault_matrix.COUNT)
    if cases is not None:
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", cases)
        if found is None:
            raise ConfigError("--cases", cases, "not a case such as 17 or a range such as 100-199")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < fault_matrix.COUNT:
            raise ConfigError("--cases", cases, f"outside 0-{fault_matrix.COUNT - 1}")
        numbers = range(first, last + 1)
    return [CaseId("matrix", number, hours) for number in numbers[::every]]


def _run(
    wanted: list[CaseId], trace: Path | None, resume: Path | None, jobs: int, *, quiet: bool
) -> tuple[list[Outcome], list[str]]:
    """Return the outcomes, and the differences between runs with and without network."""
    board = compiler.load(case.BOARD)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn())
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="idroserra-campaign-") as name,
        Progress(*columns, console=console, transient=True, disable=quiet) as bar,
    ):
        folder = Path(name)
        manifest = build.build_image(case.BOARD, folder)
        task = bar.add_task("cases", total=len(wanted))

        def rerun(one: CaseId, latency_ms: int) -> Outcome:
            return campaign_run.outcome(one, board, folder, latency_ms=latency_ms)

        def on_outcome(outcome: Outcome) -> None:
            bar.advance(task)
            if not outcome.is_kept and not quiet:
                bar.console.print(_failure_text(outcome), soft_wrap=True)

        try:
            if trace is not None:
                with trace.open("w", encoding="utf-8") as file:
                    one = campaign_run.outcome(
                        wanted[0], board, folder, file, manifest.image_sha256)
                on_outcome(one)
                return [one], []
            outcomes = campaign_run.run_all(
                wanted, board, folder, manifest.image_sha256, on_outcome, jobs, resume)
            return outcomes, campaign_run.offline_differs(outcomes, rerun)
        except ValueError as error:
            raise HostError(str(error)) from None
        except OSError as error:
            raise HostError(f"cannot write: {error}") from None


def _failure_text(outcome: Outcome) -> str:
    lines = [f"[bold red]{outcome.name}[/]: {escape(outcome.text[:300])}"]
    lines += [f"  {escape(violation)}" for violation in outcome.violations]
    lines.append(f"  replay: idroserra sim campaign {outcome.replay} --trace {outcome.name}.jsonl")
    return "\n".join(lines)


def _show(outcomes: list[Outcome], broken: list[Outcome], differing: list[str]) -> None:
    console = Console()
    hours = sum(outcome.at_ms for outcome in outcomes) / case.HOUR_MS
    ml = {p: sum(o.dosed_ml.get(f"dosed.{p}_ml", 0.0) for o in outcomes) for p in _PUMPS}
    table = Table(show_edge=False, pad_edge=False, box=None, show_header=False)
    table.add_row("cases", f"{len(outcomes):,}")
    table.add_row("virtual hours", f"{hours:,.0f}")
    table.add_row("doses", f"{sum(o.doses for o in outcomes):,}")
    table.add_row("true ml", ", ".join(f"{pump} {volume:,.0f}" for pump, volume in ml.items()))
    table.add_row("resets", f"{sum(o.resets for o in outcomes):,}")
    table.add_row("latches", f"{sum(o.latches for o in outcomes):,}")
    table.add_row("CPU hours", f"{sum(o.wall_ms for o in outcomes) / 3.6e6:.2f}")
    console.print(table)
    counts = Counter(v.split(" ", 1)[0] for o in broken for v in o.violations)
    for invariant, count in sorted(counts.items()):
        console.print(f"{invariant}: {count} violations", style="red")
    for line in differing:
        console.print(line, style="red", markup=False, soft_wrap=True)
    bad = len(broken) + len(differing)
    style = "bold red" if bad else "green"
    console.print(f"{bad} of {len(outcomes)} cases violated an invariant", style=style)
