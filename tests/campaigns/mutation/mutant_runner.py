"""Runs tests against one mutant in a process of its own, and learns which tests run which lines.

Nothing is written over: the process is forked, and the import of one module gives the mutant.
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
# Where a mutant waits for what never comes it takes no CPU: then the clock on the wall ends it,
# which gives a loaded machine time enough.
WALL_PER_CPU = 30
# So many tests are tried before the files of the others are even read.
_FIRST = 4
# pytest's own: tests failed; could not even be collected. Anything else is a fault of ours.
_KILLED = (1, 2)


class TrialError(Exception):
    """The tests could not be run as they are meant to be."""


@dataclass
class Baseline:
    """What a run without any mutant showed: seconds by test, and the tests by file and line."""

    seconds: dict[str, float]
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def tests_of(self, file: str, lines: Iterable[int]) -> list[str]:
        """Return the tests that run any of `lines` of a file, the shortest first."""
        by_line = self.lines.get(file, {})
        found = set().union(*(by_line.get(line, set()) for line in lines))
        return self.sorted(found)

    def all_tests(self) -> list[str]:
        """Return every test, also one that only reads constants; the shortest first."""
        return self.sorted(self.seconds)

    def sorted(self, tests: Iterable[str]) -> list[str]:
        """Return tests by their seconds."""
        return sorted(tests, key=lambda test: (self.seconds[test], test))


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other code than lies in its file."""

    def __init__(self, module: str, file: Path, code: CodeType) -> None:
        self._module, self._file, self._code = module, file, code
        self.is_used = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Answer for that module only."""
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._file, loader=self)

    def create_module(self, spec: Any) -> ModuleType | None:
        """Take the ordinary kind of module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the other code."""
        self.is_used = True
        exec(self._code, module.__dict__)


class Chosen:
    """pytest plugin: only the tests of a list, in its order; says the first that fails."""

    def __init__(self, tests: list[str], tell: Connection) -> None:
        self._place = {test: place for place, test in enumerate(tests)}
        self._tell = tell

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen ones."""
        chosen = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(chosen, key=lambda item: self._place[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell who noticed."""
        if report.failed:
            self._tell.send(report.nodeid)


class Watched:
    """pytest plugin: notes how long each test takes and which lines it runs."""

    def __init__(self, watch: coverage.Coverage) -> None:
        self._watch = watch
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Put what follows down to this test."""
        self._watch.switch_context(item.nodeid)
        began_s = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - began_s
        self._watch.switch_context("")


def measure(files: list[Path], source: Path, folder: Path) -> Baseline:
    """Run the tests of `files` as they are, watching `source`. Raises TrialError."""
    told = folder / "baseline.json"
    process = FORK.Process(target=_measure, args=(files, source, folder, told))
    process.start()
    process.join()
    if process.exitcode != 0 or not told.exists():
        raise TrialError("the tests fail without any mutant: run them with pytest")
    found = json.loads(told.read_text(encoding="utf-8"))
    lines = {
        file: {int(line): set(tests) for line, tests in by_line.items()}
        for file, by_line in found["lines"].items()
    }
    return Baseline(found["seconds"], lines)


def _measure(files: list[Path], source: Path, folder: Path, told: Path) -> None:
    watch = coverage.Coverage(
        data_file=str(folder / "coverage"), source=[str(source)], config_file=False
    )
    watched = Watched(watch)
    watch.start()
    status = _pytest([str(file) for file in files], folder / "baseline", [watched])
    watch.stop()
    data = watch.get_data()
    lines = {
        Path(file).name: {
            line: [test for test in tests if test]
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    told.write_text(json.dumps({"seconds": watched.seconds, "lines": lines}), encoding="utf-8")
    os._exit(status)


class Trial:
    """One mutant against `tests`, begun at construction."""

    def __init__(self, changed: Changed, tests: list[str], folder: Path, limit_s: int) -> None:
        self._hear, tell = FORK.Pipe(duplex=False)
        self._wall_end_s = time.monotonic() + limit_s * WALL_PER_CPU
        self._process = FORK.Process(
            target=_try, args=(changed, tests, folder, limit_s, tell)
        )
        self._process.start()
        tell.close()
        self.sentinel = self._process.sentinel

    def outcome(self) -> tuple[str, str] | None:
        """Return (killed, survived or timeout; by which test), None while it runs."""
        if self._process.exitcode is None:
            if time.monotonic() < self._wall_end_s:
                return None
            self.end()
        killer = ""
        with contextlib.suppress(EOFError):
            killer = self._hear.recv() if self._hear.poll() else ""
        self._hear.close()
        status = self._process.exitcode
        if status == 0:
            return "survived", ""
        if status in _KILLED:
            return "killed", killer or "collection"
        if status is not None and status < 0:
            return "timeout", killer
        raise TrialError(f"pytest ended with {status}")

    def end(self) -> None:
        """Stop it, whatever it does."""
        self._process.kill()
        self._process.join()


def _try(
    changed: Changed, tests: list[str], folder: Path, limit_s: int, tell: Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    sys.meta_path.insert(0, changed)
    status = 0
    for some in (tests[:_FIRST], tests[_FIRST:]):
        files = sorted({test.split("::")[0] for test in some})
        if files and status == 0:
            status = _pytest(["-x", *files], folder, [Chosen(some, tell)])
    if not changed.is_used:
        status = 4  # no test imported the module: a survivor would mean nothing
    os._exit(status)


def _pytest(arguments: list[str], folder: Path, plugins: list[object]) -> int:
    """Run pytest in this process: silent, and the same examples each time."""
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
