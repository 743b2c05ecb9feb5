"""`idroserra node site`: list and rename sites, move nodes between sites."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url, node_path
from idroserra.terminal.tables import STYLES, plain_table

SiteOption = Annotated[str | None, typer.Option("--site", help="Only this site.")]


def site(
    node: Annotated[
        str | None, typer.Argument(help="Node to move; default: list the sites.")] = None,
    name: Annotated[str | None, typer.Argument(help="Existing or new site of the node.")] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option("--rename", help="Rename site OLD to NEW.")] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """List the sites, worst first; move a node to a site; rename a site."""
    if (node is None) != (name is None) or (node is not None and rename is not None):
        raise typer.BadParameter("give NODE and NAME, or --rename OLD NEW, or nothing",
                                 param_hint="NODE")
    client = HostClient(url)
    if rename is not None:
        old, new = rename
        found = client.send("PUT", f"/api/sites/{quote(old, safe='')}", {"name": new})
        text = f"{old} renamed to {new}: {', '.join(found['nodes'])}"
    elif node is not None:
        found = client.send("PUT", f"{node_path(node)}/site", {"site": name})
        text = f"{node} moved to {name}"
    else:
        found = client.get("/api/sites")
        if not as_json:
            _print(found["sites"])
            return
    typer.echo(json.dumps(found) if as_json else text)


def _print(sites: list[dict[str, Any]]) -> None:
    if not sites:
        typer.echo("No sites: no node has reported yet.")
        return
    table = plain_table("site", "status", "nodes")
    for one in sites:
        table.add_row(Text(one["site"]), Text(one["text"], style=STYLES[one["level"]]),
                      Text(", ".join(one["nodes"])))
    Console().print(table)
