"""Report of `idroserra sim score --random`: a distribution over greenhouses drawn at random."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from idroserra.cli.sim.score_report import progress, table_of
from idroserra.core.errors import ConfigError
from idrosim.benchmark import distribution, distribution_chart, distribution_page, random_cells
from idrosim.benchmark.distribution import MISSED_TITLES, POLICY_TITLES, QUANTILE_TITLES
from idrosim.benchmark.measures import Measures

_SHOWN = 10  # missed and better cells; --json and --md list all


def draw(count: int, seed: int, wanted: str | None, *, quiet: bool) -> RandomReport:
    """Draw `count` greenhouses of a seed, or the `wanted` ones, with a progress bar on stderr."""
    with progress(quiet=quiet) as bar:
        task = bar.add_task("drawing", total=count)
        try:
            drawn = random_cells.draw(
                count, seed, wanted,
                lambda done, total: bar.update(task, completed=done, total=total))
        except ValueError as error:
            raise ConfigError("--cells" if wanted else "--random", wanted or str(count),
                              str(error)) from None
    return RandomReport(drawn, seed)


class RandomReport:
    """Report of the cells of a seed."""

    def __init__(self, drawn: random_cells.Drawn, seed: int) -> None:
        self.cells = drawn.cells
        self._refused, self._seed = drawn.refused, seed

    def page(self, board: list[Measures], days: float, picture: str | None) -> str:
        """Return the page in Markdown."""
        return distribution_page.page(
            board, self.cells, self._seed, self._refused, days, picture)

    def chart(self, board: list[Measures]) -> bytes:
        """Return the chart as PNG. Raises ImportError without matplotlib."""
        return distribution_chart.png(board)

    def to_json(self, board: list[Measures]) -> dict[str, Any]:
        """Return everything as plain data."""
        return distribution.to_json(board, self.cells, self._seed, self._refused)

    def show(self, board: list[Measures]) -> None:
        """Print promises, quantiles and the worst of the missed cells."""
        console = Console()
        console.print(table_of(POLICY_TITLES, distribution.policy_rows(board)))
        console.print()
        console.print(table_of(QUANTILE_TITLES, distribution.quantile_rows(board)))
        rows = distribution.missed(board, self.cells)
        if rows:
            counts = distribution.cause_counts(board, self.cells).most_common()
            console.print(f"\n{len(rows)} missed, by cause:")
            console.print(table_of(
                ("greenhouses", "cause"), [[str(count), why] for why, count in counts]))
            console.print("\nthe worst of them:")
            console.print(table_of(MISSED_TITLES, distribution.missed_rows(rows[:_SHOWN])))
        better = distribution.better_peers(board)
        for row in better[:_SHOWN]:
            console.print(f"{row.cell}: {row.peer} is in band {100 * row.theirs:.1f} % of the "
                          f"time, ours {100 * row.ours:.1f} %")
        refused = sum(self._refused.values())
        console.print(f"\n{refused} of {refused + len(self.cells)} drawn greenhouses were refused "
                      "by commissioning, and drawn again:")
        console.print(table_of(
            ("refused", "reason"),
            [[str(count), why] for why, count in self._refused.most_common()]))
        console.print()
        for promise in distribution.promises(board):
            mark = "kept  " if promise.is_kept else "BROKEN"
            console.print(f"{mark} {promise.text}: {promise.found:.3g}")

    def is_kept(self, board: list[Measures]) -> bool:
        """Return True if every promise is kept."""
        return all(promise.is_kept for promise in distribution.promises(board))
