"""`idroserra node bottle`: what is left in the bottles, filling one, taking that back."""

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
    doser: Annotated[str | None, typer.Argument(help="A doser, such as ph_down.")] = None,
    volume_ml: Annotated[
        float | None, typer.Option("--ml", min=1, help="It was filled: what is in it now, in ml.")
    ] = None,
    stock: Annotated[str, typer.Option(
        help=f"Which acid or base it is: {', '.join(STOCKS)}.")] = "",
    meq_per_ml: Annotated[float | None, typer.Option(
        "--meq", min=0.001, help="Or its strength, in meq a ml.")] = None,
    url: Url = DEFAULT_URL,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take the newest filling back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is left in the bottles of a node, say that one was filled, or take that back."""
    if undo and volume_ml is not None:
        raise typer.BadParameter("one of both", param_hint="--undo, --ml")
    if (doser is None) != (volume_ml is None and not undo):
        raise typer.BadParameter("such as ph_down --ml 1000, or ph_down --undo",
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
    for column in ("doser", "left", "of", "", "days left", "a day"):
        table.add_column(column, justify="left" if column == "doser" else "right")
    for one in bottles:
        use = one["used_ml_per_day"]
        a_day = "too early to say" if use is None else f"{use:.1f} ml"
        if one["volume_ml"] is None:
            table.add_row(one["doser"], "not known: say --ml", "", "", "", a_day)
            continue
        left, days = one["left_ml"], one["days_left"]
        table.add_row(
            one["doser"], "being counted" if left is None else f"{left:.0f} ml",
            f"{one['volume_ml']:.0f} ml", "" if left is None else f"{one['left_pct']:.0f} %",
            "" if days is None else f"{days:.0f}", a_day)
    return table
