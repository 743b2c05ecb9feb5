"""Measures the heap use of the firmware on 32 bits, loaded from .mpy, for each board.

    python bench/bench_heap.py [BOARD ...]

Runs the image of each board in MicroPython's WebAssembly build, which `make web` fetches from npm.
No simulator shares the heap: tests/support/bare_node.py replaces the hardware. A few seconds per
board. The table is for bench/RESULTS.md.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from idroserra.boards import compiler
from idroserra.image import build

IN_WASM = Path(__file__).with_name("bench_heap_32bit.mjs")
STEPS = ("imports", "built", "cycles")


class BenchError(Exception):
    """A tool is missing. The text says what to do."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("boards", nargs="*", help="names of boards; all without")
    names = parser.parse_args().boards or compiler.names()
    print("| board | imported | built | after 20 cycles |")
    print("| --- | ---: | ---: | ---: |")
    try:
        for name in track(names, "boards", console=Console(stderr=True),
                          disable=not sys.stderr.isatty()):
            print(row(name), flush=True)
    except BenchError as error:
        raise SystemExit(f"bench-heap: {error}") from error


def row(name: str) -> str:
    """Return the table row of a board: kB in use after a collection."""
    with tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder:
        build.build_image(name, Path(folder))
        found = steps(folder)
    return f"| `{name}` | " + " | ".join(f"{found[step] / 1_000:.0f}" for step in STEPS) + " |"


def steps(folder: str) -> dict[str, int]:
    """Run the node of an image. Return {step: bytes}. Raises BenchError if a step is missing."""
    try:
        done = subprocess.run(["node", str(IN_WASM), folder], capture_output=True, text=True,
                              check=False, errors="replace")
    except FileNotFoundError as error:
        raise BenchError("node is missing: install Node.js") from error
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {words[0]: int(words[1]) for words in lines if len(words) == 2}
    if done.returncode != 0 or set(found) != set(STEPS):
        raise BenchError(f"node ended early: {(done.stdout + done.stderr)[-500:]}")
    return found


if __name__ == "__main__":
    main()
