"""Evaluates a dosing policy on a fleet of greenhouses.

A policy turns readings into nominal ml. Its parameters may be arrays, so that one run tries a
different value in every greenhouse. CPython only; needs the extra `sim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from idrosim.benchmark.fleet.chemistry import Floats
from idrosim.benchmark.fleet.greenhouses import DAY_STEPS, STEP_S, FleetPlant


class Policy(Protocol):
    """Decides doses from readings."""

    def decide(self, at_s: float, ph: Floats, ec_us_cm: Floats) -> Mapping[str, Floats]:
        """Return the nominal ml (N,) of each doser to run."""
        ...


@dataclass
class BandPolicy:
    """Doses towards a band, then waits. Arrays set a different value in every greenhouse."""

    volume_ml: Floats
    target_ph: Floats | float = 5.8
    deadband_ph: Floats | float = 0.2
    ml_per_ph_100l: Floats | float = 8.0
    target_ec_us_cm: Floats | float = 1_500.0
    deadband_us_cm: Floats | float = 75.0
    nutrient_ml_100l: Floats | float = 60.0
    wait_s: Floats | float = 1_800.0
    _next_s: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._next_s = np.zeros(len(self.volume_ml))

    def decide(self, at_s: float, ph: Floats, ec_us_cm: Floats) -> Mapping[str, Floats]:
        """Dose EC before pH, one kind at a time, at most twice the dead band at once."""
        per_100l = self.volume_ml / 1e5
        free = at_s >= self._next_s
        is_low_ec = free & (ec_us_cm < self.target_ec_us_cm - self.deadband_us_cm)
        off = ph - self.target_ph
        is_off_ph = free & ~is_low_ec & (np.abs(off) > self.deadband_ph)
        size = np.minimum(np.abs(off), 2.0 * self.deadband_ph) * self.ml_per_ph_100l * per_100l
        feed = np.where(is_low_ec, self.nutrient_ml_100l * per_100l, 0.0)
        self._next_s = np.where(is_low_ec | is_off_ph, at_s + self.wait_s, self._next_s)
        return {
            "ph_down": np.where(is_off_ph & (off > 0.0), size, 0.0),
            "ph_up": np.where(is_off_ph & (off < 0.0), size, 0.0),
            "nutrient_a": feed, "nutrient_b": feed,
        }


@dataclass(frozen=True)
class Outcome:
    """Result of a policy, one element per greenhouse."""

    in_band_ratio: Floats  # share of the time after the first day with a true pH in 5.5..6.3
    low_ph: Floats
    high_ph: Floats
    dosed_ml: dict[str, Floats]
    doses: npt.NDArray[np.int64]


def run(plant: FleetPlant, policy: Policy, days: float, sample_s: float = 600.0) -> Outcome:
    """Run `policy` in the greenhouses for `days`, with readings every `sample_s`."""
    count, steps = plant.cells.count, round(days * DAY_STEPS)
    every = max(round(sample_s / STEP_S), 1)
    inside = np.zeros(count)
    low, high = np.full(count, 14.0), np.zeros(count)
    counted = 0
    for step in range(steps):
        plant.step(policy.decide(plant.at_s, *plant.read()) if step % every == 0 else None)
        if step >= min(DAY_STEPS, steps // 2):
            ph = plant.solution.ph
            inside += (ph >= 5.5) & (ph <= 6.3)
            low, high = np.minimum(low, ph), np.maximum(high, ph)
            counted += 1
    return Outcome(inside / max(counted, 1), low, high, plant.dosed_ml, plant.doses)
