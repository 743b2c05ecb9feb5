"""`idroserra feed`: list the databases beside the store, and send one the past."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from idroserra.cli.export import moment_ms
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, CommandFailed, Url, now_unix_ms
from idroserra.terminal.tables import STYLES, clock_text, plain_table

app = typer.Typer(
    help="Databases that receive all readings beside the store (docs/store.md).",
    no_args_is_help=True, add_completion=False)

LOOK_S = 1.0
_UNITS_S = ((86_400, "days"), (3_600, "h"), (60, "min"))

State = Mapping[str, Any]


@app.command("list")
def list_feeds(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """List the feeds: whether each works, and what waits for it."""
    states = HostClient(url).get("/api/feeds")["feeds"]
    if as_json:
        typer.echo(json.dumps(states))
    elif not states:
        typer.echo("No [[feed]] in the configuration of the host.")
    else:
        Console().print(_table(states))


@app.command()
def fill(
    name: Annotated[str, typer.Argument(help="Name of the feed, from `list`.")],
    begin: Annotated[
        str | None, typer.Option("--from", help="Without what is older, ISO 8601, such as "
                                 "2026-01-31; default: everything.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Send a feed the past that the store keeps, and show how far it is.

    The host does it, also if this command ends. What the feed has already stays as it is.
    """
    from_unix_ms = 0 if begin is None else max(0, moment_ms(begin, None, "--from"))
    client, began_unix_ms = HostClient(url), now_unix_ms()
    state = client.send("POST", f"/api/feeds/{quote(name, safe='')}/fill",
                        {"from_unix_ms": from_unix_ms})
    try:
        ended = _await_past(client, state, began_unix_ms)
    except KeyboardInterrupt:
        typer.echo(f"The host goes on. `idroserra feed list` shows what waits for {name}.",
                   err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(ended))
        return
    refused = f", {ended['refused']:,} refused" if ended["refused"] else ""
    typer.echo(f"{name}: the past is sent; {ended['written']:,} readings and events since the feed"
               f" was added{refused}")


def _await_past(client: HostClient, state: State, began_unix_ms: int) -> State:
    """Wait until a feed has what is older than `began_unix_ms`; return its last state."""
    name, total_ms, why = state["name"], max(1, state["span_ms"]), ""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.fields[waits]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=total_ms, waits="")
        # Newer readings arrive meanwhile, so that something may wait at every moment.
        while state["span_ms"] and state["oldest_unix_ms"] < began_unix_ms:
            progress.update(bar, completed=max(0, total_ms - state["span_ms"]),
                            waits=_waiting_text(state))
            if state["why"] != why:
                why = state["why"]
                console.print(Text(f"{name} {_state_text(state)}"), soft_wrap=True)
            time.sleep(LOOK_S)
            state = _state_of(client, name)
    return state


def _state_of(client: HostClient, name: str) -> State:
    """Return the state of a feed. Raises CommandFailed if the host has it no longer."""
    for state in client.get("/api/feeds")["feeds"]:
        if state["name"] == name:
            return dict(state)
    raise CommandFailed(f"{name} is no longer in the configuration of the host")


def _table(states: Sequence[State]) -> Table:
    table = plain_table("feed", "database", "state", "waits", "sent", "refused",
                        no_wrap=("feed", "sent", "refused"), right=("sent", "refused"))
    for one in states:
        style = STYLES["bad" if one["why"] else "ok"]
        table.add_row(Text(one["name"]), Text(one["where"]), Text(_state_text(one), style=style),
                      _waiting_text(one), f"{one['written']:,}", f"{one['refused']:,}")
    return table


def _state_text(state: State) -> str:
    if state["failed_unix_ms"] is None:
        return "works"
    return f"takes nothing since {clock_text(state['failed_unix_ms'])}: {state['why']}"


def _waiting_text(state: State) -> str:
    if not state["span_ms"]:
        return "up to date"
    span_s = state["span_ms"] / 1_000
    shown = next((f"{span_s / length_s:,.1f} {unit}" for length_s, unit in _UNITS_S
                  if span_s >= length_s), f"{max(1, round(span_s))} s")
    return f"{shown} of history, oldest {clock_text(state['oldest_unix_ms'])}"
