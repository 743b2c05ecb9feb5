"""`idroserra node restored`: after a restore, choose the settings of the node or of the backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, node_path, set_config
from idroserra.terminal.tables import differences_table


def restored(
    node: NodeName, url: Url = DEFAULT_URL, *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the node's settings.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send those of the backup.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the settings of a node differ from a restored backup, and choose."""
    if keep and send:
        raise typer.BadParameter("mutually exclusive", param_hint="--keep, --send")
    client = HostClient(url)
    config = client.node(node)["config"]
    found = config["restored"]
    differences = {} if found is None else found["differences"]
    if keep:
        config = client.send("DELETE", f"{node_path(node)}/config/restored", {})
    elif send and differences:
        config = set_config(client, node, {key: one["backup"] for key, one in differences.items()})
    if as_json:
        typer.echo(json.dumps(config))
    elif found is None:
        typer.echo(f"{node}: nothing of a backup waits for a choice")
    elif keep:
        typer.echo(f"{node}: keeps its own settings")
    elif not differences:  # until it has reported
        typer.echo(f"{node}: has not reported its settings since the backup was restored")
    elif send:
        typer.echo(f"{node}: revision {config['rev']} confirmed: the settings of the backup")
    else:
        made = datetime.fromtimestamp(found["made_unix_ms"] / 1_000, UTC)
        typer.echo(f"{node}: backup of {made.isoformat(' ', 'seconds')}, revision {found['rev']}; "
                   f"the node reports revision {config['reported_rev']}")
        Console().print(differences_table(differences))
        typer.echo("Nothing of the backup was sent. --keep keeps the node's settings, --send "
                   "sends those of the backup.")
