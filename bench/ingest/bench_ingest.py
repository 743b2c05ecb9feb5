"""Compares ingest of the host with peers: `make bench-ingest`.

All receive the same readings. The peers write to VictoriaMetrics, which accepts the line protocol
of all; the host writes to its store, an InfluxDB 1.x, to be read by InfluxQL.

    python bench/ingest/bench_ingest.py [--only NAME,NAME] [--rates 0,1000,10000,20000]
        [--seconds 8] [--rounds 2]

Every contestant has its own mosquitto with default limits and its own database; they run in turns
within the same minutes. Printed: messages per second that reached the database, CPU microseconds
per message, memory, losses; and our figures relative to the fastest peer at each rate. Rate 0 is a
burst as fast as the broker accepts it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.extend([str(HERE.parent), str(HERE.parents[1] / "tests")])

import contestants  # noqa: E402  found beside this file
from contestants import CONTESTANTS, FIELD, Contestant, Place  # noqa: E402
from results import write_section  # noqa: E402

from idroserra.broker.local import find_mosquitto, free_port  # noqa: E402
from support.databases import Influxd, VictoriaMetrics  # noqa: E402
from support.wait import wait_until  # noqa: E402

OURS = "idroserra"
BURST = 40_000
STILL_S = 6.0
LONGEST_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Outcome(NamedTuple):
    """One contestant at one rate."""

    name: str
    rate: int
    sent: int
    stored: int
    per_s: float
    cpu_us: float
    rss_mib: float
    lost: int


@contextmanager
def stock_mosquitto(folder: Path) -> Iterator[int]:
    """Run mosquitto with its default limits; yield its port."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    process = subprocess.Popen([str(find_mosquitto()), "-c", str(config)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid: int) -> float:
    """Return the peak memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


Database = VictoriaMetrics | Influxd


def rows(database: Database, who: Contestant) -> int:
    """Return the number of readings in the database."""
    if isinstance(database, Influxd):
        counted = database.rows(f"SELECT count({FIELD[who.kind]}) FROM {who.measurement}", "bench")
        return int(counted[0][1]) if counted else 0
    metric = f"{who.measurement}_{FIELD[who.kind]}"
    query = {"query": f"sum(count_over_time({metric}[90d]))", "nocache": "1"}
    answer = json.loads(database.get("/api/v1/query", query))
    found = answer["data"]["result"]
    return int(found[0]["value"][1]) if found else 0


def run(who: Contestant, rate: int, seconds: float) -> Outcome:
    """Run one contestant at one rate."""
    count = BURST if rate == 0 else int(rate * seconds)
    with tempfile.TemporaryDirectory(prefix="idroserra-bench-") as name:
        folder = Path(name)
        kind: type[Database] = Influxd if who.name == OURS else VictoriaMetrics
        with stock_mosquitto(folder) as port, kind(folder / "database") as database:
            if isinstance(database, Influxd):
                database.run("CREATE DATABASE bench", "bench")
            command = who.command(Place(folder, port, database.port))
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
            try:
                return _measure(who, rate, count, process, port, database)
            finally:
                process.terminate()
                process.wait(60)
                if contestants.PROFILE:
                    show_profiles(folder)


def _measure(who: Contestant, rate: int, count: int, process: subprocess.Popen[bytes], port: int,
             database: Database) -> Outcome:
    warm, epoch_unix_ms = 0, time.time_ns() // 1_000_000
    def warmed() -> bool:
        nonlocal warm
        flood(port, who.kind, 50, 1_000, epoch_unix_ms)
        threading.Event().wait(1.0)
        warm = rows(database, who)
        assert process.poll() is None, f"{who.name} has ended"
        return warm > 0
    wait_until(warmed, 30, f"{who.name} stores readings")
    threading.Event().wait(2.0)
    warm = rows(database, who)
    began_cpu_s = cpu_s(process.pid)
    began_s = time.monotonic()
    sent = flood(port, who.kind, count, rate, epoch_unix_ms, first=2)["sent"]
    stored, at_s, since_s = 0, began_s, time.monotonic()
    while stored < sent and time.monotonic() - began_s < LONGEST_S + count / max(rate, 1_000):
        now = rows(database, who) - warm
        if now != stored:
            stored, at_s = now, time.monotonic()
        elif time.monotonic() - max(at_s, since_s) > STILL_S:
            break
        threading.Event().wait(0.25)
    cpu_us = 1e6 * (cpu_s(process.pid) - began_cpu_s) / max(1, stored)
    return Outcome(who.name, rate, sent, stored, stored / (at_s - began_s) if stored else 0.0,
                   cpu_us, peak_mib(process.pid), max(0, sent - stored))


def flood(
    port: int, kind: str, count: int, rate: float, epoch_unix_ms: int, first: int = 1,
) -> dict[str, float]:
    """Publish, and return the report of the sender."""
    sender = subprocess.Popen(
        [sys.executable, str(HERE / "flood.py"), str(port), kind, str(count), str(rate),
         str(first), str(epoch_unix_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert sender.stdout is not None
    sender.stdout.readline()
    report, _ = sender.communicate("go\n", timeout=600)
    return dict(json.loads(report))


def show_profiles(folder: Path) -> None:
    """Print the CPU profiles of our threads."""
    import pstats

    for path in sorted(folder.glob("profile-*")):
        pstats.Stats(str(path)).sort_stats("tottime").print_stats(22)


def run_all(who_runs: list[Contestant], rates: list[int], rounds: int,
            seconds: float) -> list[Outcome]:
    """Run every contestant at every rate, round after round; print progress on stderr."""
    outcomes = []
    for number in range(rounds):
        for rate in rates:
            for who in who_runs:
                if who.most_per_s is None or rate in range(1, who.most_per_s + 1):
                    one = run(who, rate, seconds)
                    print(f"round {number + 1}: {rate}/s, {one.name}: {one.per_s:,.0f}/s,"
                          f" {one.cpu_us:.1f} us, {one.lost:,} lost", file=sys.stderr, flush=True)
                    outcomes.append(one)
    return outcomes


def mean_of(outcomes: list[Outcome], name: str, rate: int) -> Outcome | None:
    """Return the result of a contestant at a rate: mean rate and CPU, total losses."""
    its = [one for one in outcomes if (one.name, one.rate) == (name, rate)]
    if not its:
        return None
    return Outcome(name, rate, sum(one.sent for one in its), sum(one.stored for one in its),
                   fmean(one.per_s for one in its), fmean(one.cpu_us for one in its),
                   max(one.rss_mib for one in its), sum(one.lost for one in its))


def table(means: dict[int, list[Outcome]]) -> Iterator[str]:
    """Yield the lines of the table of bench/RESULTS.md."""
    yield ("| offered, msg/s | contestant | stored, msg/s | CPU, µs/message | MiB | lost |"
           " durable before acknowledged |")
    yield "|---|---|---|---|---|---|---|"
    durable = {who.name: who.is_durable for who in CONTESTANTS}
    for rate, row in means.items():
        offered = f"{rate:,}" if rate else "burst"
        for one in row:
            name = f"**{one.name}**" if one.name == OURS else one.name
            lost = f"{one.lost:,} of {one.sent:,}"
            lost = lost if one.lost else f"**{lost}**"
            yield (f"| {offered} | {name} | {one.per_s:,.0f} | {one.cpu_us:,.0f} |"
                   f" {one.rss_mib:.0f} | {lost} | {durable[one.name]} |")
            offered = ""


def ratios(means: dict[int, list[Outcome]]) -> Iterator[str]:
    """Yield the comparison with the fastest and the cheapest peer at each rate."""
    yield ("| offered, msg/s | fastest peer | relative rate | relative CPU | cheapest peer |"
           " relative CPU |")
    yield "|---|---|---|---|---|---|"
    for rate, row in means.items():
        peers = [one for one in row if one.name != OURS and one.stored]
        us = next((one for one in row if one.name == OURS), None)
        if us is None or not peers:
            continue
        fastest = max(peers, key=lambda one: one.per_s)
        cheapest = min(peers, key=lambda one: one.cpu_us)
        yield (f"| {f'{rate:,}' if rate else 'burst'} | {fastest.name} |"
               f" {us.per_s / fastest.per_s:.2f} | {us.cpu_us / fastest.cpu_us:.2f} |"
               f" {cheapest.name} | {us.cpu_us / cheapest.cpu_us:.2f} |")


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description="Our host and peers at the same work.")
    parser.add_argument("--only", default="", help="contestants whose name has one of these")
    parser.add_argument("--rates", default="20000,10000,1000,0")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="of our threads")
    parser.add_argument("--record", action="store_true", help="write the section of RESULTS.md")
    asked = parser.parse_args()
    contestants.PROFILE = asked.profile
    who_runs = [who for who in CONTESTANTS
                if any(part in who.name for part in asked.only.split(","))]
    if any(who.kind == "plain" for who in who_runs):
        contestants.install_peers()
    rates = [int(text) for text in asked.rates.split(",")]
    loads = [os.getloadavg()[0]]
    outcomes = run_all(who_runs, rates, asked.rounds, asked.seconds)
    loads.append(os.getloadavg()[0])
    means = {rate: [mean for who in who_runs
                    if (mean := mean_of(outcomes, who.name, rate)) is not None] for rate in rates}
    machine = (f"{os.cpu_count()} cores, load {loads[0]:.1f} before and {loads[1]:.1f} after,"
               f" {asked.rounds} rounds of {asked.seconds:g} s.")
    rows = [*table(means), "", *ratios(means), "", machine]
    print("\n".join(rows))
    if asked.record:
        write_section("ingest", "make bench-ingest", rows)


if __name__ == "__main__":
    main()
