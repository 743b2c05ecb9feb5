"""`idroserra foreign`: sensors that are not nodes: list, adopt and forget their readings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url, cli_user, now_unix_ms
from idroserra.i18n.channels import duration_text
from idroserra.terminal.tables import STYLES, plain_table

app = typer.Typer(
    help="Readings of sensors that are not nodes (docs/integrations.md). Dosing never uses them.",
    no_args_is_help=True, add_completion=False)

_STYLES = {"ok": "ok", "waiting": "note"}

Name = Annotated[str, typer.Argument(help="Name of the reading: a-z, 0-9 and -.")]


@app.command("list")
def list_foreign(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """List the adopted readings with their age, and the values that can be adopted."""
    client = HostClient(url)
    known, found = client.get("/api/foreign"), client.get("/api/foreign/seen")
    if as_json:
        typer.echo(json.dumps({**known, **found}))
        return
    typer.echo(f"Topics: {', '.join(known['topics']) or 'none set, off'} ({known['state']})")
    console = Console()
    readings = plain_table("name", "place", "value", "state", "age")
    for one in known["readings"]:
        readings.add_row(*_reading_row(one))
    seen = plain_table("device", "field", "value", "source", "heard")
    for one in found["seen"]:
        seen.add_row(*_seen_row(one))
    for table in (readings, seen):
        if table.rows:
            console.print(table)


@app.command()
def adopt(
    name: Name,
    device: Annotated[str, typer.Argument(help="Device, from `list`.")],
    field: Annotated[str, typer.Argument(help="Field, from `list`.")],
    place: Annotated[str, typer.Option(help="Where the sensor is.")] = "",
    quantity: Annotated[str | None, typer.Option(
        help="temp_c, rh_pct, power_w or leak; needed for a value without a unit.")] = None,
    low: Annotated[float | None, typer.Option(help="Least plausible value.")] = None,
    high: Annotated[float | None, typer.Option(help="Greatest plausible value.")] = None,
    too_old_s: Annotated[int | None, typer.Option(
        "--too-old-s", min=30, max=604_800, help="Age from which it is no longer shown.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Adopt a value that was seen, or change the limits of an adopted one."""
    adopted = HostClient(url).send("PUT", f"/api/foreign/{quote(name, safe='')}", {
        "device": device, "field": field, "place": place, "quantity": quantity, "low": low,
        "high": high, "too_old_s": too_old_s, "by": cli_user()})
    typer.echo(json.dumps(adopted) if as_json else
               f"{name}: {adopted['label']} of {adopted['low']:g} to {adopted['high']:g}, too old "
               f"after {duration_text(adopted['too_old_s'] * 1_000)}")


@app.command()
def forget(name: Name, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Forget a reading. Its history stays."""
    left = HostClient(url).send("DELETE", f"/api/foreign/{quote(name, safe='')}", {})
    typer.echo(json.dumps(left) if as_json else f"{name} is forgotten")


def _reading_row(one: Mapping[str, Any]) -> tuple[Text, ...]:
    style = STYLES[_STYLES.get(one["state"], "warn")]
    return (Text(one["name"]), Text(one["place"]), Text(one["text"] or one["refused_text"] or "-"),
            Text(one["state"], style=style), Text(duration_text(one["age_ms"])))


def _seen_row(one: Mapping[str, Any]) -> tuple[Text, ...]:
    heard = duration_text(max(0, now_unix_ms() - one["heard_unix_ms"]))
    return (Text(one["device"]), Text(one["field"]), Text(one["text"] or "age unknown"),
            Text(one["source"]), Text(heard))
