"""The columns of a chart: what is asked of the database, and what its rows become.

InfluxDB 1.6.7 takes some 6 µs for each value of each span that it computes (GROUP BY time), and a
tenth of that for one that it only reads. So where a column is made of few roll-ups, those are read
as they are and put together here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

from idroserra.store import Column
from idroserra.store.influx_rolls import LATE_MS, ROLLED, Rolled
from idroserra.store.lines import query_text

MOST_READ = 6  # roll-ups a column that are read, not computed

Rows = Sequence[Sequence[Any]]
Columns = dict[str, list[Column]]


class Part(NamedTuple):
    """A statement, and what makes columns of its rows, by the key of the quantity."""

    statement: str
    columns_of: Callable[[Rows], Columns]


class Cut(NamedTuple):
    """How a chart is cut into columns, and what it is drawn of; None: of raw points."""

    width_ms: int
    rolled: Rolled | None


def cut_of(width_ms: int, policies: Collection[str]) -> Cut:
    """Return the cut for columns of at least `width_ms`, of the roll-ups that there are.

    The width is a multiple of the coarsest one that does not widen it by much; of all those that
    it is a multiple of, the coarsest is read."""
    there = [each for each in ROLLED if each.policy in policies]
    fit = [each for each in there if each.from_width_ms <= width_ms]
    if not fit:
        return Cut(width_ms, None)
    bucket_ms = fit[-1].bucket_ms
    width_ms = -(-width_ms // bucket_ms) * bucket_ms
    return Cut(width_ms, [each for each in there if width_ms % each.bucket_ms == 0][-1])


def parts(
    node: str, source: str, keys: Sequence[str], span: tuple[int, int], cut: Cut, now_unix_ms: int
) -> list[Part]:
    """Return what draws the quantities of one source of a node over [from, to), in order."""
    start, end = span
    if cut.rolled is None:
        return [_raw(node, source, keys, start, end, cut.width_ms)]
    bucket_ms = cut.rolled.bucket_ms
    # What is newer may not be rolled up yet; what came late for more than that has its mark. The
    # hours are made of quarters, which are up to date by then.
    edge = (now_unix_ms - LATE_MS - 2 * bucket_ms) // cut.width_ms * cut.width_ms
    start = start // bucket_ms * bucket_ms
    found = []
    if start < edge:
        found.append(_rolled(node, source, keys, start, min(edge, end), cut.width_ms, cut.rolled))
    if edge < end:
        found.append(_raw(node, source, keys, max(edge, start), end, cut.width_ms))
    return found


def where(node: str, from_unix_ms: int, to_unix_ms: int) -> str:
    """Return what chooses the points of a node in [from, to)."""
    return (
        f"node={query_text(node)} AND time >= {from_unix_ms}000000 AND time < {to_unix_ms}000000"
    )


def _raw(
    node: str, source: str, keys: Sequence[str], start: int, end: int, width_ms: int
) -> Part:
    drawn = ",".join(f'min("{key}"),mean("{key}"),max("{key}")' for key in keys)

    def columns_of(rows: Rows) -> Columns:
        found: Columns = {key: [] for key in keys}
        for row in rows:
            for number, key in enumerate(keys):
                low, mean, high = row[1 + 3 * number : 4 + 3 * number]
                if low is not None:
                    found[key].append(Column(row[0], low, mean, high))
        return found

    return Part(
        f"SELECT {drawn} FROM sample WHERE {where(node, start, end)}"
        f" AND source={query_text(source)} GROUP BY time({width_ms}ms) fill(none)", columns_of)


def _rolled(
    node: str, source: str, keys: Sequence[str], start: int, end: int, width_ms: int,
    rolled: Rolled,
) -> Part:
    is_read = width_ms <= MOST_READ * rolled.bucket_ms
    fields = ",".join(
        f'"min_{key}","sum_{key}","count_{key}","max_{key}"' if is_read else
        f'min("min_{key}"),sum("sum_{key}"),sum("count_{key}"),max("max_{key}")' for key in keys)
    cut = "" if is_read else f" GROUP BY time({width_ms}ms) fill(none)"

    def columns_of(rows: Rows) -> Columns:
        joined = _each if width_ms == rolled.bucket_ms else partial(_joined, width_ms)
        return {key: joined(rows, 1 + 4 * number) for number, key in enumerate(keys)}

    return Part(
        f'SELECT {fields} FROM "{rolled.policy}"."sample_{rolled.name}"'
        f" WHERE {where(node, start, end)} AND source={query_text(source)}{cut}", columns_of)


def _each(rows: Rows, at: int) -> list[Column]:
    """Return a column of each roll-up: min, sum, count and max from place `at` of a row."""
    return [Column(row[0], row[at], row[at + 1] / row[at + 2], row[at + 3])
            for row in rows if row[at] is not None and row[at + 2]]


def _joined(width_ms: int, rows: Rows, at: int) -> list[Column]:
    """As _each(), of several roll-ups a column."""
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
