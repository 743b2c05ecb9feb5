"""`idroserra recipe`: list, check and run recipes."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.cli.recipe.check import check
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import (
    CONFIRM_S,
    POLL_S,
    AsJson,
    CommandFailed,
    NodeName,
    Url,
    cli_user,
    node_path,
    text_of,
)
from idroserra.recipes import model, serialize
from idroserra.terminal.tables import SIGNS, STYLES

app = typer.Typer(
    help="Recipes: setpoints of a crop by stage and day.", no_args_is_help=True,
    add_completion=False)
app.command("check")(check)

RecipeName = Annotated[str, typer.Argument(
    metavar="NAME|FILE", help="Built-in recipe, or a recipe file.")]


@app.command("list")
def list_recipes(*, as_json: AsJson = False) -> None:
    """List the built-in recipes."""
    found = [serialize.summary_json(model.load(name)) for name in model.names()]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = _table("recipe", "days", "stages", "")
    for one in found:
        table.add_row(one["name"], str(one["days"]), ", ".join(one["stages"]), one["text"])
    Console().print(table)


@app.command()
def show(name: RecipeName, *, as_json: AsJson = False) -> None:
    """Show the stages and sources of a recipe."""
    found = serialize.recipe_json(model.find(name))
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    console.print(Text(f"{found['name']}: {found['text']}", style="bold"))
    table = _table("stage", "from day", "days", "setpoints at end", "light mol/m2/d", "source")
    for stage in found["stages"]:
        setpoints = "\n".join(f"{line['label']} {line['text']}" for line in stage["setpoints"])
        table.add_row(stage["name"], str(stage["first_day"]), str(stage["days"]), setpoints,
                      f"{stage['dli_mol_m2']:.1f}", stage["source"])
    console.print(table)
    console.print(f"Light at full duty: {found['ppfd_umol_m2_s']} umol/m2/s.")
    for source in found["sources"]:
        console.print(Text(f"· {source}", style="dim"))


@app.command()
def start(
    node: NodeName, name: RecipeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False
) -> None:
    """Start a recipe today: of the host's library by name, or a file.

    Refused if the safety gate of the node cannot follow it."""
    is_file = model.is_file(name)
    body = {"toml": model.find(name).toml} if is_file else {"recipe": name}
    client = HostClient(url)
    if not is_file and not as_json:
        notes = client.get(f"{node_path(node)}/recipe/notes", recipe=name)["notes"]
        for note in notes:
            typer.echo(f"note: {note['stage']}: {text_of(note['reason'])}", err=True)
    started = client.send("POST", f"{node_path(node)}/recipe", body | {"by": cli_user()})
    _await_node(client, node, started, as_json=as_json)


@app.command()
def status(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Show the progress of a recipe and its next change."""
    _show(node, HostClient(url).get(f"{node_path(node)}/recipe")["run"], as_json=as_json)


@app.command()
def skip(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Skip to the first day of the next stage."""
    _send(url, node, "skip", as_json=as_json)


@app.command()
def resume(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Resend today's setpoints to a node that refused some."""
    _send(url, node, "resume", as_json=as_json)


@app.command()
def stop(node: NodeName, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Stop the recipe of a node. Its setpoints do not change."""
    client = HostClient(url)
    answer = client.send("POST", f"{node_path(node)}/recipe/stop", {"by": cli_user()})
    _show(node, answer["run"], as_json=as_json)


def _send(url: str, node: str, verb: str, *, as_json: bool) -> None:
    client = HostClient(url)
    answer = client.send("POST", f"{node_path(node)}/recipe/{verb}", {"by": cli_user()})
    _await_node(client, node, answer, as_json=as_json)


def _await_node(client: HostClient, node: str, answer: dict[str, Any], *, as_json: bool) -> None:
    """Wait for the node to confirm the setpoints. Raises CommandFailed when held.

    No answer is not a failure: the host keeps retrying."""
    deadline_s = time.monotonic() + CONFIRM_S
    run = answer["run"]
    while run["state"] == "running" and run["confirmation"]["state"] == "pending":
        if time.monotonic() > deadline_s:
            break
        time.sleep(POLL_S)
        run = client.get(f"{node_path(node)}/recipe")["run"]
    _show(node, run, as_json=as_json)
    if run["state"] == "held":
        raise CommandFailed(f"{node}: {run['text']}")


def _show(node: str, run: dict[str, Any] | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(run))
        return
    if run is None:
        typer.echo(f"{node} has not run a recipe. `idroserra recipe list` lists them.")
        return
    console = Console()
    level = run["level"]
    console.print(Text(f"{SIGNS[level]} {node}: {run['text']}", style=STYLES[level]))
    if run["at"] is None:
        return
    table = _table("", "recipe", "current")
    for line in run["setpoints"]:
        other = line["in_force"] or ("same" if line["is_confirmed"] else "unknown")
        table.add_row(line["label"], line["text"],
                      f"{other}, set by hand" if line["is_by_hand"] else other)
    console.print(table)
    if run["next"] is not None:
        console.print(_next_text(run["next"]))


def _next_text(then: dict[str, Any]) -> str:
    day = datetime.fromtimestamp(then["unix_ms"] / 1_000).astimezone().strftime("%d %b")
    wanted = "; ".join(f"{line['label']} {line['text']}" for line in then["setpoints"])
    return f"Next on {day}, day {then['day']}, {then['stage_name']}: {wanted}"


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title)
    return table
