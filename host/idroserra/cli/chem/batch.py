"""`idroserra chem --recipe`: the salts and stocks of a nutrient batch, as table or JSON."""

from __future__ import annotations

import json

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.core.errors import ConfigError
from idroserra.simulation.stock_calculator import (
    BatchRequest,
    StockProblem,
    Weighed,
    batch_json,
    solutions,
    waters,
    weigh,
)
from idrosim.water_solver import nutrient_batch
from idrosim.water_solver.solve import DOSING_STOCKS


def print_batch(wanted: BatchRequest, *, as_json: bool) -> None:
    """Print the batch. Raises ConfigError for invalid names and values."""
    if wanted.recipe == "list":
        typer.echo(f"recipes: {', '.join(solutions())}")
        typer.echo(f"waters:  {', '.join(waters())}, or a report in mg/L")
        typer.echo(f"stocks:  {', '.join(DOSING_STOCKS)}")
        return
    try:
        weighed = weigh(wanted)
    except StockProblem as error:
        raise ConfigError("chem", error.field, error.why) from None
    if as_json:
        typer.echo(json.dumps(batch_json(wanted, weighed)))
    else:
        _print_table(wanted, weighed)


def _print_table(wanted: BatchRequest, weighed: Weighed) -> None:
    found = weighed.batch
    console = Console(highlight=False)
    console.print(Text(
        f"{wanted.recipe}, strength {wanted.strength:g}, in {wanted.volume_l:g} L of"
        f" {wanted.water} water", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("salt")
    table.add_column("g", justify="right")
    table.add_column("concentrate")
    for name, grams in found.grams.items():
        table.add_row(name, f"{grams:.2f}", nutrient_batch.SALTS[name][1])
    console.print(table)
    effect = f"pH {found.ph_without_dose:.2f} → {found.ph:.2f}"
    if found.dose is None:
        console.print(f"no acid or base needed: pH {found.ph:.2f}")
    else:
        stock, ml = found.dose
        console.print(f"pour [bold]{ml:.1f} ml[/bold] of {stock}: {effect}")
    console.print(f"EC {found.ec_us_cm / 1_000:.2f} mS/cm at 25 °C; alkalinity of the water"
                  f" {found.alkalinity_meq_l:.2f} meq/L")
    got = "  ".join(f"{ion} {pair[1]:.2f}" for ion, pair in found.ions.items() if pair[1] > 0.0)
    console.print(Text(f"mmol/L: {got}", style="dim"))
    for note in weighed.notes:
        console.print(Text(f"! {note}", style="yellow"))
