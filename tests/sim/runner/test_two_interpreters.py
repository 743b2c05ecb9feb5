"""Tests that code shared by CPython and MicroPython gives identical results, bit by bit.

test_oracle_*.py, which also run on both, check that every table row is within its tolerance.
"""

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from idrosim.runner.process import find_micropython

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT / "tests" / "oracle"
# Recipes are input; those from salts are computed on CPython only. ROM codes and the EZO's bytes
# are compared as bytes by the tests of drivers.
NOT_COMPARED = {"compositions.csv", "hw_ds18b20_rom.csv", "hw_ezo_i2c.csv",
                "hw_nernst_slope.csv", "nutrient_recipes.csv"}
PATHS = [str(ROOT / folder) for folder in ("firmware", "sim", "tests")]
TEN_MINUTES = 2 * 24 * 6


def printed(command, script, *options):
    """Return the lines that a script prints under an interpreter."""
    variables = dict(os.environ, PYTHONPATH=":".join(PATHS),
                     MICROPYPATH=":".join([*PATHS, ".frozen"]))
    done = subprocess.run([*command, str(ROOT / "tests" / script), *options], env=variables,
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-2_000:]
    return done.stdout.splitlines()


CPYTHON = (sys.executable,)
MICROPYTHON = (str(find_micropython()), "-X", "heapsize=1M")


def test_every_row_of_the_tables():
    here = printed(CPYTHON, "support/oracle_bits.py")
    there = printed(MICROPYTHON, "support/oracle_bits.py")
    rows = {}
    for path in TABLES.glob("*.csv"):
        with path.open(encoding="utf-8") as file:
            rows[path.name] = sum(1 for _ in csv.DictReader(file))
    for name in NOT_COMPARED:
        del rows[name]
    assert Counter(line.split()[0] for line in here) == rows
    differ = [pair for pair in zip(here, there, strict=True) if pair[0] != pair[1]]
    assert not differ


def test_two_days_of_the_plant_with_doses_and_faults():
    runs = [printed(command, "support/portable_run.py", "42")
            for command in (CPYTHON, CPYTHON, MICROPYTHON)]
    assert len(runs[0]) == TEN_MINUTES + 1
    assert len(set(runs[0])) == TEN_MINUTES + 1  # every value changes
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]
    assert printed(CPYTHON, "support/portable_run.py", "43")[-1] != runs[0][-1]
