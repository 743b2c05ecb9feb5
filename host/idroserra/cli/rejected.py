"""`idroserra rejected`: what the host did not understand, and why."""

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
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The newest so many.")] = 20,
    url: Url = DEFAULT_URL,
    *,
    payload: Annotated[bool, typer.Option("--payload", help="Show what came, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show messages and records that were not understood, with the reason.

    A record of newer firmware is kept: once the host is updated, it is read when the host starts.
    """
    found = HostClient(url).get("/api/rejected", limit=limit)
    if as_json:
        typer.echo(json.dumps(found))
        return
    kept = found["rejected"]
    if not kept:
        typer.echo(f"Nothing that was rejected is kept; {found['count']} ever were.")
        return
    Console().print(_table(kept, with_payload=payload))
    typer.echo(f"{len(kept)} shown of {found['count']} that ever were.")


def _table(kept: Sequence[Mapping[str, Any]], *, with_payload: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    titles = ("when", "topic", "reason", *(("payload",) if with_payload else ()))
    for title in titles:
        table.add_column(title, no_wrap=title == "when", overflow="fold")
    for one in kept:
        came = (Text(one["payload"]),) if with_payload else ()
        table.add_row(clock_text(one["unix_ms"]), Text(one["topic"]), Text(one["reason"]), *came)
    return table
