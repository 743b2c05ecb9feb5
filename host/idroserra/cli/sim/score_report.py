"""What the reports of `idroserra sim score` have in common: interface, progress bar and tables."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from idroserra.terminal.tables import plain_table
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.measures import Measures

_TEXTS = ("misses", "cause", "what it is", "policy", "reason", "kept")


class Report(Protocol):
    """Presents a board of cells."""

    cells: list[Cell]

    def page(self, board: list[Measures], days: float, picture: str | None) -> str:
        """Return the page in Markdown; `picture` is the relative path of the chart."""
        ...

    def chart(self, board: list[Measures]) -> bytes:
        """Return the chart as PNG. Raises ImportError without matplotlib."""
        ...

    def to_json(self, board: list[Measures]) -> dict[str, Any]:
        """Return everything as plain data."""
        ...

    def show(self, board: list[Measures]) -> None:
        """Print the board."""
        ...

    def is_kept(self, board: list[Measures]) -> bool:
        """Return True if Idroserra's own policy keeps what it promises."""
        ...


def progress(*, quiet: bool) -> Progress:
    """Return a progress bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)


def table_of(titles: tuple[str, ...], rows: list[list[str]]) -> Table:
    """Return a table without borders; numbers are right-aligned."""
    numbers = [title for title in titles[1:] if title not in _TEXTS]
    table = plain_table(*titles, no_wrap=titles[:1], right=numbers, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table
