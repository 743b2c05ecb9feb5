"""A recipe as a scenario: the twin lives through its transitions, one after the other.

Water that is in its band and stays there proves nothing more on the tenth day, so of each stage
only the days count on which something moves: those of its ramp, what the gate's budget needs
beyond, and one in which it has to stand. In between nothing is left out but time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.boards import compiler
from idroserra.core import protocol
from idroserra.core.errors import HostError
from idroserra.recipes import feasibility
from idroserra.recipes.model import DAY_MS, Recipe
from idrosim.benchmark.cases import Cell
from idrosim.scenarios.chart import Band
from idrosim.scenarios.expectations import Expectation
from idrosim.scenarios.run import Scenario

HOUR_MS = 3_600_000
DAY_MINUTES = 1_440
START_UNIX_MS = 1_767_225_600_000  # midnight: the day of a recipe is that of its place
# Often enough for control, and several times as fast as every ten seconds.
SAMPLE_MS = 30_000
TRACE_MS = 300_000
SEED = 5
# What the truth may be off beyond the deadband: probes are never true.
_SPARE_PH = 0.1
_SPARE_EC_RATIO, _LEAST_SPARE_US_CM = 0.05, 40
_IN_BAND_RATIO = 0.95
_DLI_RATIO, _DLI_MOL_M2 = 0.08, 0.3
_LEVEL_SPARE_MM = 5
# The first day's morning: the node looks at the water before it doses, and doses step by step.
_SETTLED_FROM_MS = 12 * HOUR_MS
# Below this a fresh fill is left to control, above it a grower pours.
_LEFT_ALONE_PH = 0.3


class Span(NamedTuple):
    """One stage in the twin: `days` of it from its day `first_day` on, the last one judged."""

    stage: int
    first_day: int
    days: int


class Twin(NamedTuple):
    """A recipe made ready: the scenario, None where the gate refuses it, and the chart's bands."""

    notes: list[feasibility.Warning]
    scenario: Scenario | None
    bands: dict[str, list[Band]]


def build(recipe: Recipe, board_name: str, only: int | None = None) -> Twin:
    """Return the twin of `recipe` on a board, commissioned for the water it begins with.

    `only` is the index of the one stage to live through, from the water of the stage before.
    Raises BoardError, and HostError where no water is like that."""
    board = compiler.load(board_name)
    wanted = range(len(recipe.stages)) if only is None else (only,)
    first_day = recipe.stages[wanted[0]].first_day
    cell = _cell(recipe, max(0, first_day - 1), board["volume_l"])
    room = feasibility.Headroom(_settings({}, cell), board["volume_l"], 100)
    notes = [note for note in feasibility.check(recipe, room) if note.stage in wanted]
    if any(note.level == feasibility.REFUSED for note in notes):
        return Twin(notes, None, {})
    settings = _settings(recipe.settings_at(first_day), cell)
    spans = _spans(recipe, wanted, room)
    scenario = Scenario(
        file=Path(recipe.name), name=recipe.name, text=recipe.text, board=board_name, seed=SEED,
        duration_ms=(spans[-1].first_day + spans[-1].days) * DAY_MS, start_unix_ms=START_UNIX_MS,
        trace_every_ms=TRACE_MS, ticks_start_ms=0, is_commissioned=True, broker_host="127.0.0.1",
        plant=_plant(recipe, cell), settings=settings, timeline=_timeline(recipe, spans),
        expectations=[each for span in spans for each in _expectations(recipe, span)]
        + _always(settings),
    )
    return Twin(notes, scenario, _bands(recipe, spans, settings))


def day_of(recipe: Recipe, span: Span, twin_day: int) -> int:
    """Return the day of the recipe that a day of the twin stands for."""
    return recipe.stages[span.stage].first_day + min(
        twin_day - span.first_day, recipe.stages[span.stage].days - 1)


def _cell(recipe: Recipe, day: int, volume_l: int) -> Cell:
    """Return the greenhouse whose water is as a day of the recipe wants it."""
    values = protocol.check_settings({}) | recipe.settings_at(day)
    cell = Cell("soft", "h3po4", volume_l, "fresh", target_ph=values["ph.target"],
                ec_us_cm=values["ec.target_us_cm"])
    try:
        _ = cell.titration  # worked out once, and here, where it may fail
    except ValueError as error:
        raise HostError(f"{recipe.name}: the twin cannot be filled for its day {day + 1}: "
                        f"{error}") from None
    return cell


def _settings(wanted: Mapping[str, Any], cell: Cell) -> dict[str, Any]:
    """Return what a grower has declared who commissioned this greenhouse, and what is `wanted`."""
    titration, plant = cell.titration, cell.plant()
    return protocol.check_settings({
        "dosing.enabled": True, "sample.every_ms": SAMPLE_MS,
        "ph.down_ul_per_ph": round(1e3 * titration.acid_ml_per_ph),
        "ph.up_ul_per_ph": round(1e3 * titration.base_ml_per_ph),
        "ec.ul_per_100_us_cm": round(1e3 * titration.nutrient_ml_per_100_us_cm),
        "reservoir.area_cm2": round(plant["reservoir.area_cm2"]),
        "doser.ul_per_s": round(1e3 * cell.pump_ml_s),
    } | dict(wanted))


