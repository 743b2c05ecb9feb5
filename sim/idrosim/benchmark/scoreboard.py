"""Runs the scoreboard: every policy in every cell, on all cores, with a result cache.

Each result is a JSON line in the cache file, keyed by a digest of the code that it depends on, so
an interrupted run resumes and a changed policy is run again. CPython only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import idro
import idrosim
from idrosim.benchmark import firmware_policy, run
from idrosim.benchmark.cases import Cell
from idrosim.benchmark.measures import Measures
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
    results = _ResultCache(cache)
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
    pool: ProcessPoolExecutor, results: _ResultCache, jobs: list[Job], report: Callable[[], None]
) -> dict[tuple[str, str], Any]:
    found, running = {}, {}
    for job in jobs:
        known = results.get(job)
        if known is None:
            running[pool.submit(_run, job)] = job
        else:
            found[job[0].name, job[1]] = known
            report()
    for future in as_completed(running):
        job = running[future]
        found[job[0].name, job[1]] = future.result()
        results.put(job, found[job[0].name, job[1]])
        report()
    return found


def _run(job: Job) -> Any:
    cell, policy, days, least_meq = job
    if policy == LEAST_REAGENT:
        return list(run.least_reagent(cell, days))
    return run.run(cell, policy, days, least_meq).to_json()


class _ResultCache:
    """The cache file of results."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._digests: dict[bool, str] = {}
        self._known: dict[str, Any] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue  # truncated when the run was interrupted
                self._known[key] = value

    def get(self, job: Job) -> Any:
        """Return the cached result of a job, or None."""
        return self._known.get(self._key(job))

    def put(self, job: Job, value: Any) -> None:
        """Append the result of a job."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([self._key(job), value]) + "\n")

    def _key(self, job: Job) -> str:
        cell, policy, days, _ = job
        is_firmware = policy == firmware_policy.NAME
        if is_firmware not in self._digests:
            self._digests[is_firmware] = _digest(is_firmware)
        return f"{cell!r} {policy} {days:g} {self._digests[is_firmware]}"


def _digest(is_firmware: bool) -> str:
    """Return a digest of the sources that a result depends on."""
    here = Path(str(idrosim.__file__)).parent
    files = [file for pattern in _SIMULATED for file in sorted(here.glob(pattern))]
    if is_firmware:
        files.append(here / "benchmark" / "firmware_policy.py")
        files += sorted(Path(str(idro.__file__)).parent.rglob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
