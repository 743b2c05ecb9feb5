"""Draws a chart of one channel with braille characters: min to max of each column, the bands of
their time shaded, doses marked under the time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

# Bits of a braille character, 2 dots wide and 4 high: each column from the bottom up.
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_BRAILLE = 0x2800
_LABEL_CHARS = 8
_LINE, _BAND, _AXIS = "bright_cyan", "on grey23", "dim"
DOSES = {"ph_down": ("▼", "magenta"), "ph_up": ("▲", "blue"),
         "nutrient_a": ("●", "green"), "nutrient_b": ("●", "green")}
MIN_WIDTH, MIN_HEIGHT = 24, 4

Column = Sequence[float]  # unix_ms, min, mean, max


@dataclass(frozen=True)
class TimeSpan:
    """A time range [from, to), wall time in ms."""

    from_unix_ms: int
    to_unix_ms: int

    def place(self, unix_ms: float, cells: int) -> int | None:
        """Return the index of a time among `cells` columns; None outside."""
        if not self.from_unix_ms <= unix_ms < self.to_unix_ms:
            return None
        ms = self.to_unix_ms - self.from_unix_ms
        return int((unix_ms - self.from_unix_ms) * cells / ms)


def chart(
    columns: Sequence[Column], span: TimeSpan, size: tuple[int, int], display: Mapping[str, Any],
    bands: Sequence[Mapping[str, Any]] = (), doses: Sequence[Mapping[str, Any]] = (),
) -> Text:
    """Return the chart, size = (width, height) in characters with labels and axis.

    `display`: factor, decimals and notable of the channel. `bands`: from_unix_ms, low and high of
    each, oldest first. `doses`: events of kind dosed.
    """
    width = max(MIN_WIDTH, size[0]) - _LABEL_CHARS
    height = max(MIN_HEIGHT, size[1]) - 2
    if not columns:
        return Text("\n" * (height // 2) + "no readings in this period".center(width), style="dim")
    low, high = _scale(columns, display, [band for band in bands if band["low"] is not None])
    cells = _cells(columns, span, (width, height), (low, high))
    text = Text()
    for row in range(height - 1, -1, -1):
        text.append(_label(row, height, (low, high), display), style=_AXIS)
        value = low + (row + 0.5) / height * (high - low)
        for bits, is_shaded in zip(cells[row], _shaded(value, bands, span, width), strict=True):
            text.append(chr(_BRAILLE + bits) if bits else " ",
                        f"{_LINE} {_BAND}" if is_shaded else _LINE)
        text.append("\n")
    text.append(" " * _LABEL_CHARS)
    text.append(_dose_marks(doses, span, width))
    text.append("\n")
    text.append(_times(span, width), style=_AXIS)
    return text


def _scale(
    columns: Sequence[Column], display: Mapping[str, Any], bands: Sequence[Mapping[str, Any]]
) -> tuple[float, float]:
    """Return the range of the value axis; includes the bands, and noise appears flat."""
    low = min([*(c[1] for c in columns), *(band["low"] for band in bands)])
    high = max([*(c[3] for c in columns), *(band["high"] for band in bands)])
    least = (display["notable"] or 1.0) * 3
    slack = max(least - (high - low), (high - low) * 0.1) / 2
    return low - slack, high + slack


def _cells(
    columns: Sequence[Column], span: TimeSpan, size: tuple[int, int], scale: tuple[float, float]
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


def _label(row: int, height: int, scale: tuple[float, float], display: Mapping[str, Any]) -> str:
    """Return the value label of every second row."""
    if row % 2 and row != height - 1:
        return " " * _LABEL_CHARS
    low, high = scale
    value = (low + (row + 0.5) / height * (high - low)) * display["factor"]
    return f"{value:.{display['decimals']}f}".rjust(_LABEL_CHARS - 1) + " "


def _shaded(
    value: float, bands: Sequence[Mapping[str, Any]], span: TimeSpan, width: int
) -> list[bool]:
    """Return for each cell of a row whether its value is in the band of its time."""
    found = [False] * width
    for band in bands:
        begin = span.place(max(band["from_unix_ms"], span.from_unix_ms), width)
        if begin is not None:
            is_in = band["low"] is not None and band["low"] <= value <= band["high"]
            found[begin:] = [is_in] * (width - begin)
    return found


def _dose_marks(doses: Sequence[Mapping[str, Any]], span: TimeSpan, width: int) -> Text:
    marks: list[tuple[str, str]] = [(" ", "")] * width
    for event in doses:
        x = span.place(event["unix_us"] / 1_000, width)
        if x is not None and event["detail"].get("actuator") in DOSES:
            marks[x] = DOSES[event["detail"]["actuator"]]
    return Text.assemble(*marks)


def _times(span: TimeSpan, width: int) -> str:
    """Return the time axis: labels at start, middle and end."""
    span_ms = span.to_unix_ms - span.from_unix_ms
    form = "%H:%M" if span_ms <= 26 * 3_600_000 else "%d %b"
    begin, middle, end = (
        datetime.fromtimestamp((span.from_unix_ms + span_ms * part / 2) / 1_000).astimezone()
        .strftime(form) for part in range(3))
    gap = width - len(begin) - len(middle) - len(end)
    left = gap // 2
    return " " * _LABEL_CHARS + begin + " " * left + middle + " " * (gap - left) + end
