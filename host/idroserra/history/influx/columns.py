"""Chart columns from InfluxQL: builds the statements and converts their rows.

InfluxDB 1.6.7 needs about 6 µs per value that it aggregates (GROUP BY time), and a tenth of that
to read a value. So a column of few roll-ups is read and aggregated here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from idroserra.history.influx.downsampling_v1 import (
    DAYS,
    HOURS,
    LATE_MS,
    MINUTES,
    QUARTERS,
    ROLLUPS,
    Rollup,
)
from idroserra.history.line_protocol import query_text
from idroserra.history.models import Column

MAX_READ = 6  # roll-ups per column up to which they are read and aggregated here

MIN_GAP_MS = QUARTERS.bucket_ms  # a shorter time without roll-ups is not looked up in the readings

Rows = list[list[Any]]  # time, then min, sum, count and max of each quantity
Span = tuple[int, int]  # [from, to) in unix_ms


class ColumnPlan(NamedTuple):
    """Column width and roll-ups of a chart, the coarsest first; without roll-ups: raw points."""

    width_ms: int
    rolled: tuple[Rollup, ...]


def plan_columns(
    width_ms: int, policies: Collection[str], is_old: bool = False
) -> ColumnPlan:
    """Return the plan for columns of at least `width_ms` from the roll-ups in `policies`.

    The width becomes a multiple of the coarsest roll-up that does not widen it much. The coarsest
    roll-up that divides it is used, and hours and minutes for the newest part of the chart. If
    the readings have expired (`is_old`) it is that of the finest roll-up at least."""
    available = [each for each in ROLLUPS if each.policy in policies]
    fit = [each for each in available if each.from_width_ms <= width_ms]
    if not fit and is_old:
        fit = available[:1]
    if not fit:
        return ColumnPlan(width_ms, ())
    bucket_ms = fit[-1].bucket_ms
    width_ms = -(-width_ms // bucket_ms) * bucket_ms
    coarsest = [each for each in available if width_ms % each.bucket_ms == 0][-1]
    newer = [HOURS, MINUTES] if coarsest is DAYS else [MINUTES]
    return ColumnPlan(width_ms, (coarsest, *(
        each for each in newer if each in available and each is not coarsest)))


class Part(NamedTuple):
    """One statement of a chart, for [start, end) of one source of a node.

    unit_ms: each unit with a reading has a row if it is rolled up; 0 for readings."""

    statement: str
    start_ms: int
    end_ms: int
    unit_ms: int

    def gaps(self, rows: Rows) -> list[Span]:
        """Return the spans of units that have no row."""
        if not self.unit_ms:
            return []
        first, end = self.start_ms // self.unit_ms, -(-self.end_ms // self.unit_ms)
        found: list[Span] = []
        for unit in sorted({*range(first, end)} - {row[0] // self.unit_ms for row in rows}):
            start_ms = max(self.start_ms, unit * self.unit_ms)
            end_ms = min(self.end_ms, (unit + 1) * self.unit_ms)
            if found and found[-1][1] == start_ms:
                start_ms = found.pop()[0]
            found.append((start_ms, end_ms))
        return found


def parts(
    node: str, source: str, keys: Sequence[str], span: Span, cut: ColumnPlan, now_unix_ms: int
) -> list[Part]:
    """Return the statements for the Rows of one source of a node in [from, to), in order."""
    start, end = span
    found = []
    if cut.rolled:
        start = start // cut.rolled[0].bucket_ms * cut.rolled[0].bucket_ms
    for rolled in cut.rolled:
        # Newer data may not be rolled up yet; later arrivals have a mark. Hours are computed from
        # quarters, which are up to date by then.
        edge = now_unix_ms - LATE_MS - 2 * rolled.bucket_ms
        edge = min(end, edge // rolled.bucket_ms * rolled.bucket_ms)
        if start < edge:
            is_read = rolled is not cut.rolled[0] or (
                cut.width_ms <= MAX_READ * rolled.bucket_ms)
            unit_ms = rolled.bucket_ms if is_read else cut.width_ms
            statement = _of_rolled(
                node, source, keys, (start, edge), 0 if is_read else cut.width_ms, rolled)
            found.append(Part(statement, start, edge, max(MIN_GAP_MS, unit_ms)))
            start = edge
    if start < end:
        found.append(Part(of_points(node, source, keys, (start, end), cut.width_ms),
                          start, end, 0))
    return found


def where(node: str, from_unix_ms: int, to_unix_ms: int) -> str:
    """Return the WHERE condition for the points of a node in [from, to)."""
    return (
        f"node={query_text(node)} AND time >= {from_unix_ms}000000 AND time < {to_unix_ms}000000")


def of_kinds(kinds: Sequence[str]) -> str:
    """Return the condition that an event has one of the kinds; "" without kinds."""
    found = " OR ".join(f"kind={query_text(kind)}" for kind in kinds)
    return f" AND ({found})" if found else ""


def columns(rows: Iterable[Sequence[Any]], at: int, width_ms: int) -> list[Column]:
    """Return the columns of the quantity whose min, sum, count and max start at index `at`."""
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


def of_points(node: str, source: str, keys: Sequence[str], span: Span, width_ms: int) -> str:
    """Return the statement that aggregates readings."""
    drawn = ",".join(f'min("{key}"),sum("{key}"),count("{key}"),max("{key}")' for key in keys)
    return (f"SELECT {drawn} FROM sample WHERE {where(node, *span)}"
            f" AND source={query_text(source)} GROUP BY time({width_ms}ms) fill(none)")


def _of_rolled(
    node: str, source: str, keys: Sequence[str], span: Span, width_ms: int, rolled: Rollup
) -> str:
    fields = ",".join(
        f'"min_{key}","sum_{key}","count_{key}","max_{key}"' if not width_ms else
        f'min("min_{key}"),sum("sum_{key}"),sum("count_{key}"),max("max_{key}")' for key in keys)
    group = f" GROUP BY time({width_ms}ms) fill(none)" if width_ms else ""
    return (f'SELECT {fields} FROM "{rolled.policy}"."sample_{rolled.name}"'
            f" WHERE {where(node, *span)} AND source={query_text(source)}{group}")
