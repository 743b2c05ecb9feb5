"""Predicts whether a node can follow a recipe: settings limits and dosing budgets. Pure.

A node changes pH and EC by doses, and the safety gate limits them per day; only water lowers the
EC. The figures are those of the gate's own limits; nothing is permitted here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from idro.safety import limits
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.recipes.model import Recipe

REFUSED, WARNING = "refused", "warning"


class Headroom(NamedTuple):
    """What a node may dose: its settings, the litres of its board, its dosing authority.

    `volume_l` None: the host does not know the board, nor its limits per litre.
    """

    values: Mapping[str, Any]
    volume_l: int | None
    authority_pct: int


class RecipeWarning(NamedTuple):
    """A warning about a stage, counted from 0. level: refused or warning."""

    level: str
    stage: int
    reason: Reason


class BudgetDemand(NamedTuple):
    """How many days of the dosing budget a stage's step takes; math.inf if it never ends."""

    days: float
    reason: Reason


def check(recipe: Recipe, room: Headroom) -> list[RecipeWarning]:
    """Return what the node would refuse, and what takes longer than the recipe allows."""
    notes = _refusals(recipe, room)
    if notes:
        return notes
    if room.volume_l is None:
        notes.append(RecipeWarning(WARNING, 0, Reason("litres_unknown")))
    if not room.values.get("dosing.enabled"):
        notes.append(RecipeWarning(WARNING, 0, Reason("ph_and_ec_stay")))
    elif room.authority_pct == 0:
        notes.append(RecipeWarning(WARNING, 0, Reason("doses_by_hand")))
    for index, stage in enumerate(recipe.stages):
        for need in demands(recipe, index, room):
            if need.days > stage.days:
                notes.append(RecipeWarning(REFUSED, index, Reason(
                    "stage_too_short", why=need.reason, stage_days=stage.days)))
            elif math.ceil(need.days) > stage.ramp_days:
                notes.append(RecipeWarning(WARNING, index, need.reason))
        notes += _lowered(recipe, index)
    return notes


def demands(recipe: Recipe, index: int, room: Headroom) -> list[BudgetDemand]:
    """Return the demands of the pH and EC steps into a stage; [] for the first."""
    if index == 0:
        return []
    before, after = (recipe.stages[i].settings for i in (index - 1, index))
    values = protocol.check_settings({**room.values, **after})
    caps = caps_of(room._replace(values=values))
    found = []
    rise_us_cm = after.get("ec.target_us_cm", 0) - before.get("ec.target_us_cm", 0)
    if rise_us_cm > 0:
        need_ul = rise_us_cm * values["ec.ul_per_100_us_cm"] / 100
        day_ul = min(caps["nutrient_a"].day_ul, caps["nutrient_b"].day_ul)
        found.append(_ec_demand(rise_us_cm, need_ul, day_ul))
    change_ph = round(after.get("ph.target", 0.0) - before.get("ph.target", 0.0), 3)
    if change_ph:
        doser, key = ("ph_up", "ph.up_ul_per_ph") if change_ph > 0 else (
            "ph_down", "ph.down_ul_per_ph")
        found.append(_ph_demand(change_ph, abs(change_ph) * values[key], caps[doser].day_ul))
    return found


def caps_of(room: Headroom) -> Mapping[str, limits.Caps]:
    """Return the limits of each doser. With advice only, a person has the reduced budget."""
    found: Mapping[str, limits.Caps] = limits.derive(
        room.values, room.volume_l or 10**6, room.authority_pct).caps
    return found


def settle_days(recipe: Recipe, index: int, room: Headroom) -> float:
    """Return how long after its ramp a stage may take to reach its setpoints."""
    longest = max((need.days for need in demands(recipe, index, room)), default=0.0)
    return max(0.0, longest - recipe.stages[index].ramp_days + 1)


def _refusals(recipe: Recipe, room: Headroom) -> list[RecipeWarning]:
    """Return what the node would refuse, at most once a stage."""
    notes = []
    for index, stage in enumerate(recipe.stages):
        for day in range(stage.first_day, stage.first_day + stage.ramp_days):
            try:
                protocol.check_settings({**room.values, **recipe.settings_at(day)})
            except protocol.SettingsError as error:
                notes.append(RecipeWarning(REFUSED, index, error.reason))
                break
    return notes


def _ec_demand(rise_us_cm: int, need_ul: float, day_ul: int) -> BudgetDemand:
    if day_ul <= 0:
        return BudgetDemand(math.inf, Reason("ec_rise_blocked", rise_us_cm=rise_us_cm))
    days = need_ul / day_ul
    return BudgetDemand(days, Reason(
        "ec_rise_days", rise_us_cm=rise_us_cm, days=math.ceil(days), volume_ul=round(need_ul),
        day_ul=day_ul))


def _ph_demand(change_ph: float, need_ul: float, day_ul: int) -> BudgetDemand:
    step_milli_ph = round(change_ph * 1_000)
    if day_ul <= 0:
        return BudgetDemand(math.inf, Reason("ph_step_blocked", step_milli_ph=step_milli_ph))
    days = need_ul / day_ul
    return BudgetDemand(days, Reason(
        "ph_step_days", step_milli_ph=step_milli_ph, days=math.ceil(days),
        volume_ul=round(need_ul), day_ul=day_ul))


def _lowered(recipe: Recipe, index: int) -> list[RecipeWarning]:
    """Return the warning about a falling EC, if any."""
    if index == 0:
        return []
    before, after = (
        recipe.stages[i].settings.get("ec.target_us_cm", 0) for i in (index - 1, index))
    if after >= before:
        return []
    share = 1 - after / before
    return [RecipeWarning(WARNING, index, Reason(
        "ec_fall", fall_us_cm=before - after, share_pct=round(share * 100)))]
