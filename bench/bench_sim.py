"""How fast the whole node runs in lockstep, where the time goes, and whether the same seed gives
the same bytes.

    .venv/bin/python bench/bench_sim.py                  one simulated day
    .venv/bin/python bench/bench_sim.py --where          and the share of every part of it
    .venv/bin/python bench/bench_sim.py --days 7 --twice the week of lettuce, two runs, one hash
    .venv/bin/python bench/bench_sim.py --crop           35 days of lettuce, and what they promise

The node is the reference board at its default cadence: real MicroPython, the image a board gets,
parts at register level. "Times real time" is against the CPU time of the simulator's process, so
it says what one core does; what the process that reads and judges it takes is told beside it. The
wall figure depends on what else the machine is doing.
"""

import argparse
import hashlib
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from idrosim.scenarios import run as scenario_run

WHERE = Path(__file__).resolve().parent / "where.py"
SCENARIOS = Path(__file__).resolve().parents[1] / "sim" / "scenarios"
WEEK = SCENARIOS / "lettuce-7-days.toml"
CROP = SCENARIOS / "lettuce-35-days.toml"
GOAL = 10_000  # times real time
CROP_GOAL_S = 300.0
WHERE_DAYS = 0.2
MAY_BE_UNSEEN = ("garbage collection",)  # a short run fills no heap


@dataclass(frozen=True)
class Run:
    """What one run cost, in seconds, and what it came to."""

    result: scenario_run.Result
    trace_sha256: str
    cpu_s: float  # of the simulator's process
    judge_s: float  # of this one
    wall_s: float

    @property
    def speed(self) -> float:
        """How many times faster than real time the simulator is on one core."""
        return self.result.at_ms / 1_000 / self.cpu_s


def one_run(wanted: scenario_run.Scenario, image_dir: Path, trace: Path) -> Run:
    """Run it and take the time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_before_s, judge_before_s = time.monotonic(), time.process_time()
    result = scenario_run.run(wanted, compiler.load(wanted.board), image_dir, trace=trace)
    wall_s, judge_s = time.monotonic() - wall_before_s, time.process_time() - judge_before_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(result, hashlib.sha256(trace.read_bytes()).hexdigest(), cpu_s, judge_s, wall_s)


def where(wanted: scenario_run.Scenario, image_dir: Path, folder: Path) -> dict[str, int]:
    """Run with a stop-watch; return {part: microseconds}, what is outside of a cycle left out.

    Raises SimulatorError where the stop-watch does not find a seam, or nothing passes it.
    """
    job = process.make_job(
        scenario_run.NODE, compiler.load(wanted.board), folder, seed=wanted.seed,
        start_unix_ms=wanted.start_unix_ms, duration_ms=wanted.duration_ms,
        plant=wanted.plant, settings=wanted.settings, trace_every_ms=wanted.trace_every_ms,
    )
    process.install_image(job, image_dir)
    parts: dict[str, int] = {}

    def on_line(line: process.Line) -> None:
        if line["t"] == "where":
            parts.update(line["us"])

    start, process.START = process.START, WHERE
    try:
        process.run_lockstep(job, on_line)
    finally:
        process.START = start
    del parts["outside"]
    unseen = [part for part, us in parts.items() if us == 0 and part not in MAY_BE_UNSEEN]
    if unseen:
        raise process.SimulatorError(f"{WHERE.name}: no time was seen of {', '.join(unseen)}")
    return parts


def show(parts: dict[str, int]) -> None:
    """Print the shares, the largest first."""
    total_us = sum(parts.values())
    for part, us in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{us / total_us:6.1%}  {part}")


def report(run: Run) -> str:
    """Return what a run cost."""
    asked = run.result.scenario
    return (
        f"{asked.duration_ms / 86_400_000:g} days, seed {asked.seed}: {run.speed:,.0f} times real "
        f"time a core ({run.cpu_s:.1f} s CPU, {run.judge_s:.1f} s to judge it, {run.wall_s:.1f} s "
        f"wall), trace {run.trace_sha256[:16]}"
    )


def promised(run: Run) -> bool:
    """Print the promises of the crop and how long it took; True when all is well."""
    for verdict in run.result.verdicts:
        word = "kept" if verdict.is_kept else "BROKEN"
        print(f"  {word}: {verdict.promise.text}: {verdict.why}")
    print(f"harvest: {run.result.truth['crop.dry_g_m2']:.0f} g/m2 of dry matter")
    in_time = run.wall_s < CROP_GOAL_S
    print(f"{'PASS' if in_time else 'FAIL'}: {run.wall_s:.0f} s wall, {CROP_GOAL_S:.0f} s wanted")
    return run.result.is_kept


def main() -> int:
    """Run, print, and return 1 where two runs differ, a promise breaks or it is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, help="1, or what the crop takes")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--twice", action="store_true", help="run again and compare the traces")
    parser.add_argument("--where", action="store_true", help="the share of every part as well")
    parser.add_argument("--crop", action="store_true", help="a whole crop with its promises")
    parser.add_argument("--require", type=float, metavar="N", help="fail below N times real time")
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    asked = parser.parse_args()
    days = asked.days if asked.days or asked.crop else 1.0
    wanted = scenario_run.with_changes(
        scenario_run.load(CROP if asked.crop else WEEK), days, asked.seed
    )
    with tempfile.TemporaryDirectory() as folder:
        image_dir = Path(folder) / "image"
        build.build_image(wanted.board, image_dir)
        runs = []
        for _ in range(2 if asked.twice else 1):
            runs.append(one_run(wanted, image_dir, Path(folder) / "trace"))
            print(report(runs[-1]))
        speed = max(run.speed for run in runs)
        print(f"{'PASS' if speed >= GOAL else 'FAIL'}: {speed:,.0f} times, {GOAL:,} wanted")
        is_well = speed >= (asked.require or 0.0)
        if asked.twice:
            is_same = runs[0].trace_sha256 == runs[1].trace_sha256
            print("the traces are the same" if is_same else "THE TRACES DIFFER")
            is_well = is_well and is_same
        if asked.crop:
            is_well = promised(runs[0]) and is_well
        if asked.where:
            print("where the time goes:")
            part = scenario_run.with_changes(wanted, WHERE_DAYS)
            show(where(part, image_dir, Path(folder) / "node"))
    if asked.record:
        from results import write_section  # found beside this script

        write_section(*section_of(asked), [report(run) for run in runs])
    return 0 if is_well else 1


def section_of(asked: argparse.Namespace) -> tuple[str, str]:
    """Return the section of RESULTS.md and the command of a run."""
    if asked.crop:
        return "crop", "make bench-sim-crop"
    return ("determinism", "make bench-sim-week") if asked.twice else ("sim", "make bench-sim")


if __name__ == "__main__":
    raise SystemExit(main())
