"""Mutation testing of idro.safety: the tests must fail for every mutant.

    make mutate-safety                     all mutants; resumes an interrupted run
    make mutate-safety ARGS="--every 7"    a sample
    make mutate-safety ARGS="--file ledger.py --again"   the survivors of one file again
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parents[2]))

from campaigns.mutation.mutant_runner import (  # noqa: E402
    ROOT,
    Baseline,
    MutantImporter,
    Trial,
    TrialError,
    measure,
)
from campaigns.mutation.mutants import Mutant, find  # noqa: E402

SOURCE = ROOT / "firmware" / "idro" / "safety"
TESTS = ROOT / "tests" / "firmware" / "safety"
SURVIVORS_FILE = Path(__file__).parent / "survivors.toml"
LEAST_PCT = 95.0
_SPARE_CPU_S = 20


class UsageError(Exception):
    """The arguments or the list of survivors are invalid."""


@dataclass(frozen=True)
class Result:
    """The outcome of a mutant and the test that killed it."""

    mutant: Mutant
    outcome: str
    killer: str


def safety_tests() -> list[Path]:
    """Return the test files of idro.safety."""
    return sorted(TESTS.glob("test_*.py"))


def all_mutants() -> list[Mutant]:
    """Return every mutant of idro.safety."""
    return [
        mutant for path in sorted(SOURCE.glob("*.py"))
        for mutant in find(path.name, path.read_text(encoding="utf-8"))
    ]


def read_survivors(
    mutants: Iterable[Mutant], file: Path = SURVIVORS_FILE
) -> dict[tuple[Any, ...], str]:
    """Return the reasons of accepted survivors by key. Raises UsageError for an unknown mutant."""
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("survivor", [])
    known = {mutant.key for mutant in mutants}
    found: dict[tuple[Any, ...], str] = {}
    for entry in entries:
        key = (
            entry["file"], entry["function"], entry["was"], entry["now"], entry.get("nth", 1)
        )
        if key not in known:
            raise UsageError(f"{SURVIVORS_FILE.name}: unknown mutant: {key}")
        if key in found:
            raise UsageError(f"{SURVIVORS_FILE.name}: duplicate entry: {key}")
        if not entry["why"].strip():
            raise UsageError(f"{SURVIVORS_FILE.name}: no reason: {key}")
        found[key] = entry["why"]
    return found


class ResultLog:
    """Results on disk, one line each, from which an interrupted run resumes.

    They are valid for the same firmware and the same tests only.
    """

    def __init__(self, path: Path, tests: list[Path]) -> None:
        self._path = path
        self._firmware = _digest(sorted(SOURCE.glob("*.py")))
        self._tests = _digest([*sorted((ROOT / "tests" / "support").glob("*_rig.py")), *tests])

    def read(self, *, kills_only: bool) -> dict[tuple[Any, ...], tuple[str, str]]:
        """Return (outcome, killer) by key; with `kills_only`, kills by any version of tests."""
        found: dict[tuple[Any, ...], tuple[str, str]] = {}
        if not self._path.exists():
            return found
        for line in self._path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            is_valid = entry["outcome"] != "survived" if kills_only else (
                entry["tests"] == self._tests)
            if entry["firmware"] == self._firmware and is_valid:
                found[tuple(entry["key"])] = (entry["outcome"], entry["killer"])
        return found

    def add(self, result: Result) -> None:
        """Append one result."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        entry = {
            "key": result.mutant.key, "outcome": result.outcome, "killer": result.killer,
            "firmware": self._firmware, "tests": self._tests,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class MutantScheduler:
    """Runs a few mutants at a time, starting with the tests that killed earlier ones."""

    def __init__(self, baseline: Baseline, folder: Path, jobs: int) -> None:
        self._baseline = baseline
        self._folder = folder
        self._jobs = jobs
        self._count = 0
        self._kills: Counter[tuple[str, str, str]] = Counter()
        self._running: list[tuple[Mutant, Trial, Path]] = []

    def run(self, mutants: list[Mutant]) -> Iterable[Result]:
        """Yield each Result as it completes."""
        left = list(reversed(mutants))
        try:
            while left or self._running:
                while left and len(self._running) < self._jobs:
                    mutant = left.pop()
                    tests = self._tests_for(mutant)
                    if tests:
                        self._begin(mutant, tests)
                    else:
                        yield Result(mutant, "survived", "")
                yield from self._ended()
        finally:
            for _, trial, _ in self._running:
                trial.end()

    def _tests_for(self, mutant: Mutant) -> list[str]:
        if mutant.is_at_import:
            tests = self._baseline.all_tests()
        else:
            lines = range(mutant.first_line, mutant.last_line + 1)
            tests = self._baseline.tests_of(mutant.file, lines)
        return sorted(tests, key=lambda test: -self._kills[mutant.file, mutant.function, test])

    def _begin(self, mutant: Mutant, tests: list[str]) -> None:
        self._count += 1
        folder = self._folder / str(self._count)
        module = f"idro.safety.{mutant.file.removesuffix('.py')}"
        importer = MutantImporter(module, SOURCE / mutant.file, mutant.code)
        took_s = sum(self._baseline.seconds[test] for test in tests)
        trial = Trial(importer, tests, folder, _SPARE_CPU_S + int(4 * took_s))
        self._running.append((mutant, trial, folder))

    def _ended(self) -> Iterable[Result]:
        wait([trial.sentinel for _, trial, _ in self._running], timeout=1)
        for entry in list(self._running):
            mutant, trial, folder = entry
            outcome = trial.outcome()
            if outcome is None:
                continue
            self._running.remove(entry)
            shutil.rmtree(folder, ignore_errors=True)
            self._kills[mutant.file, mutant.function, outcome[1]] += 1
            yield Result(mutant, *outcome)


