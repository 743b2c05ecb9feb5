"""Tests of the mutation tool: its mutants, its verdicts and its list of survivors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.mutation.mutants import find
from campaigns.mutation.mutate_safety import ROOT, UsageError, all_mutants, read_survivors

TOOL = Path(__file__).parent / "mutate_safety.py"


@pytest.fixture(scope="module")
def mutants():
    return all_mutants()


def changes(source):
    return [(mutant.operator, mutant.now) for mutant in find("one.py", source)]


@pytest.mark.parametrize(("source", "expected"), [
    ("x = a < b", [("comparison", "x = a <= b")]),
    ("x = a == b", [("comparison", "x = a != b")]),
    ("x = a is None", [("comparison", "x = a is not None")]),
    ("x = a < b <= c", [("comparison", "x = a <= b <= c"), ("comparison", "x = a < b < c")]),
    ("x = a + b", [("arithmetic", "x = a - b")]),
    ("x = a // b", [("arithmetic", "x = a * b")]),
    ("x = a and b", [("and/or", "x = a or b")]),
    ("x = not a", [("not", "x = a")]),
    ("x = -a", [("minus", "x = a")]),
    ("x = 5", [("constant", "x = 6"), ("constant", "x = 4")]),
    ("x = True", [("constant", "x = False")]),
    ("x = min(a, b)", [("min/max", "x = max(a, b)")]),
    ("x = b if a else c", [("condition", "x = b if not a else c")]),
    ("x += a", [("arithmetic", "x -= a"), ("drop", "pass")]),
    ("call()", [("drop", "pass")]),
    ("x = 'text'", []),
    ('"""A docstring."""', []),
    ("import os", []),
])
def test_every_operator(source, expected):
    assert changes(source) == expected


def test_conditions_returns_and_calls_of_a_function_are_mutated():
    source = "def f(a, b=1):\n    if a:\n        self.x = a\n        raise E\n    return a\n"
    assert changes(source) == [
        ("constant", "def f(a, b=2):"), ("constant", "def f(a, b=0):"),
        ("condition", "if not a:"), ("drop", "pass"), ("drop", "pass"),
        ("return", "return None"),
    ]


def test_the_key_of_a_mutant_does_not_contain_its_line():
    source = "class A:\n    def f(self):\n        x = 1\n        x = 1\n"
    first, second = find("one.py", source)[::2]
    assert first.key == ("one.py", "A.f", "x = 1", "x = 2", 1)
    assert second.key == ("one.py", "A.f", "x = 1", "x = 2", 2)
    assert find("one.py", "\n\n" + source)[0].key == first.key
    assert (first.first_line, second.first_line) == (3, 4)


def test_the_code_of_a_mutant_is_changed():
    found = {}
    for mutant in find("one.py", "def f(a):\n    return a + 2\n"):
        names = {}
        exec(mutant.code, names)
        found[mutant.now] = names["f"](5)
    assert found == {
        "return a - 2": 3, "return a + 3": 8, "return a + 1": 6, "return None": None,
    }


def test_every_listed_survivor_exists(mutants):
    assert len(mutants) > 1_000
    assert len({mutant.key for mutant in mutants}) == len(mutants)
    assert all(mutant.code for mutant in mutants)
    assert all(why for why in read_survivors(mutants).values())


def test_an_unknown_survivor_is_an_error(mutants, tmp_path):
    key = mutants[0].key
    names = ("file", "function", "was", "now", "nth")
    lines = [f"{name} = {json.dumps(part)}" for name, part in zip(names, key, strict=True)]
    entry = "\n".join(lines)
    file = tmp_path / "survivors.toml"
    file.write_text(f'[[survivor]]\n{entry}\nwhy = "none can tell"\n', encoding="utf-8")
    assert read_survivors(mutants, file) == {key: "none can tell"}
    with pytest.raises(UsageError, match="unknown mutant"):
        read_survivors((mutant for mutant in mutants if mutant.key != key), file)


def run_tool(folder, *arguments):
    """Run the tool on a few mutants of limits.py."""
    options = ["--file", "limits.py", "--every", "35", "--results", str(folder / "results.jsonl")]
    return subprocess.run(
        [sys.executable, str(TOOL), *options, *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )


def test_the_tests_of_the_limits_kill_every_mutant(tmp_path):
    tests = ("--tests", "tests/firmware/safety/test_safety_limits.py")
    done = run_tool(tmp_path, *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100.0 %" in done.stdout
    again = run_tool(tmp_path, *tests)
    assert again.returncode == 0
    assert "to try" not in again.stdout, "every result was known"


def test_survivors_of_other_tests_are_listed(tmp_path):
    done = run_tool(tmp_path, "--tests", "tests/firmware/safety/test_safety_steps.py")
    assert done.returncode == 3
    assert "survived: limits.py:" in done.stdout
