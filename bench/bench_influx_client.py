"""Writes by influxdb-client beside bare HTTP: the same blocks in turn to one VictoriaMetrics.

It takes lines at /write and at /api/v2/write alike, so only the client differs. Needs
victoria-metrics (`apt install victoria-metrics`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median

from results import write_section
from rich.progress import track

from idroserra.core.config import FeedConfig
from idroserra.history.influx.writer import LineWriter
from idroserra.history.models import Instant
from support.databases import VictoriaMetrics

T0_MS = 1_767_225_600_000
VALUES = {"reservoir.ph": 5.93, "reservoir.ec_us_cm": 1_612, "reservoir.temp_c": 19.44,
          "reservoir.level_mm": 187, "air.temp_c": 22.31, "air.rh_pct": 61.2}
RECORDS = (3_000, 100)  # a full block, and half a second of 200 messages
APIS = ("v1", "v2")


def main() -> None:
    """Print points a second and CPU a point of each API; exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="blocks of each size and API")
    parser.add_argument("--no-results", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    rows = ["| records a block | bare HTTP, points/s | influxdb-client, points/s | ratio |"
            " CPU of the host a point, ratio |", "|---|---|---|---|---|"]
    with (tempfile.TemporaryDirectory() as folder,
          VictoriaMetrics(Path(folder) / "victoria") as server):
        for records in RECORDS:
            rows.append(_row(records, *_measure(server.url, records, options.rounds)))
    print("\n".join(rows))
    if not options.no_results:
        write_section("influx-client", "make bench-influx-client", rows)


def _measure(url: str, records: int, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return {API: median wall time} and {API: median CPU time} of a block, in s."""
    writers = {api: LineWriter(FeedConfig(name=api, url=url, write_api=api), "bench")
               for api in APIS}
    walls: dict[str, list[float]] = {api: [] for api in APIS}
    cpus: dict[str, list[float]] = {api: [] for api in APIS}
    times = count(T0_MS, 1_000)
    for _ in track(range(rounds), f"{records} records a block", transient=True):
        block = [Instant(f"idro-{at % 50}", next(times), VALUES) for at in range(records)]
        for api, writer in writers.items():
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            writer.write(block, [])
            walls[api].append(time.perf_counter() - began_s)
            cpus[api].append(time.process_time() - began_cpu_s)
    for writer in writers.values():
        writer.close()
    return ({api: median(found) for api, found in walls.items()},
            {api: median(found) for api, found in cpus.items()})


def _row(records: int, walls: dict[str, float], cpus: dict[str, float]) -> str:
    points = records * len(VALUES)
    bare, client = (points / walls[api] for api in APIS)
    return (f"| {records:,} | {bare:,.0f} | {client:,.0f} | {client / bare:.2f} |"
            f" {cpus['v2'] / cpus['v1']:.2f} |")


if __name__ == "__main__":
    main()
