"""`make campaign-feeds`: store and feeds are killed, paused and filled up in turn, under traffic.

    python tests/campaigns/feeds/feeds.py [--minutes 60] [--seed 1]

The store is an InfluxDB 1.x, the feeds are another one and a VictoriaMetrics. At the end every
record is looked up in all three. The delay of the store is compared with that of a host without
feeds. Exit code 3: a record was lost, doubled or wrong, or the store waited for a feed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple, Self

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from campaigns.chaos import reconciliation  # noqa: E402  found beside this file
from campaigns.chaos.disk import SmallDisk  # noqa: E402
from campaigns.chaos.faults import pause  # noqa: E402
from campaigns.chaos.rig import Rig  # noqa: E402
from idroserra.broker.local import free_port  # noqa: E402
from support.databases import FLUSH_FLAG, HttpServer, Influxd, VictoriaMetrics  # noqa: E402
from support.wait import wait_until  # noqa: E402

PER_S, NODES = 25, 4
DISK_MB = 256
SETTLE_S = 300.0
LONGEST_FAULT_S = 6.0
# The store may not wait noticeably longer beside feeds that are away.
MOST_DELAY_RATIO, DELAY_FLOOR_S = 1.5, 0.5
KINDS = ("killed", "paused", "full")


class FedVictoria(VictoriaMetrics):
    """Saves every second, and takes nothing on a full disk."""

    def command(self) -> list[str]:
        return [*super().command(), f"{FLUSH_FLAG}=1s", "-storage.minFreeDiskSpaceBytes=1MB"]


class Outcome(NamedTuple):
    """Faults by name, and how each database compares with the records that were taken."""

    faults: Counter[str]
    counts: dict[str, reconciliation.Counts]
    settle_s: float


class FedHost:
    """A host under load whose store and two feeds can be disturbed. A context manager."""

    def __init__(self, folder: Path, *, is_fed: bool = True) -> None:
        self._folder = folder
        self._is_fed = is_fed
        self._opened = ExitStack()
        self.servers: dict[str, HttpServer] = {}
        self._disks: dict[str, SmallDisk] = {}

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for name in ("influx", "cloud", "victoria"):
                self._disks[name] = opened.enter_context(SmallDisk(self._folder / name, DISK_MB))
            more: dict[str, Any] = {}
            if self._is_fed:
                cloud = Influxd(self._folder / "cloud" / "data")
                victoria = FedVictoria(self._folder / "victoria" / "data")
                self.servers = {"cloud": cloud, "victoria": victoria}
                for server in self.servers.values():
                    opened.enter_context(server)
                more["feed"] = [
                    {"name": "cloud", "url": cloud.url, "write_api": "v1", "timeout_ms": 2_000},
                    {"name": "victoria", "url": victoria.url, "timeout_ms": 2_000}]
            self.rig = opened.enter_context(
                Rig(self._folder, "influx", nodes=NODES, per_s=PER_S, more=more))
            assert self.rig.database is not None
            self.servers["influx"] = self.rig.database
            self.rig.flow()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def disturb(self, name: str, kind: str, seconds: float) -> str:
        """Kill, pause or fill up a database for some time; return what was done."""
        server = self.servers[name]
        if kind == "full" and not self._disks[name].is_real:
            kind = "killed"  # no file system may be mounted here
        if kind == "killed":
            server.kill()
            pause(seconds)
            server.start()
        elif kind == "paused":
            with self.paused(name):
                pause(seconds)
        else:
            self._disks[name].fill(0)
            pause(seconds)
            self._disks[name].empty()
            if isinstance(server, Influxd):
                _restart_twice(server)
            else:  # it has ended by itself
                server.restart()
        return f"{name} {kind}"

    def paused(self, *names: str) -> ExitStack:
        """Stop the processes of databases until the result is left."""
        opened = ExitStack()
        for name in names:
            pid = self.servers[name].pid
            os.kill(pid, signal.SIGSTOP)
            opened.callback(os.kill, pid, signal.SIGCONT)
        return opened

    def store_delay_s(self, seconds: float) -> float:
        """Return how long a record waits for the store, in the mean over `seconds`."""
        waiting = []
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            waiting.append(reconciliation.spool_counts(self.rig.data_dir)["pending"])
            pause(0.05)
        return sum(waiting) / len(waiting) / (PER_S * NODES)

    def finish(self, faults: Counter[str]) -> Outcome:
        """End the load, wait until every database has everything, and compare."""
        began_s = time.monotonic()
        self.rig.load.end()
        self.rig.recover()
        wait_until(self._is_fed_up, SETTLE_S, "the feeds have everything")
        settle_s = time.monotonic() - began_s
        counts = {"store": self.rig.finish()[0]}
        expected = self.rig.load.expected()
        for name, reader in (("cloud", reconciliation.influx_reader),
                             ("victoria", reconciliation.victoria_reader)):
            counts[name] = reconciliation.reconcile(
                self.rig.data_dir, expected, reader(self.servers[name]))  # type: ignore[operator]
        return Outcome(faults, counts, settle_s)

    def _is_fed_up(self) -> bool:
        """Return whether nothing waits for a feed."""
        self.rig.host.keep_alive()
        path = f"file:{self.rig.data_dir / 'feeds.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=60)) as feeds:
            # A mark becomes a span when its feed begins the next round.
            return not any(feeds.execute(f"SELECT EXISTS (SELECT * FROM {table})").fetchone()[0]
                           for table in ("marks", "feed_spans"))


def _restart_twice(server: Influxd) -> None:
    """Restart as docs/store.md says: nothing may be written between the two starts."""
    port = server.port
    server.kill()
    server.port = free_port()
    server.start()
    server.kill()
    server.port = port
    server.start()


def disturb_in_turn(host: FedHost, chance: random.Random, seconds: float) -> Counter[str]:
    """Disturb one database after another, in every way, for some time."""
    done: Counter[str] = Counter()
    end_s = time.monotonic() + seconds
    turns = cycle((kind, name) for kind in KINDS for name in host.servers)
    while time.monotonic() < end_s:
        kind, name = next(turns)
        done[host.disturb(name, kind, LONGEST_FAULT_S * chance.random())] += 1
        pause(2 * chance.random())
    return done


def delays_s(folder: Path, seconds: float) -> tuple[float, float]:
    """Return the delay of the store without feeds, and beside two feeds that take nothing."""
    with FedHost(folder / "alone", is_fed=False) as host:
        alone_s = host.store_delay_s(seconds)
    with FedHost(folder / "fed") as host, host.paused("cloud", "victoria"):
        return alone_s, host.store_delay_s(seconds)


def is_held_up(alone_s: float, fed_s: float) -> bool:
    """Return whether the store waits for its feeds."""
    return fed_s > MOST_DELAY_RATIO * max(alone_s, DELAY_FLOOR_S)


def is_bad(outcome: Outcome) -> bool:
    """Return whether a database lacks a record or has one twice."""
    return any(count.lost or count.doubled or count.wrong or not count.taken
               for count in outcome.counts.values())


def main() -> int:
    """Run the campaign and print what was found."""
    parser = argparse.ArgumentParser(description="Disturb store and feeds under traffic.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="idroserra-feeds-") as folder:
        alone_s, fed_s = delays_s(Path(folder), 30)
        print(f"a record waits {alone_s:.2f} s for the store without feeds, {fed_s:.2f} s beside"
              " two that take nothing", flush=True)
        with FedHost(Path(folder) / "campaign") as host:
            faults = disturb_in_turn(host, random.Random(options.seed), 60 * options.minutes)
            outcome = host.finish(faults)
    print(f"{outcome.faults.total()} faults: "
          + ", ".join(f"{name} {count}" for name, count in sorted(outcome.faults.items())))
    for name, counts in outcome.counts.items():
        print(f"{name:<10}{counts.taken:,} records, {counts.lost} lost, {counts.doubled} twice,"
              f" {counts.wrong} wrong")
    print(f"everything was everywhere {outcome.settle_s:.0f} s after the end of the traffic")
    return 3 if is_bad(outcome) or is_held_up(alone_s, fed_s) else 0


if __name__ == "__main__":
    sys.exit(main())