def run_mutants(
    mutants: list[Mutant], arguments: argparse.Namespace, console: Console
) -> list[Result]:
    """Return the results of `mutants`, including known ones."""
    tests = [path.resolve() for path in arguments.tests] or safety_tests()
    log = ResultLog(arguments.results, tests)
    known = log.read(kills_only=arguments.again)
    results = [Result(mutant, *known[mutant.key]) for mutant in mutants if mutant.key in known]
    left = [mutant for mutant in mutants if mutant.key not in known]
    if not left:
        return results
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )
    with tempfile.TemporaryDirectory() as name:
        console.print(f"{len(known)} known, {len(left)} to try; measuring the tests first")
        baseline = measure(tests, SOURCE, Path(name))
        # No refresh thread, because processes are forked meanwhile.
        with Progress(*columns, console=console, auto_refresh=False) as progress:
            task = progress.add_task("mutants", total=len(left))
            survived = 0
            for result in MutantScheduler(baseline, Path(name), arguments.jobs).run(left):
                log.add(result)
                results.append(result)
                survived += result.outcome == "survived"
                progress.update(task, advance=1, description=f"mutants, {survived} survive")
                progress.refresh()
    return results


def report(results: list[Result], why: dict[tuple[Any, ...], str], console: Console) -> bool:
    """Print the results; return whether the score suffices and every survivor is explained."""
    table = Table("file", "mutants", "killed", "by time-out", "survived", "explained", "score")
    for file in [*sorted({result.mutant.file for result in results}), ""]:
        some = [result for result in results if file in ("", result.mutant.file)]
        outcomes = Counter(result.outcome for result in some)
        survivors = [result for result in some if result.outcome == "survived"]
        table.add_row(
            file or "all", str(len(some)), str(len(some) - len(survivors)),
            str(outcomes["timeout"]), str(len(survivors)),
            str(sum(result.mutant.key in why for result in survivors)),
            f"{_score_pct(some):.1f} %",
        )
    console.print(table)
    is_good = _score_pct(results) >= LEAST_PCT
    for result in sorted(results, key=lambda each: (each.mutant.file, each.mutant.first_line)):
        is_explained = result.mutant.key in why
        if (result.outcome == "survived") == is_explained:
            continue
        is_good = False
        what = "killed, but listed as a survivor" if is_explained else "survived"
        console.print(f"{what}: {result.mutant}", markup=False, highlight=False, soft_wrap=True)
    return is_good


def _score_pct(results: list[Result]) -> float:
    killed = sum(result.outcome != "survived" for result in results)
    return 100.0 * killed / len(results) if results else 100.0


def main() -> int:
    """Return the exit code: 0, 2 for an error, 3 if too many mutants survive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant")
    parser.add_argument("--file", help="only mutants of one file, such as gate.py")
    parser.add_argument(
        "--tests", type=Path, nargs="+", default=[], metavar="FILE", help="only these tests"
    )
    parser.add_argument("--again", action="store_true", help="try only earlier survivors again")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "build" / "mutate-safety.jsonl", metavar="FILE",
        help="results file",
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        mutants = all_mutants()
        why = read_survivors(mutants)
        selected = [m for m in mutants if arguments.file in (None, m.file)][:: arguments.every]
        if not selected:
            raise UsageError("no mutant selected")
        results = run_mutants(selected, arguments, console)
    except (UsageError, TrialError) as error:
        print(f"mutate-safety: {error}", file=sys.stderr)
        return 2
    return 0 if report(results, why, console) else 3


if __name__ == "__main__":
    sys.exit(main())
