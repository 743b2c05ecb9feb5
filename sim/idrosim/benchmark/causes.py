"""Why a cell was missed, in words, from its measures and the firmware's reasons. CPython only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from idrosim.benchmark.cases import Cell
from idrosim.benchmark.measures import Measures
from idrosim.benchmark.tables import IN_BAND, OVER_MS_CM, OVER_PH, REAGENT

_NAMES = {"ph": "pH", "ec": "EC"}
# Codes of idro.protocol.reasons; others are shown as they are.
_REASONS = {
    "": "the policy gives no reason",
    "day_spent": "the daily budget was spent", "hour_spent": "the hourly budget was spent",
    "mixing": "it waited for a dose to mix", "filling": "the tap was open",
    "gap": "it waited between doses", "apart": "acid and base were kept apart",
    "ec_first": "EC was corrected first", "b_first": "nutrient B was due first",
    "b_after": "nutrient B was due first", "b_dose": "nutrient B was due first",
    "ph_in_band": "the probe read pH in band", "ec_in_band": "the probe read EC in band",
    "ph_high_dose": "its doses of acid were too small or too late",
    "ph_low_dose": "its doses of base were too small or too late",
    "ec_dose": "its doses of nutrient were too small or too late",
    "ph_high_returns": "it expected pH to return by itself",
    "ph_low_returns": "it expected pH to return by itself",
    "ph_turn": "it waited to see which way pH turns",
    "ec_high": "only uptake and top-off lower it",
    "correction_open": "the grower was correcting the fill",
    "small_dose": "the dose was smaller than a pump can give",
    "doser_no_effect": "doses seemed to have no effect",
    "doser_wrong_way": "doses seemed to act the wrong way",
    "latch_no_effect": "dosing was locked: doses seemed to have no effect",
    "latch_wrong_way": "dosing was locked: doses seemed to act the wrong way",
    "water_rises": "the level rose without the tap", "water_falls": "the level fell too fast",
    "tank_full": "the tank was too full", "arming": "it waited for plausible readings",
    "max_dose": "a dose was limited",
}
_AGAINST = 0.2  # share of the smaller of acid and base from which they work against each other
_DUE_TO_PROBE = 0.5  # share of an overshoot that the error of the probe explains


class Cause(NamedTuple):
    """One cause: its kind, the same for all cells, and a sentence with numbers."""

    kind: str
    text: str


def causes(cell: Cell, week: Measures) -> list[Cause]:
    """Return the causes of each missed aim, worst first; [] if every aim is met."""
    return list(_causes(cell, week))


def _causes(cell: Cell, week: Measures) -> Iterator[Cause]:
    if week.locked:
        kind = _REASONS.get(week.locked, week.locked)
        yield Cause(kind, kind)
    if week.to_band_h is None or (week.in_band_ratio or 0.0) < IN_BAND:
        yield _out_of_band(week)
    if round(week.over_ph, 2) > OVER_PH:
        yield _overshoot(cell, week)
    if round(week.over_ms_cm, 2) > OVER_MS_CM:
        is_probe = week.over_ec_error_ms_cm < -_DUE_TO_PROBE * week.over_ms_cm
        why = "the probe read EC too low" if is_probe else "nutrient raised EC more than planned"
        yield Cause(f"overshoot of EC: {why}",
                    f"EC {week.over_ms_cm:.2f} mS/cm over at hour {week.over_ec_h or 0.0:.0f}: "
                    f"{why} (error of the probe {week.over_ec_error_ms_cm:+.2f} mS/cm)")
    if week.reagent_ratio is not None and round(week.reagent_ratio, 2) > REAGENT:
        fewer, more = sorted((week.acid_meq, week.base_meq))
        why = ("acid and base worked against each other" if fewer > _AGAINST * more
               else "more than the water needed")
        yield Cause(f"reagent: {why}", f"{week.reagent_ratio:.2f} times the least reagent: {why} "
                    f"({week.acid_meq:.1f} meq of acid, {week.base_meq:.1f} of base)")


def _out_of_band(week: Measures) -> Cause:
    """Return the cause of the longest time out of band."""
    hours: dict[str, float] = {}
    for key, spent_h in week.out_h.items():
        side = " ".join(key.split()[:2])
        hours[side] = hours.get(side, 0.0) + spent_h
    if not hours:
        return Cause("out of band", "pH and EC were never in band at the same time")
    side = max(hours, key=hours.__getitem__)
    of_side = {key: spent_h for key, spent_h in week.out_h.items() if key.startswith(side)}
    main = max(of_side, key=of_side.__getitem__)
    quantity, where, *code = main.split()
    why = _REASONS.get(" ".join(code), " ".join(code))
    kind = f"{_NAMES[quantity]} too {where}: {why}"
    never = ", never in band" if week.to_band_h is None else ""
    return Cause(kind, f"{_NAMES[quantity]} too {where} for {hours[side]:.1f} h{never}: {why} "
                       f"in {of_side[main]:.1f} h of it")


def _overshoot(cell: Cell, week: Measures) -> Cause:
    """Return the cause of the worst overshoot of pH."""
    at_h = week.over_ph_h or 0.0
    # Reading less truth: an electrode that reads high makes acid overshoot, and the reverse.
    is_by_acid = week.over_ph_by == "acid"
    pushes = week.over_ph_error if is_by_acid else -week.over_ph_error
    before = [event for event in cell.disturbances if event.at_h <= at_h]
    if pushes > _DUE_TO_PROBE * week.over_ph:
        why = "the probe read pH too " + ("high" if is_by_acid else "low")
    elif any(event.what == ("ph_down" if is_by_acid else "ph_up") and event.amount > 1.0
             for event in before if event.kind == "bottle"):
        why = "a changed bottle was stronger"
    elif any(event.kind == "pour" and at_h - event.at_h < 24.0 for event in before):
        why = "within a day of a pour"
    else:
        why = "doses moved pH more than planned"
    return Cause(f"overshoot of pH: {why}",
                 f"pH {week.over_ph:.2f} beyond the target at hour {at_h:.0f}: {why} "
                 f"(error of the probe {week.over_ph_error:+.2f} pH)")
