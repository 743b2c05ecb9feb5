"""Parses durations of the command line, such as 90s or 1.5h."""

from __future__ import annotations

import re

import typer

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}


def duration_ms(text: str) -> int:
    """Return the milliseconds of a duration such as 90s, 10m or 1.5h. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|min|h)", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text}: not a number with s, m or h, such as 10m",
                                 param_hint="--for")
    return round(float(found[1]) * _UNITS_MS[found[2]])
