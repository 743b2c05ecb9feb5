"""Whether a node's heap grows over the days: a lettuce's reservoir in the twin, with network.

    python bench/bench_heap_growth.py [DAYS]

Prints what is held after a collection, least and most of each day, in the simulator's 64-bit
MicroPython with what the simulator itself holds more than at the start. Ten seconds a day.
Exit code 1 when the least of the last three days is more than 4,000 bytes above the second day's.
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
# A day's doses in the ledger, a few names that come up for the first time.
MAY_GROW_BYTES = 4_000


def main() -> int:
    """Run, print a line a day, and judge."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    held = held_bytes(days)
    for day in sorted(held):
        print(f"day {day + 1}: {min(held[day])} to {max(held[day])} bytes")
    last = min(min(held[day]) for day in sorted(held)[-3:])
    grows = last > min(held[1]) + MAY_GROW_BYTES
    print("it grows" if grows else "it does not grow")
    return int(grows)


def held_bytes(days: int) -> dict[int, list[int]]:
    """Return {day: bytes held more than before the firmware began, each hour}."""
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
