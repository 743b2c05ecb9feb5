"""The suite begins with its long tests, all of them there, whatever the number of workers."""

import re

import pytest
from source_tree import ROOT, python_files

import dealing


@pytest.mark.parametrize("workers", [1, 2, 6, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 23, 600])
def test_each_row_begins_with_its_share_of_the_long_ones(workers, count):
    tests = list(range(count))
    is_long = [test % 5 == 2 for test in tests]
    found = dealing.dealt(tests, is_long, workers)
    assert sorted(found) == tests
    at, longs = 0, 0
    for number in range(workers):
        length = (count - at) // (workers - number)  # as the scheduler cuts them
        row = [is_long[test] for test in found[at:at + length]]
        assert row == sorted(row, reverse=True) or count < 5 * workers
        longs += sum(row)
        at += length
    assert longs == sum(is_long)
    others = [test for test in found if not is_long[test]]
    assert others == sorted(others)


def test_every_long_test_is_there():
    names = [path.relative_to(ROOT / "tests").as_posix() for path in python_files("tests")]
    scenarios = {path.stem for path in (ROOT / "sim" / "scenarios").glob("*.toml")}
    tests = " ".join(re.findall(r"def (test_\w+)", "\n".join(
        path.read_text("utf-8") for path in python_files("tests"))))
    for part in dealing.LONG:
        file, _, test = part.rpartition("::")
        scenario = re.fullmatch(r"kept\[(.+)\]", part)
        assert (scenario and scenario[1] in scenarios) or any(part in name for name in names) or (
            test in tests and any((file or "test") in name for name in names)), part
