"""`idroserra chem`: water chemistry: JSON problems on stdin, nutrient batches and recipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from idroserra.cli.chem.recipe import recipe, salts
from idroserra.core.errors import HostError
from idrosim.water_solver.solve import ProblemError, answer

app = typer.Typer(add_completion=False, invoke_without_command=True)
app.command("recipe")(recipe)
app.command("salts")(salts)


@app.callback()
def chem(
    context: typer.Context,
    batch_of: Annotated[str | None, typer.Option(
        "--recipe", help="Compute a batch of this recipe instead.")] = None,
    volume_l: Annotated[float, typer.Option(min=0.1, max=1e6, help="Volume to make, L.")] = 100.0,
    water: Annotated[
        str, typer.Option(help='Name, or report in mg/L: "Ca=48 Mg=10 HCO3=146 pH=7.6".')] = "ro",
    strength: Annotated[
        float, typer.Option(min=0.05, max=4.0, help="Strength; 1 is the recipe.")] = 1.0,
    target_ph: Annotated[float, typer.Option(min=3.0, max=9.0, help="Target pH.")] = 5.8,
    acid: Annotated[str, typer.Option(help="Stock that lowers the pH.")] = "h3po4_10pct",
    base: Annotated[str, typer.Option(help="Stock that raises the pH.")] = "khco3_1M",
    temp_c: Annotated[float, typer.Option(min=0.0, max=50.0, help="Water, °C.")] = 20.0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the batch as JSON.")] = False,
) -> None:
    """Solve water problems (pH, EC, ml of stock to a target pH), or compute a nutrient batch.

    Without --recipe, reads one JSON problem per line on stdin and writes one answer per line, e.g.
    {"id": 1, "water": {"Ca": 1.2, "C": 2.5}, "target_ph": 5.8, "with": "hno3_10pct"}; an invalid
    problem is answered with its error (format: docs/chemistry.md). With --recipe NAME, prints
    the grams of each salt and ml of acid for --volume-l; --recipe list prints the names.
    """
    if context.invoked_subcommand is not None:
        return
    if batch_of is None:
        _stream()
        return
    from idroserra.cli.chem.batch import print_batch
    from idroserra.simulation.stock_calculator import BatchRequest

    print_batch(BatchRequest(batch_of, volume_l, water, strength, target_ph, acid, base, temp_c),
          as_json=as_json)


def _stream() -> None:
    """Answer each line of stdin immediately. Raises HostError if stdin cannot be read."""
    if sys.stdin is not None and sys.stdin.isatty():
        typer.echo("idroserra: one JSON problem per line; Ctrl-D to end", err=True)
    for line in _lines():
        if line.strip():
            sys.stdout.write(_answer_line(line) + "\n")
            sys.stdout.flush()


def _lines() -> Iterator[bytes]:
    if sys.stdin is None:
        raise HostError("stdin: closed")
    try:
        yield from sys.stdin.buffer
    except OSError as error:
        raise HostError(f"stdin: {error.strerror or error}") from None


def _answer_line(line: bytes) -> str:
    """Return the answer to one line; never raises."""
    try:
        problem = json.loads(line.decode("utf-8-sig"))
    except RecursionError:
        return _dumped({"id": None, "error": "JSON is nested too deeply"})
    except ValueError as error:  # also invalid UTF-8, and numbers of thousands of digits
        return _dumped({"id": None, "error": f"not JSON: {str(error)[:120]}"})
    name = problem.get("id") if isinstance(problem, dict) else None
    try:
        return _dumped({"id": name, **answer(problem)})
    except ProblemError as error:
        return _dumped({"id": name, "error": str(error)})


def _dumped(found: dict[str, Any]) -> str:
    """Return JSON; an id that JSON does not allow, such as NaN, becomes null."""
    try:
        return json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps({**found, "id": None}, allow_nan=False)
