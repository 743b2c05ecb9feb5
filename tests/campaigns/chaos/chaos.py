"""`make chaos`: injects thousands of failures and accounts for every record.

    python tests/campaigns/chaos/chaos.py [--results FILE] [--only KIND] [--share 0.01] [--table]

An episode starts its own rig and injects tens of faults. Its line in FILE contains the seed, so
that it can be repeated; an interrupted run resumes. Exit code 3: a record was lost, duplicated or
wrong, or a component did not recover.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

import httpx  # noqa: E402
import pytest  # noqa: E402

from campaigns.chaos import cell_faults, faults  # noqa: E402  found beside this file
from campaigns.chaos.cells import CellRig  # noqa: E402
from campaigns.chaos.disk import SmallDisk  # noqa: E402
from campaigns.chaos.rig import Rig  # noqa: E402
from campaigns.chaos.table import table  # noqa: E402


class Kind(NamedTuple):
    """One row of the table: `count` faults in total, `each` per episode."""

    name: str
    count: int
    each: int
    store: str
    run: Callable[[Any, random.Random, int], faults.EpisodeResult] | None
    options: dict[str, Any] = {}
    rig: type[Rig] | type[CellRig] = Rig


PLAN = (
    Kind("host killed, SQLite", 2_000, 50, "sqlite", faults.kills("host")),
    Kind("host killed, InfluxDB", 1_000, 50, "influx", faults.kills("host")),
    Kind("broker killed", 1_000, 50, "sqlite", faults.kills("broker")),
    Kind("InfluxDB killed", 1_000, 50, "influx", faults.kills("database")),
    Kind("network faults", 300, 20, "influx", faults.link_faults, {"linked": True}),
    Kind("disk full", 60, 10, "sqlite", None),
    Kind("clock stepped", 400, 40, "sqlite", faults.clock_steps),
    Kind("day without InfluxDB, 50 nodes", 1, 1, "influx", faults.day_without_database,
         {"nodes": 50, "per_s": 0.2, "step_ms": faults.OUTAGE_STEP_MS}),
    Kind("all faults", 600, 60, "influx", faults.all_faults, {"linked": True}),
    Kind("cluster, 3 cells, 1,500 nodes", 660, 66, "influx", cell_faults.all_faults,
         {"nodes": 500, "every_s": 20.0}, CellRig),
)


def episodes(only: str | None, share: float) -> Iterator[tuple[Kind, int, int]]:
    """Yield (kind, number, faults) of every episode, interleaved so that short runs cover all."""
    jobs = []
    for kind in PLAN:
        if only is None or only in kind.name:
            left, number = max(1, round(kind.count * share)), 0
            total = -(-left // kind.each)
            while left:
                count = min(left, kind.each)
                jobs.append(((number + 0.5) / total, kind, number, count))
                left, number = left - count, number + 1
    jobs.sort(key=lambda job: job[0])
    for _, kind, number, count in jobs:
        yield kind, number, count


def run(kind: Kind, number: int, count: int, keep: Path) -> dict[str, Any]:
    """Run one episode and return its line. The folder of a failed one is copied to `keep`."""
    seed = hash_of(kind.name, number)
    line: dict[str, Any] = {"kind": kind.name, "number": number, "asked": count, "seed": seed}
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(
            prefix="idroserra-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            line |= _episode(kind, random.Random(seed), count, Path(folder))
        except (AssertionError, pytest.fail.Exception, httpx.HTTPError,
                subprocess.SubprocessError, OSError, ValueError) as error:
            line |= {"failed": f"{type(error).__name__}: {error}"[:500]}
        line["took_s"] = round(time.monotonic() - began_s, 1)
        if is_bad(line):
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"{kind.name.replace(' ', '-')}-{number}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)
    return line


def _episode(kind: Kind, chance: random.Random, count: int, folder: Path) -> dict[str, Any]:
    with ExitStack() as opened:
        options, strike = dict(kind.options), kind.run
        if strike is None:
            disk = opened.enter_context(SmallDisk(folder / "small"))
            options["data_dir"] = disk.path
            strike = faults.full_disk(disk)
        # In the other episodes the host's clock determines the start of a boot.
        if chance.random() < 0.5 and "step_ms" not in options:
            options["boot_unix_ms"] = time.time_ns() // 1_000_000 - 3_600_000
        rig = opened.enter_context(kind.rig(folder, kind.store, **options))
        rig.flow()
        done = strike(rig, chance, count)
        counts, spool = rig.finish()
    return {
        "faults": done.faults, **counts._asdict(), "books": spool,
        "recover_s": [round(s, 2) for s in done.recover_s], **done.more,
    }


def is_bad(line: dict[str, Any]) -> bool:
    """Return whether an episode failed."""
    if "failed" in line:
        return True
    spool = line["books"]
    return bool(
        line["lost"] or line["doubled"] or line["wrong"] or spool["lost"] or spool["rejected"]
        or spool["received"] != line["taken"] or spool["stored"] != line["taken"]
        or max(line["recover_s"]) > 60
    )


def hash_of(name: str, number: int) -> int:
    """Return the seed of an episode, which is the same in every run."""
    return random.Random(f"{name}/{number}").randrange(1 << 32)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of the results file."""
    found = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def commit() -> str:
    """Return the commit under test, "" outside a checkout."""
    asked = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Run the missing episodes and print the table."""
    parser = argparse.ArgumentParser(description="Inject failures and account for every record.")
    parser.add_argument("--results", type=Path, default=Path("build/chaos.jsonl"))
    parser.add_argument("--only", help="kinds whose name contains this")
    parser.add_argument("--share", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--table", action="store_true", help="only print the table")
    options = parser.parse_args()
    # Unwind on signals too, so that brokers and databases are stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    lines = read(options.results)
    if not options.table:
        _run_missing(options, lines)
    print(table(lines, [kind.name for kind in PLAN]))
    return 3 if any(is_bad(line) for line in lines) else 0


def _run_missing(options: argparse.Namespace, lines: list[dict[str, Any]]) -> None:
    done_jobs = {(line["kind"], line["number"], line["asked"]) for line in lines}
    jobs = [job for job in episodes(options.only, options.share)
            if (job[0].name, job[1], job[2]) not in done_jobs]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    began_s, at = time.monotonic(), commit()
    for done, (kind, number, count) in enumerate(jobs, 1):
        line = run(kind, number, count, options.results.parent / "chaos-failed") | {"commit": at}
        lines.append(line)
        with options.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        left_min = (time.monotonic() - began_s) / done * (len(jobs) - done) / 60
        word = "BROKEN " + line.get("failed", "") if is_bad(line) else "ok"
        print(f"{done}/{len(jobs)}  {kind.name} {number}: {count} faults,"
              f" {line.get('taken', 0)} records, {line['took_s']} s, {word};"
              f" about {left_min:.0f} min left", flush=True)


if __name__ == "__main__":
    sys.exit(main())
