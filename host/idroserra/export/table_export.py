"""Exports a table of the page as CSV, with cells that a spreadsheet does not evaluate.

A column `..unix_ms` is followed by the time in ISO 8601 UTC and, with a time zone, local time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from idroserra.export.cells import csv_line, safe_cell
from idroserra.export.csv_export import csv_pieces, iso_utc

_TIME = "unix_ms"


def table_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]], zone: ZoneInfo | None
) -> Iterator[str]:
    """Yield the CSV in chunks, the header first. A missing value is an empty cell."""
    yield csv_line([cell for name in columns for cell in _head(name, zone)])
    yield from csv_pieces(
        [cell for name in columns for cell in _cells(name, row.get(name), zone)] for row in rows)


def _head(name: str, zone: ZoneInfo | None) -> list[object]:
    if not name.endswith(_TIME):
        return [name]
    stem = name.removesuffix(_TIME)
    local = [f"{stem}time_local [{zone.key}]"] if zone else []
    return [name, f"{stem}time_utc", *local]


def _cells(name: str, value: object, zone: ZoneInfo | None) -> list[object]:
    if not name.endswith(_TIME):
        return [safe_cell(value)]
    if not isinstance(value, int):
        return ["", "", *([""] if zone else [])]
    local = [datetime.fromtimestamp(value / 1_000, zone).isoformat(timespec="seconds")] if (
        zone) else []
    return [value, iso_utc(value), *local]
