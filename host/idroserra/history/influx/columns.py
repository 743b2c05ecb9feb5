"""The columns of a chart: what is asked of the database, and what its rows become.

InfluxDB 1.6.7 takes some 6 µs for each value of each span that it computes (GROUP BY time), and a
tenth of that for one that it only reads. So where a column is made of few roll-ups, those are read
as they are and put together here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from idroserra.history.influx.downsampling_v1 import DAYS, HOURS, LATE_MS, MINUTES, ROLLUPS, Rollup
from idroserra.history.line_protocol import query_text
from idroserra.history.models import Column

MOST_READ = 6  # roll-ups a column that are read, not computed

Rows = Sequence[Sequence[Any]]  # a time, then min, sum, count and max of each quantity


class ColumnPlan(NamedTuple):
    """How a chart is cut into columns, and what it is drawn of: coarse first; none: raw points."""

    width_ms: int
    rolled: tuple[Rollup, ...]


def plan_columns(width_ms: int, policies: Collection[str]) -> ColumnPlan:
    """Return the cut for columns of at least `width_ms`, of the roll-ups that there are.

    The width is a multiple of the coarsest one that does not widen it by much; of all those that
    it is a multiple of, the coarsest is read, and hours and minutes for what is too new for it."""
    there = [each for each in ROLLUPS if each.policy in policies]
    fit = [each for each in there if each.from_width_ms <= width_ms]
    if not fit:
        return ColumnPlan(width_ms, ())
    bucket_ms = fit[-1].bucket_ms
    width_ms = -(-width_ms // bucket_ms) * bucket_ms
    coarsest = [each for each in there if width_ms % each.bucket_ms == 0][-1]
    newer = [HOURS, MINUTES] if coarsest is DAYS else [MINUTES]
    return ColumnPlan(width_ms, (coarsest, *(
        each for each in newer if each in there and each is not coarsest)))


def statements(
    node: str, source: str, keys: Sequence[str], span: tuple[int, int], cut: ColumnPlan,
    now_unix_ms: int,
) -> list[str]:
    """Return what gives the Rows of one source of a node over [from, to), in order."""
    start, end = span
    found = []
    if cut.rolled:
        start = start // cut.rolled[0].bucket_ms * cut.rolled[0].bucket_ms
    for rolled in cut.rolled:
        # What is newer may not be rolled up yet; what came late for more than that has its mark.
        # The hours are made of quarters, which are up to date by then.
        edge = now_unix_ms - LATE_MS - 2 * rolled.bucket_ms
        edge = min(end, edge // rolled.bucket_ms * rolled.bucket_ms)
        if start < edge:
            found.append(_of_rolled(node, source, keys, (start, edge), cut.width_ms, rolled,
                                    is_newer=rolled is not cut.rolled[0]))
            start = edge
    if start < end:
        found.append(_of_points(node, source, keys, (start, end), cut.width_ms))
    return found


def where(node: str, from_unix_ms: int, to_unix_ms: int) -> str:
    """Return what chooses the points of a node in [from, to)."""
    return (
        f"node={query_text(node)} AND time >= {from_unix_ms}000000 AND time < {to_unix_ms}000000"
    )


def columns(rows: Iterable[Sequence[Any]], at: int, width_ms: int) -> list[Column]:
    """Return the columns of the quantity whose min, sum, count and max are from place `at` on."""
    found: list[Column] = []
    column_ms, low, total, count, high = -1, 0.0, 0.0, 0, 0.0
    for row in rows:
        least, added, more, most = row[at : at + 4]
        if least is None or not more:
            continue
        unix_ms = row[0] // width_ms * width_ms
        if unix_ms != column_ms:
            if count:
                found.append(Column(column_ms, low, total / count, high))
            column_ms, low, total, count, high = unix_ms, least, added, more, most
        else:
            low, high = min(low, least), max(high, most)
            total, count = total + added, count + more
    if count:
        found.append(Column(column_ms, low, total / count, high))
    return found


def _of_points(
    node: str, source: str, keys: Sequence[str], span: tuple[int, int], width_ms: int
) -> str:
    drawn = ",".join(f'min("{key}"),sum("{key}"),count("{key}"),max("{key}")' for key in keys)
    return (f"SELECT {drawn} FROM sample WHERE {where(node, *span)}"
            f" AND source={query_text(source)} GROUP BY time({width_ms}ms) fill(none)")


def _of_rolled(
    node: str, source: str, keys: Sequence[str], span: tuple[int, int], width_ms: int,
    rolled: Rollup, is_newer: bool,
) -> str:
    is_read = is_newer or width_ms <= MOST_READ * rolled.bucket_ms
    fields = ",".join(
        f'"min_{key}","sum_{key}","count_{key}","max_{key}"' if is_read else
        f'min("min_{key}"),sum("sum_{key}"),sum("count_{key}"),max("max_{key}")' for key in keys)
    cut = "" if is_read else f" GROUP BY time({width_ms}ms) fill(none)"
    return (f'SELECT {fields} FROM "{rolled.policy}"."sample_{rolled.name}"'
            f" WHERE {where(node, *span)} AND source={query_text(source)}{cut}")
