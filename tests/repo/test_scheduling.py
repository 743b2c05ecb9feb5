"""Long tests start first on every worker, and quick tests start no program."""

import json

import pytest

from support.quick import is_quick
from support.scheduling import DURATIONS, LONG_S, DurationRecorder, in_rows, read_durations
from support.source_tree import ROOT


@pytest.mark.parametrize("workers", [1, 2, 6, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 23, 600])
def test_each_row_starts_with_its_share_of_the_long_tests(workers, count):
    tests = [f"test_{number:03}" for number in range(count)]
    durations = {test: LONG_S + number for number, test in enumerate(tests) if number % 5 == 2}
    ordered = in_rows(tests, durations, workers)
    assert sorted(ordered) == tests
    start, longs = 0, 0
    for number in range(workers):
        size = (count - start) // (workers - number)  # as the scheduler cuts them
        row = [durations.get(test, 0) for test in ordered[start:start + size]]
        assert row == sorted(row, reverse=True) or count < 5 * workers
        longs += sum(map(bool, row))
        start += size
    assert longs == len(durations)
    others = [test for test in ordered if test not in durations]
    assert others == sorted(others)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"a": "b"}', '{"a": null}'])
def test_an_unreadable_recording_counts_as_empty(tmp_path, text):
    if text is not None:
        (tmp_path / "tests").mkdir()
        (tmp_path / DURATIONS).write_text(text, encoding="utf-8")
    assert read_durations(tmp_path) == {}


def test_only_slow_tests_are_recorded(tmp_path):
    (tmp_path / "tests").mkdir()
    recorder = DurationRecorder(tmp_path)
    for test, when, duration_s in [
        ("slow", "setup", 1.2), ("slow", "call", 1.3), ("fast", "call", 1.9),
    ]:
        recorder.pytest_runtest_logreport(
            pytest.TestReport(test, ("", 0, ""), {}, "passed", None, when, duration=duration_s)
        )
    recorder.pytest_sessionfinish()
    assert read_durations(tmp_path) == {"slow": 2}


def test_a_run_of_some_files_keeps_what_is_recorded_of_others(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in ("tests/test_one.py", "tests/test_two.py"):
        (tmp_path / name).touch()
    (tmp_path / DURATIONS).write_text(json.dumps({
        "tests/test_gone.py::a": 9, "tests/test_one.py::b": 9, "tests/test_two.py::c": 9,
        "tests/test_two.py::d": 9}), encoding="utf-8")
    recorder = DurationRecorder(tmp_path)
    recorder.pytest_runtest_logreport(pytest.TestReport(
        "tests/test_two.py::c", ("", 0, ""), {}, "passed", None, "call", duration=3))
    recorder.pytest_sessionfinish()
    recorded = (tmp_path / DURATIONS).read_text(encoding="utf-8")
    assert json.loads(recorded) == {"tests/test_one.py::b": 9, "tests/test_two.py::c": 3}
    assert recorded.index("test_one") < recorded.index("test_two")


def test_stale_and_missing_entries_do_no_harm():
    assert in_rows(["a", "b"], {"deleted": 99}, 2) == ["a", "b"]


def test_the_committed_recording_is_readable():
    recorded = json.loads((ROOT / DURATIONS).read_text(encoding="utf-8"))
    assert recorded
    assert read_durations(ROOT) == recorded


@pytest.mark.parametrize(("source", "expected"), [
    ("import json", True),
    ("from support.plain import value", True),
    ("from idroserra.plain import value", True),
    ("import subprocess", False),
    ("def test_it():\n    from playwright.sync_api import Page", False),
    ("from support.starter import run", False),
    ("import support.indirect", False),
    ("from support import indirect", False),
    ("from idroserra.starter import run", False),
    ("from idroserra.far import value", True),  # imports of the product are not followed
])
def test_a_file_is_quick_unless_it_can_start_programs(tmp_path, source, expected):
    files = {
        "tests/support/plain.py": "from support import indirectly_recursive",
        "tests/support/indirectly_recursive.py": "from support import plain",
        "tests/support/starter.py": "from subprocess import run",
        "tests/support/indirect.py": "from support.starter import run",
        "host/idroserra/plain.py": "value = 1",
        "host/idroserra/starter.py": "import subprocess",
        "host/idroserra/far.py": "from idroserra.starter import run",
        "tests/host/test_it.py": source,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    tests = tmp_path / "tests"
    assert is_quick(tests / "host" / "test_it.py", tests, [tests]) is expected
