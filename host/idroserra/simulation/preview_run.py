"""Runs a preview in the twin and returns the outcome as JSON."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idroserra.boards import compiler
from idroserra.core.errors import HostError
from idroserra.image import build
from idroserra.recipes.model import DAY_MS
from idroserra.simulation.preview_request import PreviewRequest
from idroserra.simulation.twin_parameters import Greenhouse, greenhouse
from idrosim.runner.process import SimulatorError
from idrosim.scenarios import run as scenario_run
from idrosim.scenarios.run import Result, Scenario, ScenarioError

STEP_MS = 600_000
_SEED = 1
# Quantity shown: signal of the simulated truth, decimals.
_SERIES = {
    "ph": ("true:reservoir.ph", 3), "ec_us_cm": ("true:reservoir.ec_us_cm", 0),
    "level_mm": ("true:reservoir.level_mm", 1), "temp_c": ("true:reservoir.temp_c", 2),
}
# By day, in ml: doses and losses.
_BY_DAY = {
    "ph_down": "true:dosed.ph_down_ml", "ph_up": "true:dosed.ph_up_ml",
    "nutrient_a": "true:dosed.nutrient_a_ml", "nutrient_b": "true:dosed.nutrient_b_ml",
    "top_off": "true:topoff_ml", "transpired": "true:transpired_ml",
}
_BANDS = {"ph": ("ph.target", "ph.deadband"), "ec_us_cm": ("ec.target_us_cm", "ec.deadband_us_cm")}
# Events that would need a person.
_ALERTS = frozenset({"latched", "restarted", "water", "irrigation_no_flow", "irrigation_stuck_on",
                     "air_too_hot"})
_MOST_ALERTS = 20


def run(request: PreviewRequest, on_progress: Callable[[float], None]) -> dict[str, Any]:
    """Return the outcome of a preview. Raises HostError."""
    board = compiler.load(request.board)
    known = greenhouse(request)
    with tempfile.TemporaryDirectory(prefix="idroserra-preview-") as folder:
        try:
            build.build_image(request.board, Path(folder))
            result = scenario_run.run(
                _scenario(request, known), board, Path(folder), keep_all=True,
                on_progress=on_progress)
        except ScenarioError as error:
            raise HostError(f"{error.key}: {error.why}") from None
        except SimulatorError as error:
            raise HostError(str(error)) from None
    return _outcome(request, known, result)


def _scenario(request: PreviewRequest, known: Greenhouse) -> Scenario:
    """Return the coming days as a scenario without expectations."""
    timeline = [
        {"at_ms": request.day_start_ms(day), "settings": changed}
        for day, changed in sorted(request.changes.items()) if changed and day < request.days]
    return Scenario(
        file=Path(request.node), name=request.node, text="", board=request.board, seed=_SEED,
        duration_ms=request.days * DAY_MS, start_unix_ms=request.now_unix_ms,
        trace_every_ms=STEP_MS, ticks_start_ms=0, is_commissioned=request.is_earned,
        broker_host="127.0.0.1", plant=known.plant, settings=known.settings, timeline=timeline,
        expectations=[],
    )


def _outcome(request: PreviewRequest, known: Greenhouse, result: Result) -> dict[str, Any]:
    bands = {name: _bands(request, known, name) for name in _BANDS}
    series = {name: _series(result, signal, decimals)
              for name, (signal, decimals) in _SERIES.items()}
    return {
        "node": request.node, "days": request.days, "water": request.water,
        "from_unix_ms": request.now_unix_ms, "step_ms": STEP_MS, "series": series, "bands": bands,
        "in_band": {name: _in_band(request, series[name], bands[name]) for name in _BANDS},
        "by_day": _by_day(request, result),
        "events": _alerts(request, result),
        "assumed": [reason.as_json() for reason in known.assumed], "wall_ms": result.wall_ms}


def _series(result: Result, signal: str, decimals: int) -> list[float]:
    """Return a signal every STEP_MS."""
    return [round(_at(result, signal, at_ms), decimals)
            for at_ms in range(0, result.at_ms + 1, STEP_MS)]


def _at(result: Result, signal: str, at_ms: int) -> float:
    """Return the newest value of a signal at a time, or its first value before that."""
    samples = result.evidence.series[signal]
    return samples[max(0, bisect_right(samples, (at_ms, float("inf"))) - 1)][1]


def _bands(request: PreviewRequest, known: Greenhouse, name: str) -> list[dict[str, float]]:
    """Return the node's control bands, from one change to the next."""
    target_key, off_key = _BANDS[name]
    now = dict(known.settings)
    found: list[dict[str, float]] = []
    changes: list[tuple[int, dict[str, Any]]] = [(0, {})]
    changes += [(request.day_start_ms(day), changed)
                for day, changed in sorted(request.changes.items())]
    for at_ms, changed in changes:
        if at_ms >= request.days * DAY_MS:
            break
        now |= changed
        band = {"low": now[target_key] - now[off_key], "high": now[target_key] + now[off_key]}
        if not found or {key: found[-1][key] for key in band} != band:
            found.append({"from_unix_ms": request.now_unix_ms + at_ms} | band)
    return found


def _in_band(
    request: PreviewRequest, values: list[float], bands: list[dict[str, float]]
) -> dict[str, float | None]:
    """Return the share of the steps in the band, and the hours until it is first entered."""
    inside = []
    for index, value in enumerate(values):
        unix_ms = request.now_unix_ms + index * STEP_MS
        band = [band for band in bands if band["from_unix_ms"] <= unix_ms][-1]
        inside.append(band["low"] <= value <= band["high"])
    first_h = inside.index(True) * STEP_MS / 3_600_000 if any(inside) else None
    return {"ratio": round(sum(inside) / len(inside), 4), "first_h": first_h}


def _by_day(request: PreviewRequest, result: Result) -> list[dict[str, float]]:
    """Return the volumes by local day of the node; the first begins now."""
    found = []
    day, end_ms = 0, request.days * DAY_MS
    while (from_ms := request.day_start_ms(day)) < end_ms:
        to_ms = min(request.day_start_ms(day + 1), end_ms)
        row: dict[str, float] = {"from_unix_ms": request.now_unix_ms + from_ms,
                                 "to_unix_ms": request.now_unix_ms + to_ms}
        for name, signal in _BY_DAY.items():
            row[f"{name}_ml"] = round(_at(result, signal, to_ms) - _at(result, signal, from_ms), 2)
        found.append(row)
        day += 1
    return found


def _alerts(request: PreviewRequest, result: Result) -> list[dict[str, Any]]:
    """Return the events that would need a person, oldest first."""
    return [{"unix_ms": request.now_unix_ms + at_ms, "kind": kind, "detail": detail}
            for at_ms, kind, detail in result.evidence.events if kind in _ALERTS][:_MOST_ALERTS]
