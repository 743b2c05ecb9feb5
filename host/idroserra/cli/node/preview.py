"""`idroserra node preview`: simulate the next days of a node."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import (
    AsJson,
    CommandFailed,
    NodeName,
    Url,
    cli_user,
    node_path,
    parse_setting,
    text_of,
)
from idroserra.recipes import model as recipes
from idroserra.simulation.preview_request import MOST_DAYS, WATERS
from idroserra.terminal.tables import plain_table, sparkline

POLL_S = 0.5
_COLUMNS = 56
# Series: label, factor, decimals, unit, notable.
_LINES = {
    "ph": ("pH", 1.0, 2, "", 0.05), "ec_us_cm": ("EC", 0.001, 2, " mS/cm", 15),
    "level_mm": ("level", 1.0, 0, " mm", 2), "temp_c": ("water", 1.0, 1, " °C", 0.3),
}
_BOTTLES = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")


def preview(
    node: NodeName,
    pairs: Annotated[list[str] | None, typer.Argument(
        metavar="[KEY=VALUE]...", help="Settings to change at the start.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe name or file, started today.")] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Days to simulate.")] = 7,
    water: Annotated[str, typer.Option(help=f"Water in the tank: {', '.join(WATERS)}.")] = "soft",
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Simulate the next days of a node from its current readings.

    By default with its current settings and recipe. Nothing is sent to the node.
    """
    client = HostClient(url)
    path = f"{node_path(node)}/preview"
    body: dict[str, Any] = {"days": days, "water": water, "by": cli_user(),
                            "values": dict(parse_setting(text) for text in pairs or ())}
    if recipe is not None:
        found = recipes.find(recipe)
        body |= {"recipe": recipe} if recipe in recipes.names() else {"toml": found.toml}
    client.send("POST", path, body)
    try:
        ended = _await_preview(client, path, quiet=as_json)
    except KeyboardInterrupt:
        client.send("DELETE", path, {})
        raise
    if ended["state"] != "done":
        why = f": {text_of(ended['error'])}" if ended["error"] else ""
        raise CommandFailed(f"{node}: preview {ended['state']}{why}")
    if as_json:
        typer.echo(json.dumps(ended))
    else:
        _show(ended["outcome"])


def _await_preview(client: HostClient, path: str, *, quiet: bool) -> dict[str, Any]:
    """Wait for the end of the preview, with a progress bar, and return it."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("simulating", total=1.0)
        while True:
            found: dict[str, Any] = client.get(path)["preview"]
            if found["state"] != "running":
                return found
            bar.update(task, completed=found["done_ratio"])
            time.sleep(POLL_S)


def _show(outcome: dict[str, Any]) -> None:
    console = Console()
    lines = Table(box=None, pad_edge=False, show_header=False)
    for name, (label, factor, decimals, unit, notable) in _LINES.items():
        values = outcome["series"][name]
        step = max(1, len(values) // _COLUMNS)
        low, high = min(values) * factor, max(values) * factor
        lines.add_row(label, Text(sparkline(values[::step], notable), "green"),
                      f"{low:.{decimals}f} to {high:.{decimals}f}{unit}")
    console.print(lines)
    band = outcome["in_band"]
    console.print(f"In band: pH {band['ph']['ratio']:.0%} and EC "
                  f"{band['ec_us_cm']['ratio']:.0%} of the time.", highlight=False)
    for one in outcome["events"]:
        console.print(Text(f"{_when(one['unix_ms'], '%d %b %H:%M')}  {one['text']}", "yellow"))
    console.print(_by_day(outcome["by_day"]))
    for reason in outcome["assumed"]:
        console.print(Text(f"· {text_of(reason)}", style="dim"))


def _by_day(days: list[dict[str, Any]]) -> Table:
    bottles = [name for name in _BOTTLES if any(day[f"{name}_ml"] > 0 for day in days)]
    numbers = [*(f"{name} ml" for name in bottles), "topped off L", "transpired L"]
    table = plain_table("day", *numbers, right=numbers, overflow="ellipsis")
    for day in days:
        table.add_row(
            _when(day["from_unix_ms"], "%d %b"), *(f"{day[f'{name}_ml']:.1f}" for name in bottles),
            f"{day['top_off_ml'] / 1e3:.1f}", f"{day['transpired_ml'] / 1e3:.1f}")
    return table


def _when(unix_ms: int, form: str) -> str:
    return datetime.fromtimestamp(unix_ms / 1e3).astimezone().strftime(form)
