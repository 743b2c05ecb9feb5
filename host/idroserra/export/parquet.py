"""Converts the CSV of readings or events to Parquet row by row, in constant memory.

Needs pyarrow (`pip install 'idroserra[parquet]'`). Times are timestamps in UTC; a channel with
decimals is a double, one without an int64; an empty cell is null.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import HostError

ROWS_A_GROUP = 20_000
_HEAD = re.compile(r"(?P<name>[^ \[]+) \[(?P<unit>[^\]]*)\]")


class ParquetError(HostError):
    """The Parquet file could not be written."""


def write_parquet(lines: Iterable[str], path: Path) -> int:
    """Write the host's CSV `lines` to `path`; return the number of rows.

    Raises ParquetError without pyarrow, OSError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ParquetError("Parquet needs pyarrow: pip install 'idroserra[parquet]'") from None
    rows = csv.reader(lines)
    columns = [_column(cell) for cell in next(rows)]
    schema = pyarrow.schema([
        pyarrow.field(name, _type(pyarrow, name), metadata={"unit": unit} if unit else None)
        for name, unit in columns])
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        group: list[list[str]] = []
        for row in rows:
            group.append(row)
            count += 1
            if len(group) == ROWS_A_GROUP:
                writer.write_table(_table(pyarrow, schema, group))
                group = []
        if group:
            writer.write_table(_table(pyarrow, schema, group))
    return count


def _column(head: str) -> tuple[str, str]:
    """Return (name, unit) of a header cell; the "unit" of time_local is its zone."""
    found = _HEAD.fullmatch(head)
    return (head, "") if found is None else (found["name"], found["unit"])


def _type(pyarrow: Any, name: str) -> Any:
    if name == "time_utc":
        return pyarrow.timestamp("ms", tz="UTC")
    if name in ("unix_ms", "seq"):
        return pyarrow.int64()
    if "." not in name:
        return pyarrow.string()
    decimals = protocol.split_channel(name)[1].decimals
    return pyarrow.float64() if decimals else pyarrow.int64()


def _table(pyarrow: Any, schema: Any, rows: list[list[str]]) -> Any:
    at_unix_ms = schema.get_field_index("unix_ms")
    arrays = []
    for index, field in enumerate(schema):
        cells: list[Any] = [row[index] for row in rows]
        if pyarrow.types.is_timestamp(field.type):
            cells = [int(row[at_unix_ms]) for row in rows]
        elif pyarrow.types.is_integer(field.type):
            cells = [int(cell) if cell else None for cell in cells]
        elif pyarrow.types.is_floating(field.type):
            cells = [float(cell) if cell else None for cell in cells]
        arrays.append(pyarrow.array(cells, field.type))
    return pyarrow.Table.from_arrays(arrays, schema=schema)
