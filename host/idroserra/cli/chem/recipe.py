"""`idroserra chem recipe`: a nutrient recipe from salts, as table or JSON."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from idroserra.core.errors import ConfigError
from idroserra.core.validation import ValidationError, validate
from idroserra.recipes.model import is_file
from idroserra.simulation import nutrient_recipe
from idroserra.simulation.nutrient_plan import problems_of
from idroserra.simulation.nutrient_recipe import RecipeRequest, Shelf, Target, WaterAnalysis
from idrosim.water_solver.salts import BUILT_IN
from idrosim.water_solver.saturation import SLOW
from idrosim.water_solver.solve import ProblemError

_Kind = TypeVar("_Kind", bound=msgspec.Struct)
_SHOWN_INDEX = -3.0  # saturation indices below say nothing


def recipe(
    target: Annotated[str, typer.Argument(
        metavar="NAME|FILE", help="Nutrient solution: a built-in one, or a TOML file.")],
    water: Annotated[str, typer.Option(
        metavar="NAME|FILE", help="ro, soft, medium, hard, or the TOML file of an analysis.",
    )] = "ro",
    shelf: Annotated[Path | None, typer.Option(
        help="TOML file of the salts you have; default: common ones.")] = None,
    minimise: Annotated[Literal["cost", "sodium"] | None, typer.Option(
        help="Default: cost if every salt has a price, else sodium.")] = None,
    strength: Annotated[float, typer.Option(min=0.05, max=4.0, help="Times the target.")] = 1.0,
    ph: Annotated[float | None, typer.Option(
        "--target-ph", min=4.0, max=8.5, help="Default: that of the target, else 5.8.")] = None,
    temp_c: Annotated[float, typer.Option(
        min=0.0, max=50.0, help="Ready solution, °C.")] = 20.0,
    co2: Annotated[Literal["closed", "air"], typer.Option(
        help="pH right after mixing, or once CO2 is in equilibrium with air.")] = "closed",
    concentration: Annotated[float, typer.Option(
        min=2.0, max=400.0, help="Stock solutions: times the ready solution.")] = 100.0,
    stock_l: Annotated[float, typer.Option(
        min=0.1, max=100_000.0, help="Litres of A, and of B.")] = 10.0,
    stock_temp_c: Annotated[float, typer.Option(
        min=0.0, max=50.0, help="The coldest the stock solutions become, °C.")] = 10.0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute the salts and the acid of a nutrient solution, split into stock solutions A and B.

    Exit code 1 if an ion or the pH is missed, or a solid may precipitate: the plan says which and
    by how much. Files: docs/nutrient-recipes.md.
    """
    request = RecipeRequest(
        target=_target(target), ph=ph, strength=strength, temp_c=temp_c, co2=co2,
        concentration=concentration, stock_l=stock_l, stock_temp_c=stock_temp_c,
        minimise=minimise)
    of_water, of_shelf = _water(water), _shelf(shelf)
    place = "--water" if isinstance(of_water, str) else water
    found_water = _read(place, nutrient_recipe.water_of, of_water)
    salts = _read(str(shelf or "--shelf"), nutrient_recipe.shelf_of, of_shelf, minimise,
                  prefix="salt")
    bands = _read("TARGET" if isinstance(request.target, str) else target,
                  nutrient_recipe.bands_of, request.target, strength, found_water)
    plan = _read("chem recipe", nutrient_recipe.planned, request, found_water, salts, bands)
    if as_json:
        typer.echo(json.dumps({"target": target, "water": water, **plan}))
    else:
        _print_plan(f"{target}, strength {strength:g}, in {water} water", plan)
    if not plan["ok"]:
        raise typer.Exit(1)


