"""Chart of the results of random cells. matplotlib is imported only when it is drawn."""

from __future__ import annotations

from typing import Any

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import BAND_PH
from idrosim.benchmark.distribution import MEDIAN_TO_BAND_H, quantiles
from idrosim.benchmark.measures import Measures
from idrosim.benchmark.tables import IN_BAND, by_policy, misses
from idrosim.scenarios.chart import png_of

_INK, _FIRMWARE, _PEER, _AIM = "#334155", "#15803d", "#94a3b8", "#dc2626"
_NEVER_H = 168.0  # where "never in band" is drawn
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 24, 48, 168)
# Measure of tables.COLUMNS: title, aim, whether on a logarithmic axis.
_PANELS = (
    ("hours to band", "hours until pH and EC are right", MEDIAN_TO_BAND_H, True),
    ("% in band then", "% of the time right after that", 100.0 * IN_BAND, False),
    ("worst pH, off", "furthest pH from its target", BAND_PH, True),
)
_LEGEND = ("Thick: half of the greenhouses.  Thin: nine in ten.  Dot: the greenhouse in the "
           "middle.  Dashed: aim.")


def png(board: list[Measures]) -> bytes:
    """Return the chart as a PNG file: a bar per policy and measure. Raises ImportError."""
    from matplotlib.figure import Figure

    weeks = by_policy(board)
    names = list(reversed(weeks))
    figure = Figure(figsize=(13, 1.6 + 0.45 * len(names)), dpi=110, facecolor="white",
                    layout="constrained")
    axes = figure.subplots(1, 1 + len(_PANELS), sharey=True)
    _good(axes[0], names, weeks)
    found = quantiles(board)
    for axis, (measure, title, aim, is_log) in zip(axes[1:], _PANELS, strict=True):
        _bars(axis, names, found[measure], is_log=is_log)
        axis.axvline(aim, color=_AIM, linewidth=1, linestyle=(0, (4, 3)))
        axis.set_title(title, fontsize=10, color=_INK, loc="left")
    for axis in axes:
        axis.tick_params(colors=_INK, labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.grid(axis="x", color="#e2e8f0", linewidth=0.7)
    figure.supxlabel(_LEGEND, fontsize=9, color=_INK)
    return png_of(figure)


def _color(name: str) -> str:
    return _FIRMWARE if name == firmware_policy.NAME else _PEER


def _good(axis: Any, names: list[str], weeks: dict[str, list[Measures]]) -> None:
    """Draw the share of greenhouses where every aim is met."""
    for place, name in enumerate(names):
        share = sum(not misses(week) for week in weeks[name]) / len(weeks[name])
        axis.barh(place, 100.0 * share, color=_color(name), height=0.6)
        axis.annotate(f" {100.0 * share:.3g} %", (100.0 * share, place), va="center", fontsize=9,
                      color=_INK)
    axis.set_xlim(0.0, 115.0)
    axis.set_yticks(range(len(names)), names)
    axis.set_title("% of greenhouses with every aim met", fontsize=10, color=_INK, loc="left")


def _bars(axis: Any, names: list[str], found: dict[str, list[float | None]], *,
          is_log: bool) -> None:
    for place, name in enumerate(names):
        if name not in found:
            continue
        low, lower, middle, upper, high, _ = (
            _NEVER_H if value is None else value for value in found[name])
        color = _color(name)
        axis.plot([low, high], [place, place], color=color, linewidth=1.5)
        axis.plot([lower, upper], [place, place], color=color, linewidth=7,
                  solid_capstyle="butt")
        axis.plot([middle], [place], marker="o", markersize=5, markerfacecolor="white",
                  markeredgecolor=_INK)
    if is_log:
        axis.set_xscale("log")
        low, high = axis.get_xlim()
        ticks = [tick for tick in _TICKS if low <= tick <= high]
        axis.set_xticks(ticks, ["never" if tick == _NEVER_H else f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
