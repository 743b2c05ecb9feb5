"""`idroserra report`: report on a week or a crop of a node, as PDF or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from idroserra.cli.export import moment_ms, replacing, span_ms
from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, node_path, now_unix_ms


def report(
    node: NodeName,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PDF to write.")] = None,
    last: Annotated[str, typer.Option(help="Period up to --to: 7d, 5w.")] = "7d",
    since: Annotated[
        Literal["planting", "recipe"] | None,
        typer.Option(help="Since the newest planting, or the start of the recipe.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Start, ISO 8601, such as 2026-11-01.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="End (exclusive), ISO 8601; default: now.")] = None,
    zone: Annotated[
        str | None, typer.Option("--time-zone", help="Time zone of days; default: the node's."),
    ] = None,
    url: Url = DEFAULT_URL, *, as_json: AsJson = False,
) -> None:
    """Report on a week or a crop: readings, doses, alarms, harvests and notes."""
    if output is None and not as_json:
        raise typer.BadParameter("give --output FILE.pdf or --json", param_hint="--output")
    to_unix_ms = now_unix_ms() if end is None else moment_ms(end, zone, "--to")
    query: dict[str, Any] = {"to_unix_ms": to_unix_ms}
    if begin is not None:
        query["from_unix_ms"] = moment_ms(begin, zone, "--from")
    elif since is not None:
        query["since"] = since
    else:
        query["from_unix_ms"] = to_unix_ms - span_ms(last)
    if zone is not None:
        query["time_zone"] = zone
    client = HostClient(url)
    if as_json:
        typer.echo(json.dumps(client.get(f"{node_path(node)}/report", **query)))
    if output is not None:
        made = client.download(f"{node_path(node)}/report.pdf", **query)
        with replacing(output) as part:
            part.write_bytes(made)
        typer.echo(f"{output}: {len(made) / 1_000:.0f} kB", err=True)
