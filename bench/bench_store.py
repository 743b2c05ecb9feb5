"""Measures the store: bytes per point, and the time of charts.

    python bench/bench_store.py [--days 30] [--nodes 20] [--channels 1] [--every-s 10]
    python bench/bench_store.py --influx          # the same in a real InfluxDB 1.x of its own

Fills a temporary store with readings with drift and noise up to now, packed as the host packs
them, in InfluxDB rolled up by `store init`. Charts are the best of five: wall ms, CPU ms of this
process, and mean CPU ms of the server. The last column is the time to read the raw points of the
same span, relative to the chart.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from idroserra.core.config import KeepConfig
from idroserra.history.models import SamplePoint, Store
from idroserra.history.sqlite.store import SqliteStore
from support.samples import points_of, write_samples

CHANNELS = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "air.rh_pct",
            "reservoir.level_mm", "air.temp_c", "air.co2_ppm", "air.vpd_pa")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
COLUMNS = 800
ROUNDS = 5


def main() -> None:
    """Fill, measure, print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--days", type=int, default=30)
    asked.add_argument("--nodes", type=int, default=20)
    asked.add_argument("--channels", type=int, default=1, choices=range(1, len(CHANNELS) + 1))
    asked.add_argument("--every-s", type=int, default=10)
    asked.add_argument("--influx", action="store_true", help="in InfluxDB instead of SQLite")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="idroserra-bench-") as folder:
        if given.influx:
            sys.path.append(str(Path(__file__).parents[1] / "tests"))
            from bench_store_influx import influx_store

            with influx_store(Path(folder)) as (store, server_pid):
                measure(store, given, server_pid)
        else:
            store = SqliteStore(Path(folder) / "store.db",
                                KeepConfig(**dict.fromkeys(KeepConfig.__struct_fields__, 0)))
            measure(store, given)
            store.close()


def measure(store: Store, given: argparse.Namespace, server_pid: int | None = None) -> None:
    """Fill the store and print the measurements."""
    nodes = [f"bench-{number:02}" for number in range(given.nodes)]
    channels = list(CHANNELS[: given.channels])
    end_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    count, busy_s, tend_s = fill(store, nodes, channels, given.days, given.every_s * 1_000,
                                 end_ms - given.days * DAY_MS)
    print(f"{count:,} points of {given.nodes} nodes, {given.channels} channels, every"
          f" {given.every_s} s, {given.days} days")
    print(f"written       {count / busy_s:>10,.0f} points/s of this process's CPU")
    print(f"tended        {count / tend_s:>10,.0f} points/s of this process's CPU")
    size_bytes = store.info().size_bytes
    if size_bytes:
        print(f"on disk       {size_bytes / count:>10.2f} bytes per point as written by the host")
        store.compact()
        print(f"compacted     {(store.info().size_bytes or 0) / count:>10.2f} bytes per point")
    print(f"\n{'chart':<34}{'ms':>8}{'CPU ms':>8}{'server, ms':>11}{'columns':>9}"
          f"{'raw / this':>12}")
    for name, asked_nodes, asked, span_ms in (
        (f"{given.days} days, {given.nodes} nodes, 1 channel", nodes, channels[:1],
         given.days * DAY_MS),
        (f"{given.days} days, 1 node, {given.channels} channels", nodes[:1], channels,
         given.days * DAY_MS),
        ("7 days, 1 node, 1 channel", nodes[:1], channels[:1], 7 * DAY_MS),
        ("24 h, 1 node, 1 channel", nodes[:1], channels[:1], DAY_MS),
        ("6 h, 1 node, 1 channel", nodes[:1], channels[:1], 6 * HOUR_MS),
    ):
        if span_ms <= given.days * DAY_MS:
            chart(store, name, asked_nodes, asked, (end_ms - span_ms, end_ms), server_pid)


def chart(
    store: Store, name: str, nodes: list[str], channels: list[str], span: tuple[int, int],
    server_pid: int | None,
) -> None:
    """Print the time of a chart, and of the same from raw points."""
    drawn = 0

    def draw() -> None:
        nonlocal drawn
        drawn = sum(len(columns) for node in nodes
                    for columns in store.series(node, channels, *span, COLUMNS).values())

    def draw_raw() -> None:
        for node in nodes:
            points_of(store, node, channels, *span)

    began_ms = cpu_of_ms(server_pid)
    took_ms, cpu_ms = best_ms(draw)
    server_ms = (cpu_of_ms(server_pid) - began_ms) / ROUNDS
    raw_ms, _ = best_ms(draw_raw, 1)
    print(f"{name:<34}{took_ms:>8.1f}{cpu_ms:>8.1f}{server_ms:>11.1f}{drawn:>9,}"
          f"{raw_ms / took_ms:>12.1f}", flush=True)


def cpu_of_ms(pid: int | None) -> float:
    """Return the CPU time of a server so far, ms; 0 without a server."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


def fill(
    store: Store, nodes: list[str], channels: list[str], days: int, every_ms: int, begin_ms: int,
) -> tuple[int, float, float]:
    """Write history hour by hour with maintenance; return (points, CPU s of each)."""
    rng = random.Random(1)
    count, busy_s, tend_s = 0, 0.0, 0.0
    values = {(node, channel): probe(rng, channel) for node in nodes for channel in channels}
    console = Console(stderr=True)
    hours = track(range(days * 24), "filling", console=console, disable=not console.is_terminal)
    for hour in hours:
        start_ms = begin_ms + hour * HOUR_MS
        block = [SamplePoint(node, channel, start_ms + at_ms, next(values[node, channel]))
                 for at_ms in range(0, HOUR_MS, every_ms) for node in nodes
                 for channel in channels]
        count += len(block)
        began_s = time.process_time()
        write_samples(store, block, [])
        busy_s += time.process_time() - began_s
        began_s = time.process_time()
        while store.maintain(start_ms):
            pass
        tend_s += time.process_time() - began_s
    began_s = time.process_time()
    store.init(lambda *_: None)
    while store.maintain(begin_ms + days * DAY_MS + HOUR_MS):
        pass
    return count, busy_s, tend_s + time.process_time() - began_s


def probe(rng: random.Random, channel: str) -> Iterator[float]:
    """Yield readings of a probe: slow drift, noise of about 0.05 % of its range."""
    middle, noise, decimals = {
        "ph": (6.0, 0.005, 3), "ec_us_cm": (1_600, 4, 0), "temp_c": (21, 0.05, 2),
        "rh_pct": (60, 0.3, 1), "level_mm": (180, 0.7, 0), "co2_ppm": (500, 6, 0),
        "vpd_pa": (1_000, 8, 0),
    }[channel.partition(".")[2]]
    drift = 0.0
    while True:
        drift = drift * 0.9999 + rng.gauss(0, noise / 4)
        yield round(middle + drift + rng.gauss(0, noise), decimals)


def best_ms(call: Callable[[], None], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the shortest wall time of a call, and the shortest CPU time, ms."""
    took, cpu = [], []
    for _ in range(rounds):
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        call()
        took.append(time.perf_counter() - began_s)
        cpu.append(time.process_time() - cpu_began_s)
    return min(took) * 1_000, min(cpu) * 1_000


if __name__ == "__main__":
    main()
