"""A chart of one channel in characters: braille dots from least to most of each column, the band
of its setpoint shaded, doses marked under the time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

# Of a braille character, 2 dots wide and 4 high: the bits of each column, from the bottom up.
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_BRAILLE = 0x2800
_LABEL_CHARS = 8
_LINE, _BAND, _AXIS = "bright_cyan", "on grey23", "dim"
DOSES = {"ph_down": ("▼", "magenta"), "ph_up": ("▲", "blue"),
         "nutrient_a": ("●", "green"), "nutrient_b": ("●", "green")}
LEAST_WIDTH, LEAST_HEIGHT = 24, 4

Column = Sequence[float]  # unix_ms, least, mean, most


@dataclass(frozen=True)
class Span:
    """From when to when, in ms of wall time."""

    from_unix_ms: int
    to_unix_ms: int

    def place(self, unix_ms: float, cells: int) -> int | None:
        """Return which of `cells` a time falls into, None outside."""
        if not self.from_unix_ms <= unix_ms < self.to_unix_ms:
            return None
        ms = self.to_unix_ms - self.from_unix_ms
        return int((unix_ms - self.from_unix_ms) * cells / ms)


def chart(
    columns: Sequence[Column], span: Span, size: tuple[int, int], look: Mapping[str, Any],
    band: Mapping[str, float] | None = None, doses: Sequence[Mapping[str, Any]] = (),
) -> Text:
    """Return the chart, size = (width, height) in characters with labels and axis.

    `look` is a channel's display (factor, decimals, notable), `doses` events of kind dosed.
    """
    width = max(LEAST_WIDTH, size[0]) - _LABEL_CHARS
    height = max(LEAST_HEIGHT, size[1]) - 2
    if not columns:
        return Text("\n" * (height // 2) + "no readings in this time".center(width), style="dim")
    low, high = _scale(columns, look, band)
    cells = _cells(columns, span, (width, height), (low, high))
    text = Text()
    for row in range(height - 1, -1, -1):
        text.append(_label(row, height, (low, high), look), style=_AXIS)
        style = f"{_LINE} {_BAND}" if _is_in_band(row, height, (low, high), band) else _LINE
        text.append("".join(chr(_BRAILLE + bits) if bits else " " for bits in cells[row]), style)
        text.append("\n")
    text.append(" " * _LABEL_CHARS)
    text.append(_dose_marks(doses, span, width))
    text.append("\n")
    text.append(_times(span, width), style=_AXIS)
    return text


def _scale(
    columns: Sequence[Column], look: Mapping[str, Any], band: Mapping[str, float] | None
) -> tuple[float, float]:
    """Return the lowest and highest shown: the band is always in sight, noise stays flat."""
    low, high = min(c[1] for c in columns), max(c[3] for c in columns)
    if band is not None:
        low, high = min(low, band["low"]), max(high, band["high"])
    least = (look["notable"] or 1.0) * 3
    slack = max(least - (high - low), (high - low) * 0.1) / 2
    return low - slack, high + slack


def _cells(
    columns: Sequence[Column], span: Span, size: tuple[int, int], scale: tuple[float, float]
) -> list[list[int]]:
    """Return the braille bits of each cell, rows from the bottom up."""
    width, height = size
    low, high = scale
    cells = [[0] * width for _ in range(height)]
    tops = 4 * height - 1
    for unix_ms, least, _, most in columns:
        x = span.place(unix_ms, 2 * width)
        if x is None:
            continue
        first, last = (round((value - low) / (high - low) * tops) for value in (least, most))
        for y in range(max(0, first), min(tops, last) + 1):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    return cells


def _label(
    row: int, height: int, scale: tuple[float, float], look: Mapping[str, Any]
) -> str:
    """Return the value at the middle of a row, on every second one."""
    if row % 2 and row != height - 1:
        return " " * _LABEL_CHARS
    low, high = scale
    value = (low + (row + 0.5) / height * (high - low)) * look["factor"]
    return f"{value:.{look['decimals']}f}".rjust(_LABEL_CHARS - 1) + " "


def _is_in_band(
    row: int, height: int, scale: tuple[float, float], band: Mapping[str, float] | None
) -> bool:
    if band is None:
        return False
    low, high = scale
    value = low + (row + 0.5) / height * (high - low)
    return band["low"] <= value <= band["high"]


def _dose_marks(doses: Sequence[Mapping[str, Any]], span: Span, width: int) -> Text:
    marks: list[tuple[str, str]] = [(" ", "")] * width
    for event in doses:
        x = span.place(event["unix_us"] / 1_000, width)
        if x is not None and event["detail"].get("actuator") in DOSES:
            marks[x] = DOSES[event["detail"]["actuator"]]
    return Text.assemble(*marks)


def _times(span: Span, width: int) -> str:
    """Return the time axis: a time at its begin, middle and end."""
    span_ms = span.to_unix_ms - span.from_unix_ms
    form = "%H:%M" if span_ms <= 26 * 3_600_000 else "%d %b"
    begin, middle, end = (
        datetime.fromtimestamp((span.from_unix_ms + span_ms * part / 2) / 1_000).astimezone()
        .strftime(form) for part in range(3))
    gap = width - len(begin) - len(middle) - len(end)
    left = gap // 2
    return " " * _LABEL_CHARS + begin + " " * left + middle + " " * (gap - left) + end
