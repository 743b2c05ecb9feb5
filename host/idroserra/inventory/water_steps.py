"""Classifies the changes of a tank's level as topped up, poured in or left. Pure.

Between two readings the level changed by their difference. To reject noise, the trend turns only
once the level has moved back by LEAST_MM. All steps together equal the change from the first
reading to the last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

LEAST_MM = 3.0
# Readings further apart than this many steps have a gap between them.
HOLE_STEPS = 3

TOPPED_UP, POURED, LEFT, UNSEEN = range(4)


class ValveRun(NamedTuple):
    """An interval in which the fill valve was open."""

    from_unix_ms: int
    to_unix_ms: int

    def within(self, from_unix_ms: int, to_unix_ms: int) -> int:
        """Return how many ms of it are within [from, to)."""
        return max(0, min(self.to_unix_ms, to_unix_ms) - max(self.from_unix_ms, from_unix_ms))


@dataclass(frozen=True)
class Amounts:
    """Water in ml, all positive but unseen_ml: the change of volume across gaps in the level
    readings, which last unread_ms."""

    topped_up_ml: float
    poured_ml: float
    left_ml: float
    unseen_ml: float
    unread_ms: int


class Steps:
    """steps: (unix_ms of the end, kind, ml), in order; read: the times of the readings, in order;
    holes: intervals without a reading."""

    def __init__(
        self, steps: Sequence[tuple[int, int, float]], read: Sequence[int],
        holes: Sequence[ValveRun],
    ) -> None:
        self._steps = steps
        self._ends = [step[0] for step in steps]
        self._read = read
        self._holes = holes

    def within(self, from_unix_ms: int, to_unix_ms: int) -> Amounts | None:
        """Return the volumes of the steps that end in [from, to); None without a reading in it."""
        if bisect_left(self._read, from_unix_ms) == bisect_left(self._read, to_unix_ms):
            return None
        sums = [0.0, 0.0, 0.0, 0.0]
        first, last = bisect_left(self._ends, from_unix_ms), bisect_left(self._ends, to_unix_ms)
        for _, kind, moved_ml in self._steps[first:last]:
            sums[kind] += moved_ml
        unread_ms = sum(hole.within(from_unix_ms, to_unix_ms) for hole in self._holes)
        # A day may begin within a wave of noise: ignore a few ml of the wrong sign.
        return Amounts(max(0.0, sums[TOPPED_UP]), max(0.0, sums[POURED]), max(0.0, -sums[LEFT]),
                       sums[UNSEEN], unread_ms)


def steps_of(
    points: Sequence[tuple[int, float]], span: tuple[int, int], runs: Iterable[ValveRun],
    width_ms: int, ml_per_mm: Callable[[int], float],
) -> Steps:
    """Return the steps between points (unix_ms of the column's begin, mm) of [from, to).

    runs: of the valve, any number in any order; ml_per_mm: at a time."""
    moved_mm = [after[1] - before[1] for before, after in pairwise(points)]
    kinds = _kinds([unix_ms for unix_ms, _ in points], runs, width_ms)
    # Changes by the valve or in a gap do not turn the trend.
    by_itself = [mm if kind is None else 0.0 for kind, mm in zip(kinds, moved_mm, strict=True)]
    trends = _trends([0.0, *accumulate(by_itself)], LEAST_MM)
    steps = [
        (after[0], kind if kind is not None else POURED if trend > 0 else LEFT,
         mm * ml_per_mm(after[0]))
        for (_, after), kind, trend, mm in zip(
            pairwise(points), kinds, trends, moved_mm, strict=True)]
    read = [unix_ms for unix_ms, _ in points]
    return Steps(steps, read, _holes(read, span, width_ms))


def _kinds(
    columns: Sequence[int], runs: Iterable[ValveRun], width_ms: int
) -> list[int | None]:
    """Return the kind of each step between two columns, None if its trend decides."""
    begins, ends = columns[:-1], [unix_ms + width_ms for unix_ms in columns[1:]]
    opened = [0] * len(columns)  # runs that are in a step and not in the one before
    for run in runs:
        first, last = bisect_right(ends, run.from_unix_ms), bisect_left(begins, run.to_unix_ms)
        if first < last and run.from_unix_ms < run.to_unix_ms:
            opened[first] += 1
            opened[last] -= 1
    return [UNSEEN if end - begin > (HOLE_STEPS + 1) * width_ms else TOPPED_UP if count else None
            for begin, end, count in zip(begins, ends, accumulate(opened), strict=False)]


def _holes(begins: Sequence[int], span: tuple[int, int], width_ms: int) -> list[ValveRun]:
    """Return the intervals longer than HOLE_STEPS columns without one, at both ends too."""
    seen = [span[0], *(unix_ms + width_ms for unix_ms in begins)]
    holes = [ValveRun(*ends) for ends in zip(seen, [*begins, span[1]], strict=True)]
    return [hole for hole in holes if hole.to_unix_ms - hole.from_unix_ms > HOLE_STEPS * width_ms]


def _trends(values: Sequence[float], least: float) -> list[int]:
    """Return 1 (rise) or -1 (fall) for each step between values.

    Before the first turn it is a fall: plants drink."""
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
