"""`idroserra chem`: water chemistry for programs, one JSON problem a line, and for growers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from idroserra.core.errors import HostError
from idrosim.water_solver.solve import ProblemError, answer


def chem(
    recipe: Annotated[
        str | None, typer.Option(help="Weigh out this recipe instead of reading problems.")
    ] = None,
    volume_l: Annotated[float, typer.Option(min=0.1, max=1e6, help="Litres to make.")] = 100.0,
    water: Annotated[
        str, typer.Option(help='A name, or a report in mg/L: "Ca=48 Mg=10 HCO3=146 pH=7.6".')
    ] = "ro",
    strength: Annotated[float, typer.Option(min=0.05, max=4.0, help="1 is the recipe.")] = 1.0,
    target_ph: Annotated[float, typer.Option(min=3.0, max=9.0, help="pH to end at.")] = 5.8,
    acid: Annotated[str, typer.Option(help="Stock that brings the pH down.")] = "h3po4_10pct",
    base: Annotated[str, typer.Option(help="Stock that brings the pH up.")] = "khco3_1M",
    temp_c: Annotated[float, typer.Option(min=0.0, max=50.0, help="Of the water.")] = 20.0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the batch as JSON.")] = False,
) -> None:
    """Solve water problems: pH, EC, ml of a stock to a target pH; or weigh out a recipe.

    Without --recipe, reads one JSON problem a line on stdin and writes one answer a line, such as
    {"id": 1, "water": {"Ca": 1.2, "C": 2.5}, "target_ph": 5.8, "with": "hno3_10pct"}; a wrong
    problem is answered with its error. docs/chemistry.md has the format. With --recipe NAME,
    prints grams of each salt and ml of acid for --volume-l of solution; --recipe list names them.
    """
    if recipe is None:
        _stream()
        return
    from idroserra.cli.chem.batch import Wanted, weigh

    weigh(Wanted(recipe, volume_l, water, strength, target_ph, acid, base, temp_c),
          as_json=as_json)


def _stream() -> None:
    """Answer every line of stdin, each at once. Raises HostError when stdin cannot be read."""
    if sys.stdin is not None and sys.stdin.isatty():
        typer.echo("idroserra: one JSON problem a line; Ctrl-D ends", err=True)
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
    """Return the answer to one line, whatever it holds."""
    try:
        problem = json.loads(line.decode("utf-8-sig"))
    except RecursionError:
        return _dumped({"id": None, "error": "not JSON we read: nested too deep"})
    except ValueError as error:  # also text that is no UTF-8, numbers of thousands of digits
        return _dumped({"id": None, "error": f"not JSON: {str(error)[:120]}"})
    name = problem.get("id") if isinstance(problem, dict) else None
    try:
        return _dumped({"id": name, **answer(problem)})
    except ProblemError as error:
        return _dumped({"id": name, "error": str(error)})


def _dumped(found: dict[str, Any]) -> str:
    """Return JSON; an id that is none, such as NaN, becomes null."""
    try:
        return json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps({**found, "id": None}, allow_nan=False)
