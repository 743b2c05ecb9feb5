"""Checks whether the heap of a node grows over days: a simulated lettuce crop with network.

    python bench/bench_heap_growth.py [DAYS]

Prints the heap in use after a collection, minimum and maximum of each day, in the 64-bit
MicroPython of the simulator, whose own growth is included. Takes 10 s per day. Exit code 1 if the
minimum of the last three days is more than 4,000 bytes above that of the second day.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from idrosim.scenarios import run

FILE = Path(__file__).resolve().parents[1] / "sim" / "scenarios" / "lettuce-35-days.toml"
DAY_MS = 86_400_000
EVERY_MS = 3_600_000
HEAP = "4M"
# Doses of a day in the ledger, and new interned names.
MAY_GROW_BYTES = 4_000


def main() -> int:
    """Run, print a line per day, and return the exit code."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    held = held_bytes(days)
    for day in sorted(held):
        print(f"day {day + 1}: {min(held[day])} to {max(held[day])} bytes")
    last = min(min(held[day]) for day in sorted(held)[-3:])
    grows = last > min(held[1]) + MAY_GROW_BYTES
    print("it grows" if grows else "it does not grow")
    return int(grows)


def held_bytes(days: int) -> dict[int, list[int]]:
    """Return {day: growth of the heap since the start of the firmware, bytes, each hour}."""
    found = run.with_changes(run.load(FILE), days=days)
    held: dict[int, list[int]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        task = progress.add_task("days", total=days)
        build.build_image(found.board, Path(folder) / "image")
        job = process.make_job(
            "bench-1", compiler.load(found.board), Path(folder), seed=found.seed, key="00" * 32,
            start_unix_ms=found.start_unix_ms, duration_ms=found.duration_ms, plant=found.plant,
            settings=found.settings, timeline=found.timeline, trace_every_ms=0,
            nvs={"broker_host": found.broker_host},
        )
        process.install_image(job, Path(folder) / "image")

        def on_line(line: process.Line) -> None:
            if line["t"] == "heap":
                held[(line["at_ms"] - 1) // DAY_MS].append(line["used_bytes"])
                progress.update(task, completed=line["at_ms"] / DAY_MS)

        process.run_lockstep({**job, "heap": HEAP, "heap_every_ms": EVERY_MS}, on_line)
    return held


if __name__ == "__main__":
    sys.exit(main())
