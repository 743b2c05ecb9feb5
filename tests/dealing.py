"""Long tests begin first, so that no worker ends on one while the others have nothing to do.

`pytest -n N --dist worksteal` gives each worker as many tests in a row, and one that has none left
takes the end of another's row. So the long ones stand at the beginning of each row.
"""

from collections.abc import Sequence
from typing import TypeVar

# Parts of the names of tests that take more than some ten seconds on a machine with nothing else
# to do: days of virtual time, whole programs, waits that the product itself has.
LONG = (
    "scenarios/test_offline_doses.py", "web/test_api_any_request.py", "web/test_alarm_storm.py",
    "web/test_walk.py", "web/test_page_everywhere.py", "test_the_page_looks_ahead", "test_demo.py",
    "mutation/test_mutants.py::test_who_", "scenarios/test_recipe_check.py", "repo/test_wheel.py",
    "test_killed_at_any_instant_nothing_is_lost", "test_the_file_shrinks", "e2e/test_compose.py",
    "e2e/test_kills.py", "e2e/test_many_nodes.py", "chaos/test_chaos", "forged/test_forged.py",
    "flash/test_flash.py", "test_cable_dies", "boards/test_boards_page.py",
    "kept[new-node]", "kept[nft-by-turns]", "kept[ebb-and-flow]", "kept[network-outage]",
    "kept[flash-wear]", "kept[flash-full]", "kept[brown-out-every-second]", "kept[boot-loop]",
    "kept[power-cut-in-flash-operations]", "kept[vpd-kept-in-band]",
)
One = TypeVar("One")


def dealt(tests: Sequence[One], is_long: Sequence[bool], workers: int) -> list[One]:
    """Return `tests` as rows for `workers`, the long ones first in each; else in their order."""
    long = [test for test, is_one in zip(tests, is_long, strict=True) if is_one]
    others = [test for test, is_one in zip(tests, is_long, strict=True) if not is_one]
    found: list[One] = []
    for number in range(workers):
        first = long[number::workers]
        length = (len(tests) - len(found)) // (workers - number)
        taken = max(0, length - len(first))
        found += first + others[:taken]
        others = others[taken:]
    return found + others


def is_long(name: str) -> bool:
    """True for the name of a test that is begun first."""
    return any(part in name for part in LONG)
