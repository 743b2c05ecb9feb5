"""`idroserra demo`: broker, simulated greenhouses, host and page on one machine."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from idroserra.demo.app import Options

_TICK_S = 0.5
_DAY_MS = 86_400_000


def demo(
    nodes: Annotated[int, typer.Option(min=1, max=20, help="Number of greenhouses.")] = 2,
    history: Annotated[
        float, typer.Option(min=0, max=90, help="Days of history to simulate.")] = 14.0,
    duration: Annotated[float | None, typer.Option(min=5, help="Stop after this time, s.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the page.")] = None,
    broker: Annotated[
        Literal["auto", "mosquitto", "amqtt"], typer.Option(help="Broker to start.")] = "auto",
    store: Annotated[Literal["sqlite", "influxdb"], typer.Option(
        help="Database of the history; influxdb starts the influxd of this machine.")] = "sqlite",
    keep: Annotated[
        Path | None, typer.Option(help="Keep all data in this new or empty folder.")] = None,
    seed: Annotated[int, typer.Option(min=1, help="Seed of the first greenhouse.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run broker, simulated greenhouses, host and page on this machine until Ctrl-C.

    With --duration, stops by itself and reports the records sent, stored and lost per node, and
    the last readings; exit code 3 if a record was lost or is not in the store.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise typer.BadParameter(f"{keep}: not an empty folder", param_hint="--keep")
    from idroserra.demo.app import Options

    with tempfile.TemporaryDirectory(prefix="idroserra-demo-") as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        options = Options(nodes, history, port, broker, seed, influx=store == "influxdb")
        report = _run(folder, options, duration)
    if report is None:
        return
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)
    if not report["ok"]:
        raise typer.Exit(3)


def _run(folder: Path, options: Options, duration: float | None) -> dict[str, Any] | None:
    from idroserra.demo.app import Demo
    from idroserra.demo.report import settle

    console = Console(stderr=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    started = time.monotonic()
    with Demo(folder, options, lambda text: console.print(f"[dim]{text}[/dim]")) as running:
        console.print(f"\n  The demo is running: [bold]{running.link}[/bold]\n"
                      "  This link logs you in while the demo runs (Ctrl-C to stop).\n",
                      soft_wrap=True)
        _follow(running, console, ended, None if duration is None else started + duration)
        report = settle(running) if duration is not None else None
        console.print("[dim]stopping[/dim]")
    return report


def _follow(running: Any, console: Console, ended: threading.Event, until: float | None) -> None:
    """Show the progress of the histories until Ctrl-C or the deadline."""
    printed: set[str] = set()
    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.fields[days]:.1f} of {task.fields[of]:.1f} days"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bars = {
            g.node: progress.add_task(
                f"history of {g.node}", total=g.history_ms, days=0.0, of=g.history_ms / _DAY_MS)
            for g in running.greenhouses if g.history_ms
        }
        while not ended.wait(_TICK_S):
            running.publish_progress()
            for greenhouse in running.greenhouses:
                if greenhouse.node in bars:
                    done_ms = greenhouse.history_done_ms
                    progress.update(
                        bars[greenhouse.node], completed=done_ms, days=done_ms / _DAY_MS)
            for line in running.failures():
                if line not in printed:
                    printed.add(line)
                    console.print(f"[red]{line}[/red]")
            if until is not None and time.monotonic() >= until:
                return


def _show(report: dict[str, Any]) -> None:
    table = Table(title="Result")
    for title in ("node", "sent", "stored", "lost", "pH", "EC mS/cm", "water °C", "level mm"):
        table.add_column(title, justify="left" if title == "node" else "right")
    for node in report["nodes"]:
        table.add_row(
            node["node"], str(node["sent"]), str(node["stored"]), str(node["lost"]),
            _value(node, "reservoir.ph", 1, 2), _value(node, "reservoir.ec_us_cm", 1_000, 2),
            _value(node, "reservoir.temp_c", 1, 1), _value(node, "reservoir.level_mm", 1, 0),
        )
    Console().print(table)
    for line in report["failures"]:
        Console(stderr=True).print(f"[red]{line}[/red]")


def _value(node: dict[str, Any], channel: str, per: float, decimals: int) -> str:
    entry = node["last"].get(channel)
    if entry is None:
        return "none yet"
    if entry["value"] is None:
        return str(entry["fault"])
    return f"{entry['value'] / per:.{decimals}f}"
