"""What people do to the tank of a cell during its run. CPython only."""

from __future__ import annotations

from dataclasses import dataclass

EXCUSED_H = 2.0  # in which any policy can correct what a pour did, unless ceilings need longer


@dataclass(frozen=True)
class Disturbance:
    """What people do to the tank at an hour of the run.

    `kind` is "pour" or "bottle". A pour adds `amount` ml of `what`: "water" of the tap, or the
    stock of "ph_down", "ph_up" or "nutrient" (of A, and as much of B). A changed bottle of the
    doser `what` holds `amount` times the declared strength. Time out of band after a pour does not
    count for up to `excused_h`.
    """

    at_h: float
    kind: str
    what: str
    amount: float
    excused_h: float = EXCUSED_H
