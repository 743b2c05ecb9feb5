"""`idroserra doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

_SIGNS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[bold red]✗[/bold red]"}


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="TOML file; without it, the defaults.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for a program to read.")
    ] = False,
) -> None:
    """Check this machine and its broker; exit code 1 when something does not work."""
    from rich.console import Console
    from rich.markup import escape

    from idroserra.doctor.checks import examine

    console = Console(highlight=False, soft_wrap=True)
    checks = []
    for check in examine(config):
        checks.append(check)
        if as_json:
            continue
        console.print(f"{_SIGNS[check.state]} [bold]{check.name}[/bold]  {escape(check.found)}")
        if check.advice:
            console.print(f"    [yellow]→ {escape(check.advice)}[/yellow]")
    failed = sum(check.state == "fail" for check in checks)
    if as_json:
        print(json.dumps({"ok": failed == 0, "checks": [asdict(check) for check in checks]}))
    elif failed:
        console.print(f"\n{failed} of {len(checks)} checks failed.")
    else:
        console.print("\nEverything that is needed works.")
    if failed:
        raise typer.Exit(1)
