"""`idroserra rejected`: show rejected messages and records."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url
from idroserra.terminal.tables import clock_text, plain_table


def rejected(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Number of newest messages.")] = 20,
    url: Url = DEFAULT_URL, *,
    payload: Annotated[bool, typer.Option("--payload", help="Show the payload.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show rejected messages and records, with their errors.

    Records of newer firmware are retained and read when an updated host starts.
    """
    found = HostClient(url).get("/api/rejected", limit=limit)
    if as_json:
        typer.echo(json.dumps(found))
        return
    messages = found["rejected"]
    if not messages:
        typer.echo(f"No rejected messages retained; {found['count']} in total.")
        return
    columns = ("topic", "error", *(("payload",) if payload else ()))
    table = plain_table("when", *columns, no_wrap=("when",))
    for one in messages:
        table.add_row(clock_text(one["unix_ms"]), *(Text(one[column]) for column in columns))
    Console().print(table)
    typer.echo(f"{len(messages)} of {found['count']} shown.")
