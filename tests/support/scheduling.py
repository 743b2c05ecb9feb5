"""Recorded durations of slow tests, and the order of tests that they give.

`make durations` writes them. A missing or stale entry costs time and nothing else.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

DURATIONS = "tests/durations.json"  # {node id: seconds}
RECORDED_S = 2  # Tests that take less are not recorded.
LONG_S = 10  # Tests that take this long start first.


def read_durations(root: Path) -> dict[str, int]:
    """Return the recorded seconds by node id: {} without a readable file."""
    try:
        recorded = json.loads((root / DURATIONS).read_text(encoding="utf-8"))
        return {str(test): int(seconds) for test, seconds in recorded.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def in_rows(tests: Sequence[str], durations: Mapping[str, int], workers: int) -> list[str]:
    """Return `tests` as one row per worker, each starting with its share of the long tests.

    `--dist worksteal` cuts the list into such rows, and an idle worker takes the end of another
    row. The order is otherwise kept, because the tests of a file share fixtures.
    """
    long = sorted(
        (test for test in tests if durations.get(test, 0) >= LONG_S),
        key=lambda test: -durations[test],
    )
    others = [test for test in tests if durations.get(test, 0) < LONG_S]
    rows: list[str] = []
    for number in range(workers):
        first = long[number::workers]
        size = (len(tests) - len(rows)) // (workers - number)
        rest = max(0, size - len(first))
        rows += first + others[:rest]
        others = others[rest:]
    return rows + others


class DurationRecorder:
    """A pytest plugin that replaces the recorded durations of the files that run."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the set-up, the call or the teardown of a test."""
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the slow tests, sorted, so that two recordings can be compared."""
        ran = {_file_of(test) for test in self._seconds}
        slow = {
            test: seconds for test, seconds in read_durations(self._root).items()
            if _file_of(test) not in ran and (self._root / _file_of(test)).exists()
        }
        slow |= {
            test: round(seconds) for test, seconds in self._seconds.items()
            if seconds >= RECORDED_S
        }
        (self._root / DURATIONS).write_text(
            json.dumps(slow, indent=0, ensure_ascii=False, sort_keys=True) + "\n",
            encoding="utf-8")


def _file_of(test: str) -> str:
    return test.partition("::")[0]
