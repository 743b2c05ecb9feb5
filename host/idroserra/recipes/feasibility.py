"""What a recipe asks of a node: is it within its settings, and how long do its steps take?

A node moves pH and EC by doses, and the safety gate grants so much of them a day. Too high an EC
is lowered by nothing but water. Read from the frozen limits themselves; here nothing is allowed,
only foretold. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from idro.safety import limits
from idroserra.core import protocol
from idroserra.recipes.model import Recipe

REFUSED, WARNING = "refused", "warning"
FULL_PCT = 100


class Headroom(NamedTuple):
    """What a node may give: its settings, the litres of its board, the share it was granted.

    `volume_l` None: the board is unknown to this host, and its ceilings by the litre as well.
    """

    values: Mapping[str, Any]
    volume_l: int | None
    authority_pct: int


class Warning(NamedTuple):
    """What is to be said of a stage, which counts from 0. level: refused or warning."""

    level: str
    stage: int
    text: str


class Demand(NamedTuple):
    """How many days of the budget a stage's step takes; math.inf where it never ends."""

    days: float
    text: str


def check(recipe: Recipe, room: Headroom) -> list[Warning]:
    """Return what the node would refuse, and what it needs longer for than the recipe thinks."""
    notes = _refusals(recipe, room)
    if notes:
        return notes
    if room.volume_l is None:
        notes.append(Warning(WARNING, 0, "the host does not know this board: its ceilings of acid "
                          "and base by the litre are not counted"))
    if not room.values.get("dosing.enabled"):
        notes.append(Warning(WARNING, 0, "dosing is off: pH and EC stay as they are"))
    elif room.authority_pct == 0:
        notes.append(Warning(WARNING, 0, "the node only advises: somebody has to dose"))
    for index, stage in enumerate(recipe.stages):
        for need in needs(recipe, index, room):
            if need.days > stage.days:
                notes.append(
                    Warning(REFUSED, index, f"{need.text}, and the stage has {stage.days}")
                )
            elif math.ceil(need.days) > stage.ramp_days:
                notes.append(Warning(WARNING, index, need.text))
        notes += _lowered(recipe, index)
    return notes


def needs(recipe: Recipe, index: int, room: Headroom) -> list[Demand]:
    """Return what the steps of pH and EC into a stage take; none into the first."""
    if index == 0:
        return []
    before, after = (recipe.stages[i].settings for i in (index - 1, index))
    values = protocol.check_settings({**room.values, **after})
    # Where control only advises, a person has the reduced share.
    caps = limits.derive(values, room.volume_l or 10**6, room.authority_pct).caps
    found = []
    rise_us_cm = after.get("ec.target_us_cm", 0) - before.get("ec.target_us_cm", 0)
    if rise_us_cm > 0:
        need_ul = rise_us_cm * values["ec.ul_per_100_us_cm"] / 100
        day_ul = min(caps["nutrient_a"].day_ul, caps["nutrient_b"].day_ul)
        found.append(_need(f"EC {rise_us_cm:+d} uS/cm", need_ul, day_ul))
    change_ph = round(after.get("ph.target", 0.0) - before.get("ph.target", 0.0), 3)
    if change_ph:
        doser, key = ("ph_up", "ph.up_ul_per_ph") if change_ph > 0 else (
            "ph_down", "ph.down_ul_per_ph")
        found.append(_need(f"pH {change_ph:+.2f}", abs(change_ph) * values[key],
                           caps[doser].day_ul))
    return found


def settle_days(recipe: Recipe, index: int, room: Headroom) -> float:
    """Return how long after the last step of its ramp a stage may take to be where it wants."""
    longest = max((need.days for need in needs(recipe, index, room)), default=0.0)
    return max(0.0, longest - recipe.stages[index].ramp_days + 1)


def _refusals(recipe: Recipe, room: Headroom) -> list[Warning]:
    """Return what the node would refuse, once a stage."""
    notes = []
    for index, stage in enumerate(recipe.stages):
        for day in range(stage.first_day, stage.first_day + stage.ramp_days):
            try:
                protocol.check_settings({**room.values, **recipe.settings_at(day)})
            except protocol.SettingsError as error:
                notes.append(Warning(REFUSED, index, f"{error.key}: {error.why}"))
                break
    return notes


def _need(what: str, need_ul: float, day_ul: int) -> Demand:
    if day_ul <= 0:
        return Demand(math.inf, f"needs {what}: the node may give nothing")
    days = need_ul / day_ul
    count = math.ceil(days)
    return Demand(days, f"needs {what}: {count} day{'s' * (count > 1)} of the budget, "
                f"{need_ul / 1_000:.0f} ml at {day_ul / 1_000:.0f} ml a day")


def _lowered(recipe: Recipe, index: int) -> list[Warning]:
    """Return the note on an EC that has to fall."""
    if index == 0:
        return []
    before, after = (
        recipe.stages[i].settings.get("ec.target_us_cm", 0) for i in (index - 1, index))
    if after >= before:
        return []
    share = 1 - after / before
    return [Warning(WARNING, index, f"needs EC {after - before:+d} uS/cm: only water lowers it, "
                 f"change about {share:.0%} of the reservoir")]
