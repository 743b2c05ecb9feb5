"""Runs agents of dose-v0 in the cells of the scoreboard and compares them.

Each agent meets the same cells with the same seeds: crop, hour, pump errors. Measures are those of
`idroserra sim score`, by true values, and the mean reward. Results of the baselines are cached.
CPython only.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import BAND_PH, Cell
from idrosim.benchmark.result_cache import ResultCache
from idrosim.benchmark.tables import table
from idrosim.gym.baselines import BASELINES, Agent, Baseline
from idrosim.gym.environment import RootZoneEnv, dose
from idrosim.gym.greenhouse import DAY_S
from idrosim.gym.task import REWARD_S

OnDone = Callable[[int, int], None]
_SIMULATED = ("greenhouse/**/*.py", "probes/**/*.py", "benchmark/**/*.py", "gym/**/*.py")
TITLES = ("agent", "step, s", "mean reward", "crops lost", "hours to band", "% in band then",
           "worst pH, off", "acid and base, meq/l a day")


class Episode(NamedTuple):
    """The result of an agent in a cell. None if there is nothing to measure."""

    agent: str
    cell: str
    step_s: float
    reward: float  # mean of 300 s, 0 after the crop was lost
    is_lost: bool
    to_band_h: float | None
    in_band_ratio: float | None
    off_ph: float | None  # None if pH was never within half its band
    meq_l_day: float


class UnknownAgentError(ValueError):
    """`name` is not a baseline and not `module:callable`."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"not module:callable, and not one of {', '.join(BASELINES)} ({why})")
        self.name = name


def agent_of(name: str) -> Baseline:
    """Return the baseline of that name, or one of a user: `module:callable`.

    The callable gets the environment after its reset and returns an Agent. Raises
    UnknownAgentError.
    """
    if name in BASELINES:
        return BASELINES[name]
    module, _, attribute = name.partition(":")
    try:
        return Baseline(getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownAgentError(name, str(error)) from None


def run_all(agents: Sequence[str], cells: Sequence[Cell], days: float,
            cached: Path | None = None, on_done: OnDone | None = None) -> list[Episode]:
    """Return the episode of every agent in every cell, in that order, run on all cores.

    Raises UnknownAgentError, and OSError if the cache cannot be written.
    """
    for name in agents:
        agent_of(name)
    jobs = [(name, cell, days) for name in agents for cell in cells]
    results = ResultCache(cached, _SIMULATED)
    known = [results.get(_key(job), is_firmware=job[0] == firmware_policy.NAME) for job in jobs]
    found = {index: Episode(*one) for index, one in enumerate(known) if one is not None}
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        running = {pool.submit(_episode, job): index for index, job in enumerate(jobs)
                   if index not in found}
        for future in as_completed(running):
            index = running[future]
            found[index] = future.result()
            if jobs[index][0] in BASELINES:
                results.put(_key(jobs[index]), found[index],
                            is_firmware=jobs[index][0] == firmware_policy.NAME)
            if on_done is not None:
                on_done(len(found), len(jobs))
    return [found[index] for index in range(len(jobs))]


def _key(job: tuple[str, Cell, float]) -> str:
    name, cell, days = job
    return f"{name} {cell!r} {days:g}"


def _episode(job: tuple[str, Cell, float]) -> Episode:
    name, cell, days = job
    baseline = agent_of(name)
    env = dose([cell], baseline.step_s, days)
    observation, _ = env.reset(seed=cell.seed)
    return _run(env, name, baseline.make(env), observation)


def _run(env: RootZoneEnv, name: str, agent: Agent, observation: Any) -> Episode:
    """Run an episode from its first observation on."""
    cell, house = env.started()
    watch, rewards, meq = _Watch(cell), 0.0, 0.0
    is_lost = is_over = False
    while not (is_over or is_lost):
        action = agent.act(observation)
        acid_ml, base_ml = env.task.flows(house, env.inside(action)).doses_ml[:2]
        meq += acid_ml * house.cell["acid_meq_ml"] + base_ml * house.cell["base_meq_ml"]
        observation, reward, is_lost, is_over, info = env.step(action)
        rewards += reward
        watch.observe(info["ph"], info["ec_us_cm"], float(house.elapsed_s))
    periods = env.days * DAY_S / REWARD_S
    return Episode(
        name, cell.name, env.step_s, rewards / periods, is_lost, watch.to_band_h,
        watch.inside / watch.since if watch.since else None, watch.off_ph,
        meq / cell.volume_l / env.days)


class _Watch:
    """Measures an episode by its true values, as the scoreboard does."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.inside = self.since = 0  # steps
        self.to_band_h: float | None = None
        self.off_ph: float | None = None  # the most, since it was within half the band

    def observe(self, ph: float, ec_us_cm: float, at_s: float) -> None:
        """Process pH and EC after a step."""
        off_ph = abs(ph - self._cell.target_ph)
        is_in = (off_ph <= BAND_PH
                 and abs(ec_us_cm - self._cell.target_us_cm) <= self._cell.band_us_cm)
        if is_in and self.to_band_h is None:
            self.to_band_h = at_s / 3_600.0
        if self.to_band_h is not None:
            self.inside += is_in
            self.since += 1
        if self.off_ph is not None or off_ph <= 0.5 * BAND_PH:
            self.off_ph = max(self.off_ph or 0.0, off_ph)


def page(episodes: Sequence[Episode], days: float, command: str) -> str:
    """Return the leaderboard in Markdown."""
    count = len({episode.cell for episode in episodes})
    return "\n".join([
        "# Leaderboard of dose-v0", "",
        f"Generated by `{command}`: {count} greenhouses, {days:g} days each. Do not edit.", "",
        table(TITLES, rows(episodes)), "",
        "Mean and worst reward of 300 s; 1 is on target all the time without acid and base. A "
        "crop is lost when pH, EC or level leave the safe range. Hours until pH and EC were both "
        "in band: median and worst. Share of the time since then: median and worst. Worst pH "
        "since it was first within half its band: median and worst. An agent with steps of 30 s "
        "is a controller as `idroserra sim score` runs it. Environment, agents and how to add "
        "one: docs/benchmark.md.", ""])


def rows(episodes: Sequence[Episode]) -> list[list[str]]:
    """Return a row of texts for each agent, best mean reward first."""
    by_agent: dict[str, list[Episode]] = {}
    for episode in episodes:
        by_agent.setdefault(episode.agent, []).append(episode)
    ranked = sorted(by_agent.values(), key=lambda found: -fmean(e.reward for e in found))
    return [[
        found[0].agent, f"{found[0].step_s:g}",
        f"{fmean(e.reward for e in found):.3f} / {min(e.reward for e in found):.3f}",
        str(sum(e.is_lost for e in found)), _hours([e.to_band_h for e in found]),
        _pair([e.in_band_ratio for e in found], min, 100.0, 1),
        _pair([e.off_ph for e in found], max, 1.0, 2),
        f"{median(e.meq_l_day for e in found):.2f}",
    ] for found in ranked]


def _hours(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "never"
    never = len(values) - len(known)
    return f"{median(known):.1f} / " + (f"never in {never}" if never else f"{max(known):.1f}")


def _pair(values: Sequence[float | None], worst: Callable[[list[float]], float], times: float,
          decimals: int) -> str:
    """Return median and worst of the known values, "-" without any."""
    known = [times * value for value in values if value is not None]
    return f"{median(known):.{decimals}f} / {worst(known):.{decimals}f}" if known else "-"
