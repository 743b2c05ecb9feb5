"""A tank's water from step to step: what rose while the valve ran, what rose, what fell.

Between two readings the water moved by their difference. Noise is no water: a turn of the level
counts once it has come LEAST_MM back. All steps together are the change from the first reading to
the last, exactly. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

LEAST_MM = 3.0
# Readings further apart than so many steps have a hole between them.
HOLE_STEPS = 3

TOPPED_UP, POURED, LEFT, UNSEEN = range(4)


class Run(NamedTuple):
    """The filling valve was open."""

    from_unix_ms: int
    to_unix_ms: int

    def within(self, from_unix_ms: int, to_unix_ms: int) -> int:
        """Return how many ms of it lie in [from, to)."""
        return max(0, min(self.to_unix_ms, to_unix_ms) - max(self.from_unix_ms, from_unix_ms))


class Amounts(NamedTuple):
    """In ml, all positive but unseen_ml; unread_ms in ms."""

    topped_up_ml: float
    poured_ml: float
    left_ml: float
    unseen_ml: float
    unread_ms: int


class Steps:
    """steps: (unix_ms where it ends, kind, ml), in order; holes: without a reading."""

    def __init__(
        self, steps: Sequence[tuple[int, int, float]], holes: Sequence[Run]
    ) -> None:
        self._steps = steps
        self._ends = [step[0] for step in steps]
        self._holes = holes

    def within(self, from_unix_ms: int, to_unix_ms: int) -> Amounts:
        """Return what moved in the steps that end in [from, to)."""
        sums = [0.0, 0.0, 0.0, 0.0]
        first, last = bisect_left(self._ends, from_unix_ms), bisect_left(self._ends, to_unix_ms)
        for _, kind, moved_ml in self._steps[first:last]:
            sums[kind] += moved_ml
        unread_ms = sum(hole.within(from_unix_ms, to_unix_ms) for hole in self._holes)
        # A day may begin in the middle of a wave of noise: a few ml the wrong way are none.
        return Amounts(max(0.0, sums[TOPPED_UP]), max(0.0, sums[POURED]), max(0.0, -sums[LEFT]),
                       sums[UNSEEN], unread_ms)


def steps_of(
    points: Sequence[tuple[int, float]], span: tuple[int, int], runs: Sequence[Run],
    width_ms: int, ml_per_mm: float,
) -> Steps:
    """Return the steps between points (unix_ms where its column begins, ml) of [from, to)."""
    moved_ml = [after[1] - before[1] for before, after in pairwise(points)]
    kinds = [_kind(before[0], after[0] + width_ms, runs, width_ms)
             for before, after in pairwise(points)]
    # What the valve did, or nobody saw, is no turn of the level.
    by_itself = [ml if kind is None else 0.0 for kind, ml in zip(kinds, moved_ml, strict=True)]
    trends = _trends([0.0, *accumulate(by_itself)], LEAST_MM * ml_per_mm)
    steps = [
        (after[0], kind if kind is not None else POURED if trend > 0 else LEFT, ml)
        for (_, after), kind, trend, ml in zip(
            pairwise(points), kinds, trends, moved_ml, strict=True)]
    return Steps(steps, _holes([unix_ms for unix_ms, _ in points], span, width_ms))


def _kind(
    from_unix_ms: int, to_unix_ms: int, runs: Sequence[Run], width_ms: int
) -> int | None:
    """Return what a step between two columns is, None where the level moved by itself."""
    if to_unix_ms - from_unix_ms > (HOLE_STEPS + 1) * width_ms:
        return UNSEEN
    return TOPPED_UP if any(run.within(from_unix_ms, to_unix_ms) for run in runs) else None


def _holes(begins: Sequence[int], span: tuple[int, int], width_ms: int) -> list[Run]:
    """Return where no column is for more than HOLE_STEPS of them, at both ends too."""
    seen = [span[0], *(unix_ms + width_ms for unix_ms in begins)]
    holes = [Run(*ends) for ends in zip(seen, [*begins, span[1]], strict=True)]
    return [hole for hole in holes
            if hole.to_unix_ms - hole.from_unix_ms > HOLE_STEPS * width_ms]


def _trends(values: Sequence[float], least: float) -> list[int]:
    """Return for each step between values whether it belongs to a rise (1) or to a fall (-1).

    Where nothing has turned yet it is a fall: plants drink."""
    trends: list[int] = [-1] * max(0, len(values) - 1)
    trend, extreme = -1, 0
    for at in range(1, len(values)):
        moved = (values[at] - values[extreme]) * trend
        if moved >= 0:
            extreme = at
        elif moved <= -least:
            trend = -trend
            trends[extreme:at] = [trend] * (at - extreme)
            extreme = at
        trends[at - 1] = trend
    return trends
