"""`idroserra node`: show and command the nodes of a running host."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from idroserra.cli.node.adopt import adopt, forget, unadopted_nodes
from idroserra.cli.node.bottle import bottle
from idroserra.cli.node.correct import correct, end_correction
from idroserra.cli.node.journal import note
from idroserra.cli.node.needs import needs
from idroserra.cli.node.preview import preview
from idroserra.cli.node.restored import restored
from idroserra.cli.node.site import SiteOption, site
from idroserra.cli.node.titrate import titrate
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import (
    AsJson,
    NodeName,
    Url,
    node_path,
    now_unix_ms,
    parse_setting,
    run_command,
    set_config,
)
from idroserra.core.durations import duration_ms
from idroserra.terminal.tables import node_detail, nodes_table, settings_table

app = typer.Typer(
    help="Operate nodes through a running host.", no_args_is_help=True, add_completion=False)

WIDE_COLUMNS = 110


@app.command("list")
def list_nodes(
    only: SiteOption = None, url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """List the nodes, worst first, with their newest readings."""
    nodes = [node for node in HostClient(url).nodes() if only in (None, node["site"])]
    if as_json:
        typer.echo(json.dumps(nodes))
    elif not nodes and only is not None:
        typer.echo(f"No node at site {only}. `idroserra node site` lists the sites.")
    elif not nodes:
        typer.echo("No node has reported yet. `idroserra demo` runs simulated nodes.")
    else:
        console = Console()
        console.print(
            nodes_table(nodes, now_unix_ms(), wide=console.width >= WIDE_COLUMNS))
        for line in unadopted_nodes(nodes):
            typer.echo(line)


@app.command()
def show(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Show one node: status, every reading with band and age, and recent events."""
    client = HostClient(url)
    found = client.node(node)
    to = now_unix_ms() + 60_000
    events = client.get(f"{node_path(node)}/events", from_unix_ms=to - 86_400_000, to_unix_ms=to,
                        limit=12)["events"]
    if as_json:
        typer.echo(json.dumps(found | {"events": events}))
    else:
        Console().print(node_detail(found, events, now_unix_ms()))


@app.command("set")
def set_values(
    node: NodeName,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE...", help="Settings to change; default: print all."),
    ] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Change settings and wait until the node confirms them."""
    client = HostClient(url)
    if not pairs:
        config = client.node(node)["config"]
        if as_json:
            typer.echo(json.dumps(config))
        else:
            Console().print(settings_table(config))
        return
    values = dict(parse_setting(text) for text in pairs)
    config = set_config(client, node, values)
    if as_json:
        typer.echo(json.dumps(config))
    else:
        changed = ", ".join(f"{key} = {json.dumps(config['values'][key])}" for key in values)
        typer.echo(f"{node}: revision {config['rev']} confirmed: {changed}")


@app.command()
def dose(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="Doser, such as ph_down.")],
    volume_ml: Annotated[float, typer.Argument(min=0.001, max=20, help="Volume, ml.")],
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Give one manual dose. The limits of the node apply."""
    args = {"actuator": actuator, "volume_ul": round(volume_ml * 1_000)}
    run_command(url, node, "dose", args, f"{volume_ml:g} ml of {actuator} given", as_json=as_json)


@app.command()
def run(
    node: NodeName,
    actuator: Annotated[str, typer.Argument(help="Switch or dimmer, such as circulation.")],
    duration: Annotated[str, typer.Option("--for", help="Duration: 30s, 10m, 1h.")] = "10m",
    duty_pct: Annotated[
        int | None, typer.Option("--duty", min=0, max=100, help="Dimmer level, %.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Run an output for a time; then the node switches it off."""
    args: dict[str, Any] = {"actuator": actuator, "for_ms": duration_ms(duration)}
    if duty_pct is not None:
        args["duty_pct"] = duty_pct
    run_command(url, node, "run", args, f"{actuator} runs for {duration}", as_json=as_json)


@app.command()
def stop(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Stop all dosing until `resume`."""
    run_command(url, node, "stop", {}, "all dosing stopped", as_json=as_json)


@app.command()
def resume(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Resume dosing after a stop or a lock."""
    run_command(url, node, "resume", {}, "dosing resumed", as_json=as_json)


app.command("adopt")(adopt)
app.command("forget")(forget)
app.command("correct")(correct)
app.command("end-correction")(end_correction)
app.command("needs")(needs)
app.command("titrate")(titrate)
app.command("note")(note)
app.command("bottle")(bottle)
app.command("preview")(preview)
app.command("site")(site)
app.command("restored")(restored)


