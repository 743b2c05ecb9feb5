"""How fast the whole node runs in lockstep, and whether the same seed gives the same bytes.

    .venv/bin/python bench/bench_sim.py                  one simulated day
    .venv/bin/python bench/bench_sim.py --days 7 --twice the week of lettuce, two runs, one hash
    .venv/bin/python bench/bench_sim.py --days 0.2 --where which part the time goes to

The node is the reference board at its default cadence: real MicroPython, the image a board gets,
parts at register level. "Times real time" is against the CPU time of the simulator's process, so
it says what one core does; the wall figure depends on what else the machine is doing.
"""

import argparse
import hashlib
import resource
import tempfile
import time
from pathlib import Path

from idroserra import boards, image
from idrosim import process, scenario

WHERE = Path(__file__).resolve().parent / "where.py"
FILE = Path(__file__).resolve().parents[1] / "sim" / "scenarios" / "lettuce-7-days.toml"


def one_run(wanted: scenario.Scenario, image_dir: Path, trace: Path) -> tuple[str, float, float]:
    """Return (SHA-256 of the trace, CPU seconds of the simulator, wall seconds)."""
    cpu_before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    wall_before_s = time.monotonic()
    scenario.run(wanted, boards.load(wanted.board), image_dir, trace=trace)
    wall_s = time.monotonic() - wall_before_s
    cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - cpu_before_s
    return hashlib.sha256(trace.read_bytes()).hexdigest(), cpu_s, wall_s


def where(wanted: scenario.Scenario, image_dir: Path, folder: Path) -> dict[str, int]:
    """Run with a stop-watch; return {part: microseconds}, what is outside of a cycle left out."""
    job = process.make_job(
        scenario.NODE, boards.load(wanted.board), folder, seed=wanted.seed,
        start_unix_ms=wanted.start_unix_ms, duration_ms=wanted.duration_ms,
        plant=wanted.plant, settings=wanted.settings, trace_every_ms=wanted.trace_every_ms,
    )
    process.install_image(job, image_dir)
    parts: dict[str, int] = {}

    def on_line(line: process.Line) -> None:
        if line["t"] == "where":
            parts.update(line["us"])

    process.START = WHERE
    process.run_lockstep(job, on_line)
    del parts["outside"]
    return parts


def show(parts: dict[str, int]) -> None:
    """Print the shares, the largest first."""
    total_us = sum(parts.values())
    for part, us in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{us / total_us:6.1%}  {part}")


def main() -> int:
    """Run, print, and return 1 where two runs differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--twice", action="store_true", help="run again and compare the traces")
    parser.add_argument("--where", action="store_true", help="the share of every part")
    asked = parser.parse_args()
    wanted = scenario.with_changes(scenario.load(FILE), asked.days, asked.seed)
    hashes = set()
    with tempfile.TemporaryDirectory() as folder:
        image_dir = Path(folder) / "image"
        image.build_image(wanted.board, image_dir)
        if asked.where:
            show(where(wanted, image_dir, Path(folder) / "node"))
            return 0
        for _ in range(2 if asked.twice else 1):
            digest, cpu_s, wall_s = one_run(wanted, image_dir, Path(folder) / "trace")
            hashes.add(digest)
            simulated_s = wanted.duration_ms / 1_000
            print(
                f"{asked.days:g} days, seed {asked.seed}: {simulated_s / cpu_s:,.0f} times real "
                f"time a core ({cpu_s:.1f} s CPU, {wall_s:.1f} s wall), trace {digest[:16]}"
            )
    if asked.twice:
        print("the traces are the same" if len(hashes) == 1 else "THE TRACES DIFFER")
    return len(hashes) - 1


if __name__ == "__main__":
    raise SystemExit(main())
