"""Draws a daily chart as SVG: range and mean of each day, with the target band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from idroserra.reports.statistics import DayReadings

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 680, 150, 44, 22, 8
MAX_LABELS = 12


def days_chart(
    title: str, days: Sequence[DayReadings | None], labels: Sequence[str],
    band: tuple[float, float] | None, written: Callable[[float], str],
) -> str:
    """Return the SVG of a channel; a day without readings (None) stays empty.

    `written`: formats a value in the user's unit, without the unit."""
    known = [day for day in days if day is not None]
    low = min([day.low for day in known] + ([band[0]] if band else []))
    high = max([day.high for day in known] + ([band[1]] if band else []))
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 1
    low, high = low - pad, high + pad

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    step = (WIDTH - LEFT - 8) / len(days)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}" '
             'font-family="Noto Sans SC, sans-serif" font-size="11">']
    if band:
        parts.append(f'<rect x="{LEFT}" y="{y(band[1]):.1f}" width="{WIDTH - LEFT - 8}" '
                     f'height="{y(band[0]) - y(band[1]):.1f}" fill="#cfe6dc"/>')
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
