"""`idroserra doctor`: checks the installation and advises what to do."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from idroserra.cli.serve import ConfigFile
from idroserra.client.requests import AsJson

_SIGNS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[bold red]✗[/bold red]"}


def doctor(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Check this machine and its broker; exit code 1 if a check fails."""
    from rich.console import Console
    from rich.markup import escape

    from idroserra.core.terminal_text import printable
    from idroserra.doctor.checks import run_checks

    console = Console(highlight=False, soft_wrap=True)
    checks = []
    for check in run_checks(config):
        checks.append(check)
        if as_json:
            continue
        found, advice = escape(printable(check.found)), escape(printable(check.advice))
        console.print(f"{_SIGNS[check.state]} [bold]{check.name}[/bold]  {found}")
        if advice:
            console.print(f"    [yellow]→ {advice}[/yellow]")
    failed = sum(check.state == "fail" for check in checks)
    if as_json:
        print(json.dumps({"ok": failed == 0, "checks": [asdict(check) for check in checks]}))
    elif failed:
        console.print(f"\n{failed} of {len(checks)} checks failed.")
    else:
        console.print("\nAll required checks passed.")
    if failed:
        raise typer.Exit(1)
