"""`idroserra rejected`: show rejected messages and records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, Url
from idroserra.terminal.tables import clock_text


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
    Console().print(_table(messages, with_payload=payload))
    typer.echo(f"{len(messages)} of {found['count']} shown.")


def _table(messages: Sequence[Mapping[str, Any]], *, with_payload: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    titles = ("when", "topic", "error", *(("payload",) if with_payload else ()))
    for title in titles:
        table.add_column(title, no_wrap=title == "when", overflow="fold")
    for one in messages:
        shown = (Text(one["payload"]),) if with_payload else ()
        table.add_row(clock_text(one["unix_ms"]), Text(one["topic"]), Text(one["error"]), *shown)
    return table
