"""Runs the portable tests on MicroPython.

MICROPYPATH=firmware:sim:tests:.frozen micropython tests/support/run_portable.py [name...]
Every function `test_*` of every `test_*.py` in FOLDERS is a test, except in files that need
pytest or hypothesis. A name selects files.
"""

import os
import sys

TESTS = (__file__.rsplit("/", 1)[0] if "/" in __file__ else ".") + "/../"
FOLDERS = ("firmware/drivers", "firmware/protocol", "sim/greenhouse")
CPYTHON_ONLY = ("import pytest", "from pytest", "from hypothesis")


def is_portable(path):
    """Return whether a test file imports nothing that only CPython has."""
    with open(path) as file:
        return not any(line.startswith(CPYTHON_ONLY) for line in file)


def modules(folder, wanted):
    """Return the names of the portable test modules of a folder, sorted; only those in `wanted`
    unless it is empty."""
    names = sorted(n[:-3] for n in os.listdir(folder)
                   if n.startswith("test_") and n.endswith(".py"))
    return [name for name in names
            if (not wanted or name in wanted) and is_portable(folder + "/" + name + ".py")]


def run_module(name):
    """Run every test of module `name`. Return (passed, failed)."""
    passed = failed = 0
    try:
        module = __import__(name)
    except (ImportError, SyntaxError) as error:
        report(name, "import", error)
        return 0, 1
    for test in sorted(t for t in dir(module) if t.startswith("test_")):
        try:
            getattr(module, test)()
            passed += 1
        except Exception as error:  # noqa: BLE001 - any exception is a failure
            report(name, test, error)
            failed += 1
    return passed, failed


def report(name, test, error):
    """Print a failure with its traceback."""
    print(f"FAILED {name}.{test}")
    sys.print_exception(error)


def main():
    """Run the tests named on the command line, or all; return the exit code."""
    passed = failed = 0
    for folder in FOLDERS:
        sys.path.append(TESTS + folder)
        for name in modules(TESTS + folder, sys.argv[1:]):
            module_passed, module_failed = run_module(name)
            passed += module_passed
            failed += module_failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
