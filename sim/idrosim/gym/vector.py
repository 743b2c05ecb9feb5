"""The environments with many greenhouses at once, on numpy. CPython only.

A greenhouse whose episode has ended is reset by the next step, which ignores its action and
has a reward of 0 (AutoresetMode.NEXT_STEP).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from idrosim.benchmark.cases import Cell
from idrosim.benchmark.fleet.chemistry import Floats
from idrosim.gym.cell_table import CellTable, default_cells
from idrosim.gym.dose_task import DoseTask
from idrosim.gym.environment import DAYS, STEP_S, checked_days, checked_step_s
from idrosim.gym.feed_task import FeedTask
from idrosim.gym.greenhouse import DAY_S, Greenhouse
from idrosim.gym.task import REWARD_S, Floats32, Task, box, is_over

Flags = npt.NDArray[np.bool_]
Infos = dict[str, Any]


class RootZoneVectorEnv(VectorEnv[Floats32, Floats32, npt.NDArray[Any]]):
    """The water of `num_envs` greenhouses at a task, each drawn from `cells` at its reset."""

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, task: Task, num_envs: int, cells: Sequence[Cell] | None, step_s: float,
                 days: float) -> None:
        """See RootZoneEnv. Raises ValueError."""
        if num_envs < 1:
            raise ValueError(f"num_envs: {num_envs!r}, expected at least 1")
        self.task, self.num_envs = task, num_envs
        self.step_s, self.days = checked_step_s(step_s), checked_days(days)
        self.table = CellTable(default_cells() if cells is None else cells, task.stocks)
        self.single_observation_space = box(task.observations)
        self.single_action_space = one = box(task.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(one, num_envs)
        self._low, self._high = one.low[:, None], one.high[:, None]
        self.house: Greenhouse | None = None
        self._has_ended: Flags = np.zeros(num_envs, np.bool_)

    def reset(self, *, seed: int | list[int] | None = None, options: Infos | None = None
              ) -> tuple[Floats32, Infos]:
        """Start every episode; one seed, of all. Raises ValueError for a list of seeds."""
        if isinstance(seed, list):
            raise ValueError("seed: expected one number, of all greenhouses")
        super().reset(seed=seed)
        self.house = Greenhouse(self.table, self.np_random, self.step_s, self.num_envs)
        self._has_ended = np.zeros(self.num_envs, np.bool_)
        return self._observation(self.house), self._info(self.house)

    def step(self, actions: Floats32) -> tuple[Floats32, Floats, Flags, Flags, Infos]:
        """Advance by `step_s`. Raises ValueError for actions that are not numbers."""
        house = self.house
        if house is None:
            raise gymnasium.error.ResetNeeded("step: call reset first")
        wanted = np.asarray(actions, np.float64).T
        if np.isnan(wanted).any():
            raise ValueError("actions: not a number")
        flows = self.task.flows(house, list(np.clip(wanted, self._low, self._high)))
        house.step(flows)
        rewards: Floats = self.task.reward(house, flows) * (self.step_s / REWARD_S)
        at = np.nonzero(self._has_ended)[0]
        if at.size:
            house.replace(at, Greenhouse(self.table, self.np_random, self.step_s, at.size))
            rewards[at] = 0.0
        terminated: Flags = is_over(house)
        truncated = np.asarray(house.elapsed_s >= self.days * DAY_S)
        self._has_ended = terminated | truncated
        return self._observation(house), rewards, terminated, truncated, self._info(house)

    def _observation(self, house: Greenhouse) -> Floats32:
        normals = self.np_random.standard_normal((self.task.normals, self.num_envs))
        found = np.empty((self.num_envs, len(self.task.observations)), np.float32)
        for index, column in enumerate(self.task.observe(house, list(normals))):
            found[:, index] = column
        return found

    def _info(self, house: Greenhouse) -> Infos:
        every = np.ones(self.num_envs, np.bool_)
        return {"ph": house.water.ph.copy(), "_ph": every, "ec_us_cm": house.ec_us_cm.copy(),
                "_ec_us_cm": every.copy(), "level_ratio": house.level_ratio,
                "_level_ratio": every.copy()}


def dose(num_envs: int = 1, cells: Sequence[Cell] | None = None, step_s: float = STEP_S,
         days: float = DAYS) -> RootZoneVectorEnv:
    """Return the vectorised dose-v0."""
    return RootZoneVectorEnv(DoseTask(), num_envs, cells, step_s, days)


def feed(num_envs: int = 1, cells: Sequence[Cell] | None = None, step_s: float = STEP_S,
         days: float = DAYS) -> RootZoneVectorEnv:
    """Return the vectorised feed-v0."""
    return RootZoneVectorEnv(FeedTask(), num_envs, cells, step_s, days)
