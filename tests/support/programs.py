"""Finds the programs that tests need beside Python.

A test without its program is not tried, and says how to get it.
Under CI=true such a test fails. Otherwise it is skipped, and `report_not_tried` lists what was not
tried at the end of the run.
"""

import os
import shutil
import subprocess
from functools import cache
from typing import Any, NoReturn

import pytest

ADVICE = "`sudo .ci/machine test` installs what this system has, and names the rest"
_PREFIX = "not tried: "
_SBIN = ("/usr/sbin", "/usr/local/sbin")


def program(name: str) -> str:
    """Return the path of an installed program; sbin is searched as well."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))
    found = shutil.which(name, path=path)
    return found or not_tried(f"{name} is not installed")


def program_with(name: str, ability: str, *arguments: str) -> str:
    """Return the path of a program whose output to `arguments` names `ability`."""
    path = program(name)
    return path if ability in _output(path, *arguments) else not_tried(
        f"{name} is too old: it lacks {ability}")


def program_since(name: str, version: tuple[int, ...], *arguments: str) -> str:
    """Return the path of a program whose output to `arguments` begins with "NAME version 1.2.3",
    of this version or newer."""
    path = program(name)
    words = _output(path, *arguments).split()[2:3]
    found = tuple(int(one) for one in words[0].split(".") if one.isdecimal()) if words else ()
    return path if found >= version else not_tried(
        f"{name} {'.'.join(map(str, found))} is too old, {'.'.join(map(str, version))} is needed")


def not_tried(why: str) -> NoReturn:
    """End a test that needs something this machine lacks."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}: {ADVICE}")
    pytest.skip(_PREFIX + why)


def report_not_tried(terminal: Any) -> None:
    """Print what was not tried, with the number of tests, to the terminal reporter of pytest."""
    counts: dict[str, int] = {}
    for report in terminal.stats.get("skipped", ()):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        _, prefix, why = reason.partition(_PREFIX)
        if prefix:
            counts[why] = counts.get(why, 0) + 1
    if not counts:
        return
    terminal.section("not tried")
    for why, count in sorted(counts.items()):
        terminal.write_line(f"{count} tests: {why}")
    terminal.write_line(ADVICE)


@cache
def _output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600, check=False)
    return done.stdout
