"""Runs tests against a mutant in a forked process, and records which tests run which lines.

No file is changed: an import hook loads the code of the mutant.
"""

import contextlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import coverage
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[3]
FORK = multiprocessing.get_context("fork")
_MEMORY_BYTES = 2 << 30
# A mutant that waits forever uses no CPU time, so a generous wall-clock limit applies as well.
WALL_PER_CPU = 30
# Number of tests that run before the files of the others are collected.
_FIRST = 4
# Exit codes of pytest: tests failed; collection failed. Any other is an error of the runner.
_KILLED = (1, 2)


class TrialError(Exception):
    """The tests could not be run."""


@dataclass
class Baseline:
    """A run without mutants: seconds by test, and the tests by file and line."""

    seconds: dict[str, float]
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def tests_of(self, file: str, lines: Iterable[int]) -> list[str]:
        """Return the tests that run any of `lines` of a file, shortest first."""
        by_line = self.lines.get(file, {})
        found = set().union(*(by_line.get(line, set()) for line in lines))
        return self.sorted(found)

    def all_tests(self) -> list[str]:
        """Return every test, shortest first."""
        return self.sorted(self.seconds)

    def sorted(self, tests: Iterable[str]) -> list[str]:
        """Return `tests` sorted by duration."""
        return sorted(tests, key=lambda test: (self.seconds[test], test))


class MutantImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An import hook that loads one module from the code of a mutant."""

    def __init__(self, module: str, file: Path, code: CodeType) -> None:
        self._module, self._file, self._code = module, file, code
        self.is_used = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Return a spec for that module only."""
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._file, loader=self)

    def create_module(self, spec: Any) -> ModuleType | None:
        """Use the default module type."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the code of the mutant."""
        self.is_used = True
        exec(self._code, module.__dict__)


class SelectedTests:
    """A pytest plugin that runs only the listed tests, in order, and sends the first failure."""

    def __init__(self, tests: list[str], failures: Connection) -> None:
        self._place = {test: place for place, test in enumerate(tests)}
        self._failures = failures

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Select and order the tests."""
        selected = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(selected, key=lambda item: self._place[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send the id of a failed test."""
        if report.failed:
            self._failures.send(report.nodeid)


class CoverageRecorder:
    """A pytest plugin that records the duration of each test and the lines it runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._coverage = measured
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Attribute time and coverage to this test."""
        self._coverage.switch_context(item.nodeid)
        began_s = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - began_s
        self._coverage.switch_context("")


def measure(files: list[Path], source: Path, folder: Path) -> Baseline:
    """Run the tests of `files` without a mutant and measure `source`. Raises TrialError."""
    result = folder / "baseline.json"
    process = FORK.Process(target=_measure, args=(files, source, folder, result))
    process.start()
    process.join()
    if process.exitcode != 0 or not result.exists():
        raise TrialError("the tests fail without a mutant: run them with pytest")
    found = json.loads(result.read_text(encoding="utf-8"))
    lines = {
        file: {int(line): set(tests) for line, tests in by_line.items()}
        for file, by_line in found["lines"].items()
    }
    return Baseline(found["seconds"], lines)


def _measure(files: list[Path], source: Path, folder: Path, result: Path) -> None:
    measured = coverage.Coverage(
        data_file=str(folder / "coverage"), source=[str(source)], config_file=False
    )
    recorder = CoverageRecorder(measured)
    measured.start()
    status = _pytest([str(file) for file in files], folder / "baseline", [recorder])
    measured.stop()
    data = measured.get_data()
    lines = {
        Path(file).name: {
            line: [test for test in tests if test]
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    result.write_text(json.dumps({"seconds": recorder.seconds, "lines": lines}), encoding="utf-8")
    os._exit(status)


class Trial:
    """A run of `tests` against one mutant, started by the constructor."""

    def __init__(
        self, importer: MutantImporter, tests: list[str], folder: Path, limit_s: int
    ) -> None:
        self._failures, sender = FORK.Pipe(duplex=False)
        self._wall_end_s = time.monotonic() + limit_s * WALL_PER_CPU
        self._process = FORK.Process(
            target=_try, args=(importer, tests, folder, limit_s, sender)
        )
        self._process.start()
        sender.close()
        self.sentinel = self._process.sentinel

    def outcome(self) -> tuple[str, str] | None:
        """Return ("killed", "survived" or "timeout"; killing test), or None while it runs."""
        if self._process.exitcode is None:
            if time.monotonic() < self._wall_end_s:
                return None
            self.end()
        killer = ""
        with contextlib.suppress(EOFError):
            killer = self._failures.recv() if self._failures.poll() else ""
        self._failures.close()
        status = self._process.exitcode
        if status == 0:
            return "survived", ""
        if status in _KILLED:
            return "killed", killer or "collection"
        if status is not None and status < 0:
            return "timeout", killer
        raise TrialError(f"pytest ended with {status}")

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()


def _try(
    importer: MutantImporter, tests: list[str], folder: Path, limit_s: int, sender: Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    sys.meta_path.insert(0, importer)
    status = 0
    for part in (tests[:_FIRST], tests[_FIRST:]):
        files = sorted({test.split("::")[0] for test in part})
        if files and status == 0:
            status = _pytest(["-x", *files], folder, [SelectedTests(part, sender)])
    if not importer.is_used:
        status = 4  # no test imported the module, so the result is meaningless
    os._exit(status)


def _pytest(arguments: list[str], folder: Path, plugins: list[object]) -> int:
    """Run pytest in this process, without output and with the same examples each time."""
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, database=None, deadline=None, print_blob=False,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    hypothesis.settings.load_profile("mutation")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["--assert=plain", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={folder}"]
    return int(pytest.main([*options, *arguments], plugins=plugins))
