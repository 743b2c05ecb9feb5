"""The environments with one greenhouse: dose-v0 and feed-v0. CPython only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from idrosim.benchmark.cases import Cell
from idrosim.gym import safety_gate
from idrosim.gym.cell_table import CellTable, default_cells
from idrosim.gym.dose_task import DoseTask
from idrosim.gym.feed_task import FeedTask
from idrosim.gym.greenhouse import DAY_S, NORMALS, Greenhouse
from idrosim.gym.safety_gate import SafetyGate
from idrosim.gym.task import REWARD_S, Floats32, Task, box, is_over

STEP_S, DAYS = 300.0, 7.0
SHORTEST_S, LONGEST_S = 30.0, 300.0


class RootZoneEnv(gymnasium.Env[Floats32, Floats32]):
    """The water of one greenhouse at a task, drawn from `cells` at each reset.

    docs/benchmark.md describes observation, action, reward and end of an episode, with units.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, task: Task, cells: Sequence[Cell] | None, step_s: float,
                 days: float) -> None:
        """Compute the numbers of the cells, None: those of `idroserra sim score`.

        `step_s` is the time of a step, `days` the length of an episode. Raises ValueError.
        """
        self.task, self.step_s, self.days = task, checked_step_s(step_s), checked_days(days)
        self.table = CellTable(default_cells() if cells is None else cells, task.stocks)
        self.observation_space, self.action_space = box(task.observations), box(task.actions)
        self._limits = [(low, high) for _, low, high in task.actions]
        self.house: Greenhouse | None = None
        self.cell: Cell | None = None  # of this episode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[Floats32, dict[str, Any]]:
        """Start an episode. `options` may name the `cell`. Raises ValueError."""
        super().reset(seed=seed)
        self.house = Greenhouse(
            self.table, self.np_random, self._dt_s(), chosen=self._chosen(options or {}))
        self.cell = self.table.cells[self.house.index]
        return self._observation(self.house), self._info(self.house)

    def step(self, action: Floats32) -> tuple[Floats32, float, bool, bool, dict[str, Any]]:
        """Advance by `step_s`. Raises ValueError for an action that is not a number."""
        _, house = self.started()
        reward = self._advance(house, self.inside(action)) * (self.step_s / REWARD_S)
        return (self._observation(house), reward, bool(is_over(house)),
                bool(house.elapsed_s >= self.days * DAY_S), self._info(house))

    def started(self) -> tuple[Cell, Greenhouse]:
        """Return cell and greenhouse of this episode. Raises ResetNeeded before the first."""
        if self.cell is None or self.house is None:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self.cell, self.house

    def _dt_s(self) -> float:
        return self.step_s

    def _advance(self, house: Greenhouse, action: Sequence[float]) -> float:
        """Run one step; return the reward for REWARD_S."""
        flows = self.task.flows(house, action)
        house.step(flows)
        reward: float = self.task.reward(house, flows)
        return reward

    def inside(self, action: Floats32) -> list[float]:
        """Return the action, limited to its space. Raises ValueError for NaN."""
        found = []
        for value, (low, high) in zip(np.asarray(action).tolist(), self._limits, strict=True):
            if value != value:
                raise ValueError("action: not a number")
            found.append(low if value < low else high if value > high else value)
        return found

    def _observation(self, house: Greenhouse) -> Floats32:
        normals = self.np_random.standard_normal(self.task.normals).tolist()
        return np.array(self.task.observe(house, normals), np.float32)

    def _info(self, house: Greenhouse) -> dict[str, Any]:
        return {"ph": house.water.ph, "ec_us_cm": house.ec_us_cm,
                "level_ratio": house.level_ratio}

    def _chosen(self, options: dict[str, Any]) -> int | None:
        """Return the index of the cell of that name, None to draw one."""
        if unknown := sorted(set(options) - {"cell"}):
            raise ValueError(f"options: unknown key {unknown[0]!r}, expected 'cell'")
        if "cell" not in options:
            return None
        names = [cell.name for cell in self.table.cells]
        if options["cell"] not in names:
            raise ValueError(f"options.cell: {options['cell']!r} is not one of {names[0]}, ...")
        return names.index(options["cell"])


class GatedDoseEnv(RootZoneEnv):
    """dose-v0 behind the firmware's safety gate.

    The firmware samples every 30 s. An action is a request that is repeated at each sample until
    the gate grants it, cut to what it allows, or the step ends. `info` has `refused`: {actuator:
    code of the reason} of what was not granted.
    """

    def __init__(self, task: Task, cells: Sequence[Cell] | None, step_s: float,
                 days: float) -> None:
        """See RootZoneEnv. Raises ValueError if a step is not a whole number of samples."""
        super().__init__(task, cells, step_s, days)
        self._samples = round(self.step_s / safety_gate.EVERY_S)
        if self._samples * safety_gate.EVERY_S != self.step_s:
            raise ValueError(f"step_s: {step_s!r} is not a multiple of {safety_gate.EVERY_S:g}")
        self._gate: SafetyGate | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[Floats32, dict[str, Any]]:
        """Start an episode, with a node that was just switched on. Raises ValueError."""
        self.close()
        found = super().reset(seed=seed, options=options)
        self._gate = SafetyGate(*self.started())
        return found

    def close(self) -> None:
        """Delete the ledger of the node."""
        if self._gate is not None:
            self._gate.close()
        self._gate = None

    def _dt_s(self) -> float:
        return safety_gate.EVERY_S

    def _advance(self, house: Greenhouse, action: Sequence[float]) -> float:
        gate, reward = self._gate, 0.0
        assert gate is not None
        gate.request(self.task.flows(house, action), self._samples)
        for left in reversed(range(self._samples)):
            flows = gate.grant()
            house.step(flows)
            reward += self.task.reward(house, flows)
            if left:  # the observation is the last sample
                house.read(self.np_random.standard_normal(NORMALS).tolist())
        return reward / self._samples

    def _info(self, house: Greenhouse) -> dict[str, Any]:
        refused = {} if self._gate is None else dict(self._gate.refused)
        return super()._info(house) | {"refused": refused}


def checked_step_s(step_s: float) -> float:
    """Return the time of a step as a float. Raises ValueError out of range."""
    if not SHORTEST_S <= step_s <= LONGEST_S:
        raise ValueError(f"step_s: {step_s!r} is outside {SHORTEST_S:g} to {LONGEST_S:g}")
    return float(step_s)


def checked_days(days: float) -> float:
    """Return the length of an episode as a float. Raises ValueError if it is not above 0."""
    if not days > 0.0:
        raise ValueError(f"days: {days!r} is not above 0")
    return float(days)


def dose(cells: Sequence[Cell] | None = None, step_s: float = STEP_S, days: float = DAYS, *,
         gate: bool = False) -> RootZoneEnv:
    """Return dose-v0, with `gate` behind the safety gate of the firmware."""
    made = GatedDoseEnv if gate else RootZoneEnv
    return made(DoseTask(), cells, step_s, days)


def feed(cells: Sequence[Cell] | None = None, step_s: float = STEP_S, days: float = DAYS
         ) -> RootZoneEnv:
    """Return feed-v0."""
    return RootZoneEnv(FeedTask(), cells, step_s, days)
