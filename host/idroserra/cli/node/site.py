"""`idroserra node site`: which node stands where, and what the places are called."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url, node_path
from idroserra.terminal.tables import STYLES

SiteOption = Annotated[str | None, typer.Option("--site", help="Only this site.")]


def site(
    node: Annotated[
        str | None, typer.Argument(help="The node to move; without it, all sites.")] = None,
    name: Annotated[
        str | None, typer.Argument(help="Where it stands: a site, or the name of a new one.")
    ] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option("--rename", help="OLD NEW: call a site otherwise.")
    ] = None,
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """List the sites, worst first; move a node to another; name a site."""
    if (node is None) != (name is None) or (node is not None and rename is not None):
        raise typer.BadParameter("say NODE and SITE, or --rename OLD NEW, or nothing",
                                 param_hint="NODE")
    client = HostClient(url)
    if rename is not None:
        old, new = rename
        found = client.send("PUT", f"/api/sites/{quote(old, safe='')}", {"name": new})
        said = f"{old} is called {new} now: {', '.join(found['nodes'])}"
    elif node is not None:
        found = client.send("PUT", f"{node_path(node)}/site", {"site": name})
        said = f"{node} stands at {name} now"
    else:
        found = client.get("/api/sites")
        if not as_json:
            _print(found["sites"])
            return
    typer.echo(json.dumps(found) if as_json else said)


def _print(sites: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not sites:
        typer.echo("No node has reported yet, so there is no site.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("site", "how it is", "nodes"):
        table.add_column(title, overflow="fold")
    for one in sites:
        table.add_row(Text(one["site"]), Text(one["text"], style=STYLES[one["level"]]),
                      Text(", ".join(one["nodes"])))
    Console().print(table)
