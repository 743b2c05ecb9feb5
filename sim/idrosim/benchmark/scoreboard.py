"""Runs the whole scoreboard: every policy in every cell, on all cores, resumed where it stopped.

Each finished week is a line of JSON in a file, under a digest of all code that it came from, so
that an interrupted run goes on and a changed policy is run again. CPython only.
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
from idrosim.benchmark.run import LEAST, Measures

Job = tuple[Cell, str, float, float | None]
DAYS = 7.0
OnDone = Callable[[int, int], None]

_SIMULATED = ("benchmark/cases.py", "benchmark/peer_policies.py", "benchmark/run.py",
              "greenhouse/*.py", "probes/*.py")


def run_all(
    cells: list[Cell], policies: Iterable[str], days: float | None, cache: Path | None = None,
    on_done: OnDone | None = None,
) -> list[Measures]:
    """Return the measures of every policy in every cell, in that order.

    `days` None lets each cell have its own, or DAYS. Raises OSError where the file cannot be
    written.
    """
    store = _Store(cache)
    long = {cell.name: days or cell.days or DAYS for cell in cells}
    wanted = [(cell, policy) for cell in cells for policy in policies]
    total, done = len(cells) + len(wanted), 0

    def tell() -> None:
        nonlocal done
        done += 1
        if on_done is not None:
            on_done(done, total)

    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        least = _gather(pool, store, [(c, LEAST, long[c.name], None) for c in cells], tell)
        found = _gather(pool, store, [
            (cell, policy, long[cell.name], sum(least[cell.name, LEAST]))
            for cell, policy in wanted], tell)
    return [Measures(**found[cell.name, policy]) for cell, policy in wanted]


def _gather(
    pool: ProcessPoolExecutor, store: _Store, jobs: list[Job], tell: Callable[[], None]
) -> dict[tuple[str, str], Any]:
    found, running = {}, {}
    for job in jobs:
        known = store.get(job)
        if known is None:
            running[pool.submit(_run, job)] = job
        else:
            found[job[0].name, job[1]] = known
            tell()
    for future in as_completed(running):
        job = running[future]
        found[job[0].name, job[1]] = future.result()
        store.put(job, found[job[0].name, job[1]])
        tell()
    return found


def _run(job: Job) -> Any:
    cell, policy, days, least_meq = job
    if policy == LEAST:
        return list(run.least(cell, days))
    return run.run(cell, policy, days, least_meq).to_json()


class _Store:
    """The file of finished weeks."""

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
                    continue  # the line that was being written when the run was broken off
                self._known[key] = value

    def get(self, job: Job) -> Any:
        """Return what is known of a job, or None."""
        return self._known.get(self._key(job))

    def put(self, job: Job, value: Any) -> None:
        """Keep the result of a job."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([self._key(job), value]) + "\n")

    def _key(self, job: Job) -> str:
        cell, policy, days, _ = job
        is_ours = policy == firmware_policy.NAME
        if is_ours not in self._digests:
            self._digests[is_ours] = _digest(is_ours)
        return f"{cell!r} {policy} {days:g} {self._digests[is_ours]}"


def _digest(is_ours: bool) -> str:
    """Return a digest of the sources that make a result."""
    here = Path(str(idrosim.__file__)).parent
    files = [file for pattern in _SIMULATED for file in sorted(here.glob(pattern))]
    if is_ours:
        files.append(here / "benchmark" / "firmware_policy.py")
        files += sorted(Path(str(idro.__file__)).parent.rglob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
