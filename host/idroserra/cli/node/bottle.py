"""`idroserra node bottle`: show bottle levels, record or undo a refill."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from idroserra.client.http import DEFAULT_URL, HostClient
from idroserra.client.requests import AsJson, NodeName, Url, cli_user, node_path
from idroserra.inventory.stock_solutions import STOCKS


def bottle(
    node: NodeName,
    doser: Annotated[str | None, typer.Argument(help="Doser, such as ph_down.")] = None,
    volume_ml: Annotated[
        float | None, typer.Option("--ml", min=1, help="Record a refill: new content, ml.")
    ] = None,
    stock: Annotated[str, typer.Option(
        help=f"Acid or base in the bottle: {', '.join(STOCKS)}.")] = "",
    meq_per_ml: Annotated[float | None, typer.Option(
        "--meq", min=0.001, help="Or its strength, meq/ml.")] = None,
    url: Url = DEFAULT_URL, *,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the newest refill.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the bottle levels of a node, record a refill, or undo it."""
    if undo and volume_ml is not None:
        raise typer.BadParameter("mutually exclusive", param_hint="--undo, --ml")
    if (doser is None) != (volume_ml is None and not undo):
        raise typer.BadParameter("use both, such as ph_down --ml 1000, or ph_down --undo",
                                 param_hint="DOSER --ml")
    client, path = HostClient(url), f"{node_path(node)}/bottles"
    if undo:
        found = client.send("DELETE", f"{path}/{doser}", {})
    elif volume_ml is not None:
        body = {"volume_ml": volume_ml, "stock": stock, "meq_per_ml": meq_per_ml, "by": cli_user()}
        found = client.send("PUT", f"{path}/{doser}", body)
    else:
        found = client.get(path)
    if as_json:
        typer.echo(json.dumps(found["bottles"]))
    else:
        Console().print(_table(found["bottles"]))


def _table(bottles: list[dict[str, Any]]) -> Table:
    table = Table(box=None)
    for column in ("doser", "left", "of", "", "days left", "per day"):
        table.add_column(column, justify="left" if column == "doser" else "right")
    for one in bottles:
        use = one["used_ml_per_day"]
        per_day = "not enough data" if use is None else f"{use:.1f} ml"
        if one["volume_ml"] is None:
            table.add_row(one["doser"], "unknown: set with --ml", "", "", "", per_day)
            continue
        left, days = one["left_ml"], one["days_left"]
        table.add_row(
            one["doser"], "calculating" if left is None else f"{left:.0f} ml",
            f"{one['volume_ml']:.0f} ml", "" if left is None else f"{one['left_pct']:.0f} %",
            "" if days is None else f"{days:.0f}", per_day)
    return table
