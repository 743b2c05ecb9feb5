"""Draws a daily chart as SVG: range and mean of each day, with the bands of their time.

The band is lighter where it is not known: before known_from_unix_ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from idroserra.reports.statistics import BandReadings, DayReadings, Span
from idroserra.setpoints.bands import Band

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 680, 150, 44, 22, 8
MAX_LABELS = 12
BAND_FILL, UNKNOWN_FILL = "#cfe6dc", "#ebf5f0"


class ChartDays(NamedTuple):
    """The days of a chart; one without readings (None) stays empty."""

    spans: Sequence[Span]
    days: Sequence[DayReadings | None]
    labels: Sequence[str]


def days_chart(
    title: str, shown: ChartDays, bands: Sequence[BandReadings], written: Callable[[float], str],
    known_from_unix_ms: int | None = None,
) -> str:
    """Return the SVG of a channel.

    `written`: formats a value in the user's unit, without the unit."""
    spans, days, labels = shown
    known = [day for day in days if day is not None]
    limits = [one.band for one in bands if one.band is not None]
    low = min([day.low for day in known] + [band[0] for band in limits])
    high = max([day.high for day in known] + [band[1] for band in limits])
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 1
    low, high = low - pad, high + pad

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    step = (WIDTH - LEFT - 8) / len(days)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}" '
             'font-family="Noto Sans SC, sans-serif" font-size="11">']
    for x, until, band, fill in _band_rects(spans, bands, known_from_unix_ms):
        parts.append(f'<rect x="{LEFT + step * x:.1f}" y="{y(band[1]):.1f}" '
                     f'width="{step * (until - x):.1f}" '
                     f'height="{y(band[0]) - y(band[1]):.1f}" fill="{fill}"/>')
    ticks = 4 if high - low > 2 * pad else 1
    for tick in range(ticks):
        value = low + pad + (high - low - 2 * pad) * tick / 3
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - 8}" stroke="#c9d0ca" '
                     f'stroke-width="0.6"/><text x="{LEFT - 6}" y="{y(value) + 4:.1f}" '
                     f'text-anchor="end" fill="#55625a">{escape(written(value))}</text>')
    every = -(-len(days) // MAX_LABELS)
    for index, (day, label) in enumerate(zip(days, labels, strict=True)):
        x = LEFT + step * (index + 0.5)
        if index % every == 0:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle" '
                         f'fill="#55625a">{escape(label)}</text>')
        if day is None:
            continue
        width = min(18.0, step * 0.6)
        parts.append(f'<rect x="{x - width / 2:.1f}" y="{y(day.high):.1f}" width="{width:.1f}" '
                     f'height="{max(1.0, y(day.low) - y(day.high)):.1f}" rx="2" fill="#0f766e" '
                     f'fill-opacity="0.35"/><path d="M{x - width / 2:.1f} {y(day.mean):.1f}'
                     f'h{width:.1f}" stroke="#0f6a53" stroke-width="2"/>')
    return "".join(parts) + "</svg>"


def _band_rects(
    spans: Sequence[Span], bands: Sequence[BandReadings], known_from_unix_ms: int | None
) -> Iterator[tuple[float, float, Band, str]]:
    """Yield (from, to) in days, the band and its fill."""
    ends = [*(one.from_unix_ms for one in bands), spans[-1][1]][1:]
    for one, until in zip(bands, ends, strict=True):
        if one.band is None:
            continue
        known = min(until, max(one.from_unix_ms, known_from_unix_ms or 0))
        for begin, stop, fill in ((one.from_unix_ms, known, UNKNOWN_FILL),
                                  (known, until, BAND_FILL)):
            if begin < stop:
                yield _day_of(spans, begin), _day_of(spans, stop), one.band, fill


def _day_of(spans: Sequence[Span], unix_ms: int) -> float:
    """Return the place of a time, in days from the first one."""
    place = max(0, bisect_right(spans, (unix_ms, 0)) - 1)
    begin, end = spans[place]
    if unix_ms == end:
        return place + 1
    return place + (unix_ms - begin) / (end - begin)
