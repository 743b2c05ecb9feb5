"""Runs the portable tests on MicroPython, as pytest does on CPython.

MICROPYPATH=firmware:sim:tests/portable:.frozen micropython tests/portable/run.py [name...]
Every function `test_*` of every `test_*.py` beside this file is a test; a name picks some files.
"""

import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."


def modules(wanted):
    """Return the names of the test modules, sorted; only those in `wanted` if there are any."""
    names = sorted(n[:-3] for n in os.listdir(HERE) if n.startswith("test_") and n.endswith(".py"))
    return [name for name in names if not wanted or name in wanted]


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
        except Exception as error:  # noqa: BLE001 - whatever a test raises is its failure
            report(name, test, error)
            failed += 1
    return passed, failed


def report(name, test, error):
    """Print what failed, with its traceback."""
    print(f"FAILED {name}.{test}")
    sys.print_exception(error)


def main():
    """Run the tests named on the command line, or all. Return the exit code."""
    passed = failed = 0
    for name in modules(sys.argv[1:]):
        module_passed, module_failed = run_module(name)
        passed += module_passed
        failed += module_failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