def salts(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the built-in salts, acids and bases."""
    if as_json:
        typer.echo(json.dumps([
            {"name": salt.name, "formula": salt.formula, "purity_pct": salt.purity_pct,
             "density_kg_l": salt.density_kg_l,
             "molar_mass_g_mol": round(salt.composition.molar_mass, 3), "ions": salt.ions,
             "source": salt.source} for salt in BUILT_IN]))
        return
    table = _table("salt", "formula", "%", "g/mol", "source")
    for salt in BUILT_IN:
        table.add_row(salt.name, salt.formula, f"{salt.purity_pct:g}",
                      f"{salt.composition.molar_mass:.2f}", salt.source)
    Console(highlight=False).print(table)


def _target(given: str) -> str | Target:
    return _load(Path(given), Target) if is_file(given) else given


def _water(given: str) -> str | WaterAnalysis:
    return _load(Path(given), WaterAnalysis) if is_file(given) else given


def _shelf(file: Path | None) -> list[nutrient_recipe.ShelfSalt] | None:
    return None if file is None else _load(file, Shelf).salt


def _load(file: Path, kind: type[_Kind]) -> _Kind:
    """Return a TOML file as `kind`. Raises ConfigError."""
    try:
        return validate(tomllib.loads(file.read_text("utf-8")), kind)
    except ValidationError as error:
        raise ConfigError(str(file), ".".join(error.path), error.why) from None
    except OSError as error:
        raise ConfigError(str(file), "", error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(file), "", f"not TOML: {error}") from None


def _read(place: str, read: Any, *arguments: Any, prefix: str = "") -> Any:
    """Return `read(*arguments)`; a ProblemError becomes a ConfigError of `place`."""
    try:
        return nutrient_recipe.located(prefix, read, *arguments) if prefix else read(*arguments)
    except ProblemError as error:
        raise ConfigError(place, error.field, error.why) from None


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        is_figure = name in ("g", "ml", "%", "g/mol", "wanted", "got", "mmol/l")
        table.add_column(name, justify="right" if is_figure else "left")
    return table


def _print_plan(title: str, plan: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(Text(title, style="bold"))
    console.print(Text(
        f"stock solutions A and B, {plan['stock_l']:g} l each, {plan['concentration']:g} times:"
        f" 1 l of each in {plan['concentration']:g} l, {plan['ready_l']:g} l in all"))
    table = _table("tank", "salt", "formula", "g", "ml")
    for tank in plan["stocks"]:
        for row in tank["salts"]:
            table.add_row(tank["tank"], row["salt"], row["formula"], _figure(row["g"]),
                          "" if row["ml"] is None else _figure(row["ml"]))
    console.print(table)
    ions = _table("ion", "wanted", "got", "mmol/l")
    ions.columns[-1].header = "allowed, mmol/l"
    for ion, one in plan["ions_mmol_l"].items():
        if one["got"] > 0.0005 or one["wanted"]:
            wanted = "" if one["wanted"] is None else f"{one['wanted']:.2f}"
            ions.add_row(ion, wanted, f"{one['got']:.2f}", _allowed(one))
    console.print(ions)
    cost = "" if plan["cost_per_m3"] is None else f"; {plan['cost_per_m3']:.3f} a m3"
    console.print(f"pH [bold]{plan['ph']:.2f}[/bold], EC [bold]{plan['ec_us_cm'] / 1_000:.2f} "
                  f"mS/cm[/bold] at 25 °C; least {plan['minimised']}{cost}")
    console.print(f"saturation: {_indices(plan['saturation'])}")
    for tank in plan["stocks"]:
        if tank["ph"] is not None:
            console.print(f"  in {tank['tank']}: pH {tank['ph']:.1f}; "
                          f"{_indices(tank['saturation'])}")
    for note in plan["notes"]:
        console.print(Text(f"! {note}", style="yellow"))
    for problem in problems_of(plan):
        console.print(Text(f"✗ {problem}", style="bold red"))


def _figure(value: float) -> str:
    """Return grams or ml as scales and cylinders show them: four digits."""
    return f"{value:.0f}" if value >= 1_000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _allowed(one: dict[str, Any]) -> str:
    if one["low"] is None:
        return ""
    return f"{one['low']:.2f} .. {'' if one['high'] is None else format(one['high'], '.2f')}"


def _indices(indices: dict[str, float]) -> str:
    """Return the indices that are near or above saturation; slow solids in brackets."""
    shown = [f"({name} {index:+.1f})" if name in SLOW else f"{name} {index:+.1f}"
             for name, index in indices.items() if index > _SHOWN_INDEX]
    return ", ".join(shown) or "nothing near"
