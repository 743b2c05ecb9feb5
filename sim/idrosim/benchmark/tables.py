"""Tables and chart of the scoreboard, and the check of its aims.

matplotlib is imported only when a chart is drawn. CPython only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any, NamedTuple

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import BAND_PH, Cell
from idrosim.benchmark.measures import Measures
from idrosim.scenarios.chart import png_of

IN_BAND, OVER_PH, OVER_MS_CM, REAGENT = 0.97, 0.10, 0.10, 1.10
_LEGEND = ("Dot: one cell.", "Bar: median.", "Dashed: aim.", "Hollow: never in band.")
_INK, _FIRMWARE, _PEER, _AIM = "#334155", "#15803d", "#94a3b8", "#dc2626"


class Column(NamedTuple):
    """One measure: title, accessor, decimals, whether high values are worse, and its aim."""

    title: str
    read: Callable[[Measures], float | None]
    decimals: int
    is_high_worse: bool
    aim: float | None


COLUMNS = (
    Column("hours to band", lambda m: m.to_band_h, 1, True, None),
    Column("% in band then", lambda m: _percent(m.in_band_ratio), 1, False, 100.0 * IN_BAND),
    Column("overshoot pH", lambda m: m.over_ph, 2, True, OVER_PH),
    Column("overshoot mS/cm", lambda m: m.over_ms_cm, 3, True, OVER_MS_CM),
    Column("reagent / least", lambda m: m.reagent_ratio, 2, True, REAGENT),
    Column("doses", lambda m: float(m.doses), 0, True, None),
    Column("worst pH, off", lambda m: abs(m.worst_ph - m.target_ph), 2, True, BAND_PH),
)


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100.0 * ratio


# Aims in the JSON output: measure, limit, whether more is better, decimals for the comparison.
AIMS = (
    ("in_band_ratio", IN_BAND, True, 6), ("over_ph", OVER_PH, False, 2),
    ("over_ms_cm", OVER_MS_CM, False, 2), ("reagent_ratio", REAGENT, False, 2),
)


def aims(found: Measures) -> list[dict[str, Any]]:
    """Return each aim of a week: its limit, the value, and whether the value meets it.

    A value of None meets the aim. A week that was never in band, or ended locked, misses a
    separate aim.
    """
    rows = []
    for name, limit, is_more_better, decimals in AIMS:
        value = getattr(found, name)
        is_met = value is None or (
            value >= limit if is_more_better else round(value, decimals) <= limit)
        rows.append({"aim": name, "limit": limit, "found": value, "is_met": is_met})
    rows[0]["is_met"] = found.to_band_h is not None and rows[0]["is_met"]
    rows.append({"aim": "not_locked", "limit": "", "found": found.locked,
                 "is_met": not found.locked})
    return rows


def to_json(board: list[Measures], cells: list[Cell]) -> dict[str, Any]:
    """Return a board as plain data: each cell, and its week under every policy."""
    weeks: dict[str, list[Measures]] = {}
    for week in board:
        weeks.setdefault(week.cell, []).append(week)
    return {
        "are_aims_met": not any(misses(w) for w in board if w.policy == firmware_policy.NAME),
        "cells": [{
            "cell": cell.name, "volume_l": cell.volume_l, "seed": cell.seed,
            "temp_c": cell.temp_c, "probes": cell.probes, "stocks": cell.stocks,
            "target_ph": cell.target_ph, "target_us_cm": cell.target_us_cm,
            "band_ph": BAND_PH, "band_us_cm": cell.band_us_cm, "fill_ph": cell.fill_ph,
            **asdict(cell.titration),
            "policies": {
                week.policy: {**week.to_json(), "aims": aims(week), "misses": misses(week)}
                for week in weeks.get(cell.name, [])},
        } for cell in cells],
    }


def misses(found: Measures) -> list[str]:
    """Return the missed aims of a week as texts."""
    if found.to_band_h is None:
        lock = f", dosing was locked: {found.locked}" if found.locked else ""
        return [f"never in band{lock}"]
    texts = []
    if found.in_band_ratio is not None and found.in_band_ratio < IN_BAND:
        texts.append(f"{100 * found.in_band_ratio:.1f} % in band (pH "
                     f"{100 * (found.ph_in_band_ratio or 0.0):.1f} %, EC "
                     f"{100 * (found.ec_in_band_ratio or 0.0):.1f} %)")
    if round(found.over_ph, 2) > OVER_PH:
        texts.append(f"overshoot {found.over_ph:.2f} pH")
    if round(found.over_ms_cm, 2) > OVER_MS_CM:
        texts.append(f"overshoot {found.over_ms_cm:.2f} mS/cm")
    if found.reagent_ratio is not None and round(found.reagent_ratio, 2) > REAGENT:
        texts.append(f"{found.reagent_ratio:.2f} times the minimum reagent")
    if found.locked:
        texts.append(f"dosing was locked: {found.locked}")
    return texts


def by_policy(board: list[Measures]) -> dict[str, list[Measures]]:
    """Return the weeks of each policy, in the order of the board."""
    found: dict[str, list[Measures]] = {}
    for measures in board:
        found.setdefault(measures.policy, []).append(measures)
    return found


def summary(board: list[Measures]) -> list[list[str]]:
    """Return a row per policy: cells that meet every aim, then median and worst of each measure.

    A cell that was never in band counts as the worst of the hours.
    """
    rows = []
    for policy, weeks in by_policy(board).items():
        good = sum(not misses(week) for week in weeks)
        row = [policy, f"{good} of {len(weeks)}"]
        for column in COLUMNS:
            values = [value for week in weeks if (value := column.read(week)) is not None]
            row.append(_pair(column, values, len(weeks)))
        rows.append(row)
    return rows


COMPARISON_TITLES = ("measure", "ours, worst", "best peer, worst", "peer", "ours, median",
                     "best peer, median", "peer")


def comparison(board: list[Measures]) -> list[list[str]]:
    """Return a row per measure that affects the crop: our value and that of the best peer.

    Worst is over all cells; a policy with a cell that was never in band is not compared.
    """
    weeks = by_policy(board)
    ours = weeks.pop(firmware_policy.NAME, [])
    rows = []
    for column in COLUMNS:
        if column.title == "doses" or not weeks or not ours:
            continue
        line = [column.title]
        for pick in (_worst, _median):
            costs = {name: _cost(column, pick(column, found)) for name, found in weeks.items()}
            best = min(costs, key=costs.__getitem__)
            line += [_shown(column, pick(column, ours)), _shown(column, pick(column, weeks[best])),
                     best]
        rows.append(line)
    return rows


def _worst(column: Column, weeks: list[Measures]) -> float | None:
    values = [column.read(week) for week in weeks]
    known = [value for value in values if value is not None]
    if not known or (column.title in _IN_BAND_ONLY and len(known) < len(values)):
        return None
    return max(known) if column.is_high_worse else min(known)


def _median(column: Column, weeks: list[Measures]) -> float | None:
    known = [value for week in weeks if (value := column.read(week)) is not None]
    return median(known) if known else None


def _cost(column: Column, value: float | None) -> float:
    if value is None:
        return float("inf")
    return value if column.is_high_worse else -value


def _shown(column: Column, value: float | None) -> str:
    return "-" if value is None else f"{value:.{column.decimals}f}"


_IN_BAND_ONLY = ("hours to band", "% in band then")
SUMMARY_TITLES = ("policy", "cells good", *(column.title for column in COLUMNS))


def _pair(column: Column, values: list[float], count: int) -> str:
    if not values:
        return "-"
    text = _shown(column, max(values) if column.is_high_worse else min(values))
    if column.title == "hours to band" and len(values) < count:
        text = f"never in {count - len(values)}"
    return f"{_shown(column, median(values))} / {text}"


def row(week: Measures) -> list[str]:
    """Return one week as texts: cell, measures, misses."""
    texts = [_shown(column, column.read(week)) for column in COLUMNS]
    return [week.cell, *texts, "; ".join(misses(week))]


ROW_TITLES = ("cell", *(column.title for column in COLUMNS), "misses")


def table(titles: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a Markdown table; all but the first column and "misses" are right-aligned."""
    rule = ["---"] + ["---:" if title != "misses" else "---" for title in titles[1:]]
    lines = ["| " + " | ".join(line) + " |" for line in (list(titles), rule, *rows)]
    return "\n".join(lines)


