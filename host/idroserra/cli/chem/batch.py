"""`idroserra chem --recipe`: the salts and stocks of a nutrient batch, as table or JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.core.errors import ConfigError
from idrosim.greenhouse.water import RECIPES, WATERS
from idrosim.water_solver import nutrient_batch
from idrosim.water_solver.solve import DOSING_STOCKS, ProblemError


@dataclass(frozen=True)
class BatchRequest:
    """Options of the command line."""

    recipe: str
    volume_l: float
    water: str
    strength: float
    target_ph: float
    acid: str
    base: str
    temp_c: float


def print_batch(wanted: BatchRequest, *, as_json: bool) -> None:
    """Print the batch. Raises ConfigError for invalid names and values."""
    if wanted.recipe == "list":
        typer.echo(f"recipes: {', '.join(name for name in RECIPES if name != 'none')}")
        typer.echo(f"waters:  {', '.join(WATERS)}, or a report in mg/L")
        typer.echo(f"stocks:  {', '.join(DOSING_STOCKS)}")
        return
    for name, stock in (("acid", wanted.acid), ("base", wanted.base)):
        if stock not in DOSING_STOCKS:
            raise ConfigError("chem", name, f"{stock!r}: not one of {', '.join(DOSING_STOCKS)}")
    try:
        water, remark = nutrient_batch.read_water(wanted.water)
        found = nutrient_batch.weigh(
            wanted.recipe, water, wanted.volume_l, wanted.target_ph,
            {"strength": wanted.strength, "acid": wanted.acid, "base": wanted.base,
             "temp_c": wanted.temp_c})
    except ProblemError as error:
        raise ConfigError("chem", error.field, error.why) from None
    notes = ([remark] if remark else []) + list(found.notes)
    if as_json:
        typer.echo(json.dumps(_as_json(wanted, found, notes)))
    else:
        _print_table(wanted, found, notes)


def _as_json(
    wanted: BatchRequest, found: nutrient_batch.Batch, notes: list[str]
) -> dict[str, object]:
    stock, ml = found.dose or (None, 0.0)
    return {
        "recipe": wanted.recipe, "strength": wanted.strength, "volume_l": wanted.volume_l,
        "water": wanted.water, "alkalinity_meq_l": round(found.alkalinity_meq_l, 3),
        "grams": {name: round(grams, 3) for name, grams in found.grams.items()},
        "stock": stock, "stock_ml": round(ml, 2),
        "ph_without_stock": round(found.ph_without_dose, 3), "ph": round(found.ph, 3),
        "ec_us_cm": round(found.ec_us_cm, 1),
        "si_brushite": None if found.si_brushite is None else round(found.si_brushite, 3),
        "ions_mmol_l": {ion: {"wanted": round(pair[0], 3), "got": round(pair[1], 3)}
                        for ion, pair in found.ions.items()},
        "notes": notes,
    }


def _print_table(wanted: BatchRequest, found: nutrient_batch.Batch, notes: list[str]) -> None:
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
    for note in notes:
        console.print(Text(f"! {note}", style="yellow"))
