"""Proposes dosing strengths from a titration, or from the doses of the last days. Pure.

A setting such as `ph.down_ul_per_ph` is the volume of this stock that moves this reservoir by one
pH. A titrated water sample gives it at once; later the log gives it too, from every dose with no
other dose until it was mixed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LEAST_DOSES = 5
# Spread of several doses: beyond this they did not act on the same water.
MOST_SPREAD = 0.5
LEAST_SAMPLE_PH = 0.3
BELIEVED_PH = (3.0, 10.5)
_WINDOW_MS = 180_000
_EARLY_MS = 60_000
_PAIR_MS = 1_800_000
_SAME = 0.1


class TitrationError(ValueError):
    """A titration without a usable result; the message says why."""


class Dose(NamedTuple):
    """A dose in the log; unix_ms is its end."""

    unix_ms: int
    actuator: str
    volume_ul: int
    on_ms: int
    is_correction: bool


class MeanReading(NamedTuple):
    """A mean reading; unix_ms is the begin of its column."""

    unix_ms: int
    value: float


@dataclass(frozen=True)
class StrengthProposal:
    """`value` for a setting, from `count` doses; spread is its standard error."""

    setting: str
    value: int
    spread: int
    count: int


class DoseResponse(NamedTuple):
    """The effect of one dose, or one pair of nutrients, on the mixed water."""

    volume_ul: int
    moved: float


def from_sample(
    doser: str, sample_ml: float, stock_ml: float, from_ph: float, to_ph: float, litres: float
) -> int:
    """Return ul of stock per pH of a reservoir of `litres`. Raises TitrationError.

    `stock_ml` moved `sample_ml` of the reservoir's water from one pH to the other.
    """
    moved = from_ph - to_ph if doser == "ph_down" else to_ph - from_ph
    for ph in (from_ph, to_ph):
        if not BELIEVED_PH[0] <= ph <= BELIEVED_PH[1]:
            raise TitrationError(f"pH {ph:g} is not plausible here: "
                                 f"{BELIEVED_PH[0]:g} to {BELIEVED_PH[1]:g} is")
    if moved <= 0.0:
        way = "down" if doser == "ph_down" else "up"
        raise TitrationError(f"from {from_ph:g} to {to_ph:g} is not {way}: is it the right stock?")
    if moved < LEAST_SAMPLE_PH:
        raise TitrationError(f"a step of {moved:.2f} pH is too small to measure: continue until "
                             f"it is {LEAST_SAMPLE_PH:g} or more")
    if not (0.0 < stock_ml < sample_ml):
        raise TitrationError(f"{stock_ml:g} ml of stock into {sample_ml:g} ml of water: more than "
                             "0 and less than the sample is needed")
    return round(stock_ml * 1_000 / moved * litres * 1_000 / sample_ml)


def ph_responses(
    doser: str, doses: Sequence[Dose], points: Sequence[MeanReading], mixing_ms: int
) -> list[DoseResponse]:
    """Return the effect of each dose of `doser` with no other dose until it was mixed.

    Steps of a correction are excluded: far from the target the water responds differently.
    """
    responses = []
    for index, dose in enumerate(doses):
        if dose.actuator != doser or dose.is_correction:
            continue
        began_ms = dose.unix_ms - dose.on_ms
        if _is_alone(doses, index, index, began_ms, mixing_ms):
            moved = _moved(points, began_ms, dose.unix_ms, mixing_ms, _next_ms(doses, index))
            if moved is not None:
                responses.append(
                    DoseResponse(dose.volume_ul, -moved if doser == "ph_down" else moved))
    return responses


def ec_responses(
    doses: Sequence[Dose], points: Sequence[MeanReading], mixing_ms: int
) -> list[DoseResponse]:
    """Return the effect of each pair of nutrient A and as much B on the EC; the volume is of A."""
    responses = []
    for index in range(len(doses) - 1):
        a, b = doses[index], doses[index + 1]
        is_pair = (
            (a.actuator, b.actuator) == ("nutrient_a", "nutrient_b")
            and b.unix_ms - a.unix_ms <= _PAIR_MS
            and abs(a.volume_ul - b.volume_ul) <= _SAME * a.volume_ul
        )
        began_ms = a.unix_ms - a.on_ms
        if is_pair and _is_alone(doses, index, index + 1, began_ms, mixing_ms):
            moved = _moved(points, began_ms, b.unix_ms, mixing_ms, _next_ms(doses, index + 1))
            if moved is not None:
                responses.append(DoseResponse(a.volume_ul, moved))
    return responses


def propose(setting: str, responses: Sequence[DoseResponse], step: float) -> StrengthProposal:
    """Return the volume that moves the reservoir by `step`. Raises TitrationError.

    Total volume over total movement: noise of single doses has little weight, and no dose is
    excluded for its effect. The spread is the standard error by leaving out each dose (jackknife).
    """
    count = len(responses)
    if count < LEAST_DOSES:
        raise TitrationError(f"{count} doses had no other dose near, {LEAST_DOSES} are needed")
    volume_ul = sum(response.volume_ul for response in responses)
    moved = sum(response.moved for response in responses)
    if moved <= 0.0:
        raise TitrationError(f"{count} doses did not move the water as expected: check bottle, "
                             "tube and probe before you set anything")
    value = volume_ul / moved * step
    without = []
    for response in responses:
        rest = moved - response.moved
        if rest <= 0.0:
            raise TitrationError("the whole effect is that of one dose: not a titration")
        without.append((volume_ul - response.volume_ul) / rest * step)
    mean = sum(without) / count
    spread = math.sqrt((count - 1) / count * sum((one - mean) ** 2 for one in without))
    if spread > MOST_SPREAD * value:
        raise TitrationError(f"{count} doses give {value:.0f} +/- {spread:.0f} ul: the spread is "
                             "too large")
    return StrengthProposal(setting, round(value), round(spread), count)


def _next_ms(doses: Sequence[Dose], index: int) -> int | None:
    """Return when the next dose begins, or None."""
    following = doses[index + 1:index + 2]
    return following[0].unix_ms - following[0].on_ms if following else None


def _is_alone(doses: Sequence[Dose], first: int, last: int, began_ms: int, mixing_ms: int) -> bool:
    """Return True if the dose before had mixed, and the next began after these had."""
    if first > 0 and began_ms - doses[first - 1].unix_ms < mixing_ms - _EARLY_MS:
        return False
    next_ms = _next_ms(doses, last)
    return next_ms is None or next_ms - doses[last].unix_ms >= mixing_ms - _EARLY_MS


def _moved(
    points: Sequence[MeanReading], began_ms: int, ended_ms: int, mixing_ms: int,
    next_ms: int | None,
) -> float | None:
    """Return the mixed reading minus the one before, or None if either is missing."""
    mixed_ms = ended_ms + mixing_ms - _EARLY_MS
    until_ms = mixed_ms + _WINDOW_MS if next_ms is None else min(mixed_ms + _WINDOW_MS, next_ms)
    before = _mean(points, began_ms - _WINDOW_MS, began_ms)
    after = _mean(points, mixed_ms, max(until_ms, mixed_ms + _EARLY_MS // 2))
    return None if before is None or after is None else after - before


def _mean(points: Sequence[MeanReading], from_ms: int, to_ms: int) -> float | None:
    first = bisect_left(points, from_ms, key=lambda point: point.unix_ms)
    last = bisect_left(points, to_ms, key=lambda point: point.unix_ms)
    values = [point.value for point in points[first:last]]
    return sum(values) / len(values) if values else None
