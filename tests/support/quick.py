"""Selects the quick tests of `make check`: those that start no other program.

A test file is quick if neither it nor a test helper it imports, directly or through other
helpers, imports a module that starts programs: `subprocess`, Playwright, or a module of the
product that imports these itself. The repository rules (tests/repo) are quick as well; they only
run git. Tests in quick files are excluded if they have a recorded duration, are property tests or
use the fixture of a program.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

STARTS_PROGRAMS = {"multiprocessing", "playwright", "subprocess"}
PROGRAM_FIXTURES = {"browser", "database", "influx2", "influxd", "mosquitto"}


def is_quick(test_file: Path, tests: Path, helper_folders: Sequence[Path]) -> bool:
    """Return whether a test file under `tests` starts no other program."""
    if test_file.is_relative_to(tests / "repo"):
        return True
    seen, to_visit = {test_file}, [test_file]
    while to_visit:
        file = to_visit.pop()
        if _imports_starter(file):
            return False
        for name in _imports(file):
            found = _find(name, (file.parent, *helper_folders))
            if found is not None and found not in seen:
                seen.add(found)
                to_visit.append(found)
            product = _find(name, (tests.parent / "host", tests.parent / "sim"))
            if product is not None and _imports_starter(product):
                return False
    return True


@cache
def _imports(file: Path) -> frozenset[str]:
    return frozenset(_dotted_names(ast.parse(file.read_text(encoding="utf-8"))))


def _dotted_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imports_starter(file: Path) -> bool:
    return any(name.partition(".")[0] in STARTS_PROGRAMS for name in _imports(file))


def _find(name: str, folders: Sequence[Path]) -> Path | None:
    path = Path(*name.split("."))
    candidates = (folder / end for folder in folders
                  for end in (path.with_suffix(".py"), path / "__init__.py"))
    return next((found for found in candidates if found.is_file()), None)