def png(board: list[Measures]) -> bytes:
    """Return the chart as a PNG file: a panel per measure, a dot per cell. Raises ImportError."""
    from matplotlib.figure import Figure

    weeks = by_policy(board)
    figure = Figure(figsize=(13, 7), dpi=110, facecolor="white", layout="constrained")
    axes = figure.subplots(2, 4, sharey=True).flat
    for axis, column in zip(axes, COLUMNS, strict=False):
        _panel(axis, column, weeks)
    axes[7].set_axis_off()
    for line, text in enumerate(_LEGEND):
        axes[7].annotate(text, (0.05, 0.9 - 0.09 * line), xycoords="axes fraction", color=_INK,
                         fontsize=9, annotation_clip=False).set_in_layout(False)
    return png_of(figure)


def _panel(axis: Any, column: Column, weeks: dict[str, list[Measures]]) -> None:
    names = list(weeks)
    for place, name in enumerate(reversed(names)):
        color = _FIRMWARE if name == firmware_policy.NAME else _PEER
        values = [column.read(week) for week in weeks[name]]
        known = [value for value in values if value is not None]
        spread = [place + 0.5 * (index / max(1, len(values) - 1) - 0.5)
                  for index in range(len(values))]
        axis.plot(known, [y for y, v in zip(spread, values, strict=True) if v is not None],
                  linestyle="", marker=".", markersize=4, color=color, alpha=0.7)
        if known:
            axis.plot([median(known)] * 2, [place - 0.35, place + 0.35], color=color, linewidth=2)
        if column.title == "hours to band":
            lost = [y for y, v in zip(spread, values, strict=True) if v is None]
            axis.plot([168.0] * len(lost), lost, linestyle="", marker="o", markersize=4,
                      markerfacecolor="none", color=color)
    if column.title in ("hours to band", "doses", "reagent / least"):
        axis.set_xscale("log")
    if column.aim is not None:
        axis.axvline(column.aim, color=_AIM, linewidth=1, linestyle=(0, (4, 3)))
    axis.set_yticks(range(len(names)), list(reversed(names)))
    axis.set_title(column.title, fontsize=10, color=_INK, loc="left")
    axis.tick_params(colors=_INK, labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color="#e2e8f0", linewidth=0.7)
