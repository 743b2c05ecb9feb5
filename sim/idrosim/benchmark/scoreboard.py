"""Runs the scoreboard: every policy in every cell, on all cores, with a cache. CPython only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from idrosim.benchmark import firmware_policy, run
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.measures import Measures
from idrosim.benchmark.result_cache import ResultCache
from idrosim.benchmark.run import LEAST_REAGENT

Job = tuple[Cell, str, float, float | None]
DAYS = 7.0
OnDone = Callable[[int, int], None]

_SIMULATED = ("benchmark/cases.py", "benchmark/disturbances.py", "benchmark/measures.py",
              "benchmark/peer_policies.py", "benchmark/run.py", "greenhouse/*.py", "probes/*.py")


def run_all(
    cells: list[Cell], policies: Iterable[str], days: float | None, cache: Path | None = None,
    on_done: OnDone | None = None,
) -> list[Measures]:
    """Return the measures of every policy in every cell, in that order.

    `days` None uses that of each cell, or DAYS. Raises OSError if the cache cannot be written.
    """
    results = ResultCache(cache, _SIMULATED)
    long = {cell.name: days or cell.days or DAYS for cell in cells}
    wanted = [(cell, policy) for cell in cells for policy in policies]
    total, done = len(cells) + len(wanted), 0

    def report() -> None:
        nonlocal done
        done += 1
        if on_done is not None:
            on_done(done, total)

    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        least = _gather(
            pool, results, [(c, LEAST_REAGENT, long[c.name], None) for c in cells], report)
        found = _gather(pool, results, [
            (cell, policy, long[cell.name], sum(least[cell.name, LEAST_REAGENT]))
            for cell, policy in wanted], report)
    return [Measures(**found[cell.name, policy]) for cell, policy in wanted]


def _gather(
    pool: ProcessPoolExecutor, results: ResultCache, jobs: list[Job], report: Callable[[], None]
) -> dict[tuple[str, str], Any]:
    found, running = {}, {}
    for job in jobs:
        known = results.get(_key(job), is_firmware=job[1] == firmware_policy.NAME)
        if known is None:
            running[pool.submit(_run, job)] = job
        else:
            found[job[0].name, job[1]] = known
            report()
    for future in as_completed(running):
        job = running[future]
        found[job[0].name, job[1]] = future.result()
        results.put(_key(job), found[job[0].name, job[1]],
                    is_firmware=job[1] == firmware_policy.NAME)
        report()
    return found


def _run(job: Job) -> Any:
    cell, policy, days, least_meq = job
    if policy == LEAST_REAGENT:
        return list(run.least_reagent(cell, days))
    return run.run(cell, policy, days, least_meq).to_json()


def _key(job: Job) -> str:
    cell, policy, days, _ = job
    return f"{cell!r} {policy} {days:g}"
