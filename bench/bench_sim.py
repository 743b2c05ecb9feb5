"""Measures the speed of a node in lockstep, the share of each part, and reproducibility.

    .venv/bin/python bench/bench_sim.py                  one simulated day
    .venv/bin/python bench/bench_sim.py --where          with the share of every part
    .venv/bin/python bench/bench_sim.py --days 7 --twice a week of lettuce, two runs, one hash
    .venv/bin/python bench/bench_sim.py --crop           35 days of lettuce with its promises

The node is the reference board at its default sample period: real MicroPython, the image of a
board, parts at register level. "Times real time" is relative to the CPU time of the simulator
process, thus for one core; the CPU time of the evaluating process is printed separately. Wall time
depends on the load of the machine.
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
OPTIONAL_PARTS = ("garbage collection",)  # a short run does not fill the heap


@dataclass(frozen=True)
class Run:
    """Result of a run, with its times in s."""

    result: scenario_run.Result
    trace_sha256: str
    cpu_s: float  # of the simulator process
    judge_s: float  # of this process
    wall_s: float

    @property
    def speed(self) -> float:
        """Simulated time per CPU time of the simulator."""
        return self.result.at_ms / 1_000 / self.cpu_s


def one_run(wanted: scenario_run.Scenario, image_dir: Path, trace: Path) -> Run:
    """Run the scenario and measure its times."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_before_s, judge_before_s = time.monotonic(), time.process_time()
    result = scenario_run.run(wanted, compiler.load(wanted.board), image_dir, trace=trace)
    wall_s, judge_s = time.monotonic() - wall_before_s, time.process_time() - judge_before_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(result, hashlib.sha256(trace.read_bytes()).hexdigest(), cpu_s, judge_s, wall_s)


def where(wanted: scenario_run.Scenario, image_dir: Path, folder: Path) -> dict[str, int]:
    """Profile a run; return {part: microseconds} without the time outside the parts.

    Raises SimulatorError if a method to wrap is missing, or a part has no time.
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
    empty = [part for part, us in parts.items() if us == 0 and part not in OPTIONAL_PARTS]
    if empty:
        raise process.SimulatorError(f"{WHERE.name}: no time measured in {', '.join(empty)}")
    return parts


def show(parts: dict[str, int]) -> None:
    """Print the shares in descending order."""
    total_us = sum(parts.values())
    for part, us in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{us / total_us:6.1%}  {part}")


def report(run: Run) -> str:
    """Return a line with the times of a run."""
    asked = run.result.scenario
    return (
        f"{asked.duration_ms / 86_400_000:g} days, seed {asked.seed}: {run.speed:,.0f} times real "
        f"time per core ({run.cpu_s:.1f} s CPU, {run.judge_s:.1f} s to evaluate, {run.wall_s:.1f} "
        f"s wall), trace {run.trace_sha256[:16]}"
    )


def promised(run: Run) -> bool:
    """Print the promises of the crop and its wall time; return True if all are kept."""
    for verdict in run.result.verdicts:
        word = "kept" if verdict.is_kept else "BROKEN"
        print(f"  {word}: {verdict.expectation.text}: {verdict.why}")
    print(f"harvest: {run.result.truth['crop.dry_g_m2']:.0f} g/m2 of dry matter")
    in_time = run.wall_s < CROP_GOAL_S
    print(f"{'PASS' if in_time else 'FAIL'}: {run.wall_s:.0f} s wall, limit {CROP_GOAL_S:.0f} s")
    return run.result.is_kept


def main() -> int:
    """Run, print, and return 1 if two runs differ, a promise is broken or it is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, help="default: 1, or the length of the crop")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--twice", action="store_true", help="run again and compare the traces")
    parser.add_argument("--where", action="store_true", help="print the share of every part")
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
        print(f"{'PASS' if speed >= GOAL else 'FAIL'}: {speed:,.0f} times, goal {GOAL:,}")
        is_well = speed >= (asked.require or 0.0)
        if asked.twice:
            is_same = runs[0].trace_sha256 == runs[1].trace_sha256
            print("the traces are the same" if is_same else "THE TRACES DIFFER")
            is_well = is_well and is_same
        if asked.crop:
            is_well = promised(runs[0]) and is_well
        if asked.where:
            print("share of each part:")
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