def _plant(recipe: Recipe, cell: Cell) -> dict[str, Any]:
    plant = cell.plant()
    too_high_ph = cell.fill_ph - cell.target_ph
    acid_ml = cell.titration.acid_ml_per_ph * too_high_ph
    return plant | {
        "reservoir.strength": cell.strength,
        "reservoir.acid_ml": acid_ml if too_high_ph > _LEFT_ALONE_PH else 0.0,
        "light.ppfd_umol_m2_s": float(recipe.ppfd_umol_m2_s),
    }


def _spans(recipe: Recipe, wanted: Iterable[int], room: feasibility.Headroom) -> list[Span]:
    spans: list[Span] = []
    first_day = 0
    for index in wanted:
        longest = feasibility.settle_days(recipe, index, room)
        settle_days = math.ceil(longest) if math.isfinite(longest) else 0
        stage = recipe.stages[index]
        # A light that burns past midnight is whole from the second day on.
        lit_until = stage.settings.get("light.on_minute", 0) + stage.settings.get(
            "light.on_minutes", 0)
        days = stage.ramp_days + settle_days + (lit_until > DAY_MINUTES)
        spans.append(Span(index, first_day, days))
        first_day += days
    return spans


def _timeline(recipe: Recipe, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return the changes of settings, at midnight of the days of the twin."""
    events = []
    last = recipe.settings_at(recipe.stages[spans[0].stage].first_day)
    for span in spans:
        for twin_day in range(span.first_day, span.first_day + span.days):
            now = recipe.settings_at(day_of(recipe, span, twin_day))
            new = {key: value for key, value in now.items() if last.get(key) != value}
            if new:
                events.append({"at_ms": twin_day * DAY_MS, "settings": new})
            last = now
    return events


def _expectations(recipe: Recipe, span: Span) -> list[Expectation]:
    """Return what has to be true once a stage stands."""
    stage = recipe.stages[span.stage]
    end_ms = (span.first_day + span.days) * DAY_MS
    from_ms = end_ms - DAY_MS + _SETTLED_FROM_MS
    values = {**protocol.check_settings({}), **stage.settings}
    found = []
    if "ph.target" in stage.settings:
        target, spare = values["ph.target"], values["ph.deadband"] + _SPARE_PH
        found.append(Expectation(
            f"{stage.name}: pH stands at {target:.2f}", "true:reservoir.ph", "within",
            round(target - spare, 3), round(target + spare, 3), _IN_BAND_RATIO, from_ms, end_ms))
    if "ec.target_us_cm" in stage.settings:
        target = values["ec.target_us_cm"]
        spare = values["ec.deadband_us_cm"] + max(_LEAST_SPARE_US_CM, _SPARE_EC_RATIO * target)
        is_lowered = span.stage > 0 and target < recipe.stages[span.stage - 1].settings[
            "ec.target_us_cm"]
        text = f"{stage.name}: EC stands at {target / 1_000:.2f} mS/cm"
        if is_lowered:
            text = f"{stage.name}: EC is not below {target / 1_000:.2f} mS/cm (water lowers it)"
        found.append(Expectation(
            text, "true:reservoir.ec_us_cm", "within", target - spare,
            5_500.0 if is_lowered else target + spare, _IN_BAND_RATIO, from_ms, end_ms))
    if "light.on_minutes" in stage.settings:
        dli = recipe.dli_mol_m2(span.stage)
        spare = max(_DLI_MOL_M2, _DLI_RATIO * dli)
        found.append(Expectation(
            f"{stage.name}: the day's light is {dli:.1f} mol/m2", "true:light.dli_mol_m2",
            "always", max(0.0, dli - spare), dli + spare, 1.0, end_ms - HOUR_MS // 4,
            end_ms - 1_000))
    return found


def _always(settings: dict[str, Any]) -> list[Expectation]:
    """Return what holds through all of it."""
    low, full = settings["level.low_mm"], settings["level.full_mm"]
    return [
        Expectation("the water is kept between low and full", "true:reservoir.level_mm", "always",
                low, full + _LEVEL_SPARE_MM),
        Expectation("dosing never locks", "events:latched", "always", 0, 0),
        Expectation("no task of the node fails", "events:restarted", "always", 0, 0),
        *(Expectation(f"{name.replace('_', ' ')} runs for no more than 100 s in any day",
                  f"pumped_s:{name}", "always", 0, 100.5, per_ms=DAY_MS)
          for name in ("ph_down", "ph_up", "nutrient_a", "nutrient_b")),
    ]


def _bands(
    recipe: Recipe, spans: Sequence[Span], settings: dict[str, Any]
) -> dict[str, list[Band]]:
    """Return what the node steers to on each day of the twin."""
    bands: dict[str, list[Band]] = {
        "reservoir.ph": [], "reservoir.ec_us_cm": [], "reservoir.level_mm": []}
    for span in spans:
        for twin_day in range(span.first_day, span.first_day + span.days):
            now = settings | recipe.settings_at(day_of(recipe, span, twin_day))
            from_ms, to_ms = twin_day * DAY_MS, (twin_day + 1) * DAY_MS
            for signal, target, off in (
                ("reservoir.ph", "ph.target", "ph.deadband"),
                ("reservoir.ec_us_cm", "ec.target_us_cm", "ec.deadband_us_cm"),
            ):
                bands[signal].append(
                    Band(from_ms, to_ms, now[target] - now[off], now[target] + now[off]))
            level_mm = now["level.target_mm"]
            bands["reservoir.level_mm"].append(Band(from_ms, to_ms, level_mm - 10, level_mm))
    return bands
