"""Draws the chart of a run: true and measured values, doses, outputs and broken promises.

matplotlib is imported only when a chart is drawn.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from idrosim.scenarios.expectations import Verdict
from idrosim.scenarios.run import Result

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
# signal, label, factor, minimum range of the axis
_PANELS = (
    ("reservoir.ph", "pH", 1.0, 0.5),
    ("reservoir.ec_us_cm", "EC, mS/cm", 0.001, 0.2),
    ("reservoir.level_mm", "level, mm", 1.0, 20.0),
)
_DOSERS = {
    "ph_down": ("acid", "#c2410c"), "ph_up": ("base", "#0e7490"),
    "nutrient_a": ("nutrient A", "#4d7c0f"), "nutrient_b": ("nutrient B", "#a3a11a"),
}
_SWITCHES = {"circulation": "#64748b", "top_off": "#2563eb", "light": "#d97706",
             "irrigation": "#0d9488"}
_MARKS = {
    "latched": ("locked", "#b91c1c"), "stopped": ("stopped", "#b91c1c"),
    "resumed": ("released", "#15803d"), "reset": ("reset", "#7c3aed"),
}
_TRUE, _MEASURED, _BROKEN, _INK = "#0f172a", "#38bdf8", "#dc2626", "#334155"
_MAX_MARKS = 12


class Band(NamedTuple):
    """A target band of the node in a span of scenario time."""

    from_ms: int
    to_ms: int
    low: float
    high: float


def png(result: Result, bands: Mapping[str, Sequence[Band]]) -> bytes:
    """Return the chart as a PNG file. `result` must hold all evidence (run with keep_all).

    `bands` are the target bands by signal. Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9.5), dpi=110, facecolor="white", layout="constrained")
    axes = figure.subplots(5, 1, sharex=True, height_ratios=(3, 2.4, 1.7, 1.7, 1.2))
    unit_ms = _HOUR_MS if result.at_ms <= 3 * _DAY_MS else _DAY_MS
    for axis, panel in zip(axes, _PANELS, strict=False):
        _panel(axis, result, panel, bands.get(panel[0], ()), unit_ms)
    _doses(axes[3], result, unit_ms)
    _outputs(axes[4], result, unit_ms)
    _marks(axes, result, unit_ms)
    for axis in axes:
        axis.set_axisbelow(True)
        axis.grid(axis="y", color="#e2e8f0", linewidth=0.7)
        axis.tick_params(colors=_INK, labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color("#94a3b8")
        axis.set_xlim(0, result.at_ms / unit_ms)
    axes[4].set_xlabel("hours" if unit_ms == _HOUR_MS else "days", color=_INK)
    figure.align_ylabels(axes)
    _title(figure, result)
    return png_of(figure)


def png_of(figure: Any) -> bytes:
    """Return a figure of matplotlib as a PNG file, which has no date and library name: the same
    figure gives the same file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _panel(axis: Any, result: Result, panel: tuple[str, str, float, float],
           bands: Sequence[Band], unit_ms: int) -> None:
    name, label, factor, least = panel
    series = result.evidence.series
    seen: list[float] = []
    for band in bands:
        axis.fill_between([band.from_ms / unit_ms, band.to_ms / unit_ms], band.low * factor,
                          band.high * factor, color="#dcfce7", zorder=0, linewidth=0)
    for kind, color, width in (("measured", _MEASURED, 0), ("true", _TRUE, 1.6)):
        points = sorted(series.get(f"{kind}:{name}", []))
        xs = [at_ms / unit_ms for at_ms, _ in points]
        ys = [value * factor for _, value in points]
        # Outliers and the first minutes must not compress the rest.
        seen += sorted(ys)[len(ys) // 100 : len(ys) - len(ys) // 100]
        style = {"linewidth": width} if width else {"linestyle": "", "marker": ".",
                                                    "markersize": 2.2}
        axis.plot(xs, ys, color=color, label=kind, zorder=3 if width else 2, **style)
    for from_ms, to_ms in _faulty(series.get(f"fault:{name}", [])):
        axis.axvspan(from_ms / unit_ms, to_ms / unit_ms, color="#cbd5e1", alpha=0.55, zorder=1,
                     linewidth=0)
    seen += [bound * factor for band in bands for bound in (band.low, band.high)]
    if seen:
        low, high = min(seen), max(seen)
        spare = max(0.08 * (high - low), (least - (high - low)) / 2, 0.0)
        axis.set_ylim(low - spare, high + spare)
    axis.set_ylabel(label, color=_INK)
    for verdict in result.verdicts:
        if not verdict.is_kept and verdict.expectation.signal.partition(":")[2] == name:
            _broken(axis, verdict, result.at_ms, unit_ms)
    if name == _PANELS[0][0]:
        axis.plot([], [], color="#cbd5e1", linewidth=7, label="no reading: fault")
        axis.plot([], [], color="#dcfce7", linewidth=7, label="band of the settings")
        _legend(axis, 1.1)


def _broken(axis: Any, verdict: Verdict, end_ms: int, unit_ms: int) -> None:
    """Mark the time in which a promise about this panel was broken."""
    expectation = verdict.expectation
    before_ms = min(end_ms, expectation.before_ms)
    axis.axvspan(expectation.after_ms / unit_ms, before_ms / unit_ms, color=_BROKEN, alpha=0.08,
                 zorder=0, linewidth=0)
    axis.annotate(f"broken: {expectation.text}", (expectation.after_ms / unit_ms, 0),
                  xycoords=("data", "axes fraction"), xytext=(4, 5),
                  textcoords="offset points", color=_BROKEN, fontsize=8.5, fontweight="bold",
                  annotation_clip=False)


def _faulty(samples: list[tuple[int, float]]) -> list[tuple[int, int]]:
    """Return the spans in which a channel had a fault."""
    spans: list[tuple[int, int]] = []
    since_ms = None
    for at_ms, fault in sorted(samples):
        if fault and since_ms is None:
            since_ms = at_ms
        elif not fault and since_ms is not None:
            spans.append((since_ms, at_ms))
            since_ms = None
    if since_ms is not None:
        spans.append((since_ms, max(at_ms for at_ms, _ in samples)))
    return spans


def _doses(axis: Any, result: Result, unit_ms: int) -> None:
    is_empty = True
    for name, (label, color) in _DOSERS.items():
        doses = [
            (at_ms / unit_ms, detail["volume_ul"] / 1_000)
            for at_ms, kind, detail in result.evidence.events
            if kind == "dosed" and detail.get("actuator") == name
        ]
        if doses:
            is_empty = False
            xs, ys = zip(*doses, strict=True)
            axis.vlines(xs, 0, ys, color=color, linewidth=1.6)
            axis.plot(xs, ys, color=color, marker="o", markersize=3.5, linestyle="", label=label)
    axis.set_ylabel("doses, ml", color=_INK)
    axis.set_ylim(bottom=0)
    if is_empty:
        axis.set_yticks([])
        axis.text(0.5, 0.4, "nothing was dosed", transform=axis.transAxes, ha="center",
                  color="#94a3b8")
    else:
        axis.margins(y=0.15)
        _legend(axis, 0.97)


def _legend(axis: Any, height: float) -> None:
    """Place the legend above the panel."""
    axis.legend(loc="lower right", bbox_to_anchor=(1, height), fontsize=8, frameon=False,
                ncols=4, borderaxespad=0)


def _outputs(axis: Any, result: Result, unit_ms: int) -> None:
    names = list(_SWITCHES)
    thinnest_ms = result.at_ms / 1_500
    for row, name in enumerate(reversed(names)):
        spans = [
            (on_us / 1_000 / unit_ms, max((off_us - on_us) / 1_000, thinnest_ms) / unit_ms)
            for on_us, off_us in result.evidence.runs.get(name, [])]
        axis.broken_barh(spans, (row - 0.33, 0.66), color=_SWITCHES[name], linewidth=0)
    axis.set_yticks(range(len(names)), [name.replace("_", "-") for name in reversed(names)])
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_ylabel("on", color=_INK)


def _marks(axes: Any, result: Result, unit_ms: int) -> None:
    """Draw lines for locks, stops, releases and resets."""
    found = [event for event in result.evidence.events if event[1] in _MARKS]
    for at_ms, kind, _ in found[:_MAX_MARKS]:
        label, color = _MARKS[kind]
        for axis in axes:
            axis.axvline(at_ms / unit_ms, color=color, linewidth=1, linestyle=(0, (4, 3)))
        axes[0].annotate(label, (at_ms / unit_ms, 1), xycoords=("data", "axes fraction"),
                         xytext=(2, 2), textcoords="offset points", color=color, fontsize=8)


def _title(figure: Any, result: Result) -> None:
    kept = sum(verdict.is_kept for verdict in result.verdicts)
    total = len(result.verdicts)
    state = f"all {total} promises kept" if result.is_kept else f"{total - kept} of {total} broken"
    figure.suptitle(
        f"{result.scenario.name}: {state}\n\n", fontsize=14, fontweight="bold",
        color="#15803d" if result.is_kept else _BROKEN, x=0.01, ha="left")
    figure.text(0.01, 0.958, result.scenario.text, fontsize=9.5, color=_INK, wrap=True)
    panels = {name for name, *_ in _PANELS}
    elsewhere = [
        verdict.expectation.text for verdict in result.verdicts
        if not verdict.is_kept and verdict.expectation.signal.partition(":")[2] not in panels]
    if elsewhere:
        figure.text(0.01, 0.938, f"broken: {'; '.join(elsewhere)[:110]}", fontsize=8.5,
                    color=_BROKEN, fontweight="bold")
