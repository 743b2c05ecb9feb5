"""Lines of a CSV, and cells that a spreadsheet does not evaluate."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

# As OWASP lists them ("CSV Injection"): some locales evaluate the full-width ones too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n",
                  "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: object) -> object:
    """Return a cell; text that a spreadsheet would evaluate is prefixed with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def csv_line(cells: Iterable[object]) -> str:
    """Return one line of a CSV with its end."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
