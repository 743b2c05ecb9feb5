"""What every task of the environments has: stocks, spaces, flows, observation and reward.

A task is written once and runs on floats and on arrays. CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from idrosim.benchmark.fleet.reservoirs import Value
from idrosim.gym.greenhouse import Flows, Greenhouse

# Beyond these the crop is lost and the episode ends: true pH, EC and level.
SAFE_PH, SAFE_US_CM, SAFE_LEVEL_RATIO = (3.5, 9.0), 6_000.0, 0.25
REWARD_S = 300.0  # rewards are for this time
_FAR_BANDS = 3.0

Floats32 = npt.NDArray[np.float32]
# Of an observation or action: name, lowest, highest. docs/benchmark.md has the units.
Column = tuple[str, float, float]
HOUSE_COLUMNS: tuple[Column, ...] = (
    ("ph", 0.0, 14.0), ("ec_ms_cm", 0.0, 20.0), ("level_ratio", 0.0, 2.0), ("temp_c", 0.0, 45.0),
    ("hour", 0.0, 24.0))


class Task(Protocol):
    """A task. `stocks` are bottles of the cell or ions in mol/L."""

    stocks: Sequence[str | Mapping[str, float]]
    observations: Sequence[Column]
    actions: Sequence[Column]
    normals: int  # standard normal deviates for each observation

    def flows(self, house: Greenhouse, action: Sequence[Value]) -> Flows:
        """Return what an action inside its space puts into the water and takes out."""
        ...

    def observe(self, house: Greenhouse, normals: Sequence[Value]) -> list[Value]:
        """Return the columns of the observation."""
        ...

    def reward(self, house: Greenhouse, flows: Flows) -> Value:
        """Return the reward for REWARD_S, by the true values after a step."""
        ...


def box(columns: Sequence[Column]) -> Box[np.float32]:
    """Return the space of the columns."""
    return Box(np.array([low for _, low, _ in columns], np.float32),
               np.array([high for _, _, high in columns], np.float32), dtype=np.float32)


def is_over(house: Greenhouse) -> Value:
    """Return True where the true water is beyond what a crop survives."""
    ph, level = house.water.ph, house.level_ratio
    return ((ph < SAFE_PH[0]) | (ph > SAFE_PH[1]) | (house.ec_us_cm > SAFE_US_CM)
            | (level < SAFE_LEVEL_RATIO))


def closeness(house: Greenhouse, off: Value, band: Value) -> Value:
    """Return 1 on target, 2/3 at the edge of the band, 0 at three bands and beyond."""
    return house.numbers.most(1.0 - abs(off) / (_FAR_BANDS * band), 0.0)


def measured(house: Greenhouse, normals: Sequence[Value]) -> list[Value]:
    """Return the columns HOUSE_COLUMNS, within their limits."""
    readings = house.read(normals)
    least, most = house.numbers.least, house.numbers.most
    return [least(most(readings.ph, 0.0), 14.0), least(1e-3 * readings.ec_us_cm, 20.0),
            least(most(readings.level_mm / house.cell["full_mm"], 0.0), 2.0),
            house.water.temp_c, house.hour]
