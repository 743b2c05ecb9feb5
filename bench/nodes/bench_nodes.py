"""Measures one host with 1,000 nodes: `make bench-nodes`.

The nodes run the outbox, publisher and MQTT client of the firmware, a few hundred per process
(fleet.py), against mosquitto and `idroserra serve` with SQLite. First they send at their normal
rate. Then the broker is killed, some nodes add three days of records, and the broker returns. At
the end all records are counted in the store.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.extend([str(HERE), str(HERE.parent), str(HERE.parents[1] / "tests")])

from fleet import KEY  # noqa: E402
from results import parameters, write_section  # noqa: E402

from campaigns.chaos.reconciliation import spool_counts  # noqa: E402  found beside the tests
from idroserra.auth.local_token import token_for  # noqa: E402
from idroserra.broker.local import find_mosquitto, free_port  # noqa: E402
from idroserra.history.sqlite.store import SqliteStore  # noqa: E402
from support.adopted_nodes import adopt_nodes  # noqa: E402
from support.wait import wait_until  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
FLEET_NODES = 250
PATIENCE_S = 900


class Plan(NamedTuple):
    """Parameters of a run. Backlog nodes are in the first fleets."""

    nodes: int = 1_000
    every_s: float = 10.0
    live_s: float = 60.0
    backlog_nodes: int = 20
    backlog_records: int = 4_320  # of three days: one per minute, which fits in an outbox


class Phase(NamedTuple):
    """Result of a phase. Delays are from record to down/stored, without the backlog."""

    name: str
    took_s: float
    p50_s: float
    p99_s: float
    records: int
    cpu_us: float  # of the host, per record
    rss_mib: float  # of the host
    page_ms: float  # slowest answer of the overview meanwhile


class Outcome(NamedTuple):
    """Result of a run. `doubled` and `lost` are counted in the store."""

    phases: list[Phase]
    taken: int
    stored: int
    lost: int
    doubled: int
    thinned: int
    idle_mib: float


class Fleet:
    """A process of nodes."""

    def __init__(self, port: int, first: int, count: int, every_s: float, folder: Path) -> None:
        with (folder / f"fleet-{first}.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "fleet.py"), str(port), str(first), str(count),
                 str(every_s), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True)
        self.count = count
        self.delays_s: list[float] = []

    def ask(self, order: str = "status") -> dict[str, Any]:
        """Send an order and return the answer of the nodes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.delays_s += answer.pop("delays_s")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(60)


class Mosquitto:
    """A mosquitto without persistence."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                                "log_dest none\nmax_queued_messages 100000\nuser root\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen([str(find_mosquitto()), "-c", str(self._config)])

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)


class Page:
    """A user who opens the overview every five seconds."""

    def __init__(self, url: str) -> None:
        self.slowest_ms = 0.0
        self._url = url
        self._token = token_for(url)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def take_slowest_ms(self) -> float:
        """Return the slowest answer since the last call."""
        slowest_ms, self.slowest_ms = self.slowest_ms, 0.0
        return slowest_ms

    def end(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join(60)

    def _look(self) -> None:
        while not self._ended.wait(5.0):
            request = urllib.request.Request(f"{self._url}/api/nodes")
            request.add_header("Authorization", f"Bearer {self._token}")
            began_s = time.monotonic()
            with urllib.request.urlopen(request, timeout=120) as answer:
                answer.read()
            self.slowest_ms = max(self.slowest_ms, 1_000 * (time.monotonic() - began_s))


class Host:
    """`idroserra serve`, which has adopted the nodes of the fleets."""

    def __init__(self, folder: Path, mqtt_port: int, nodes: int) -> None:
        self.data_dir = folder / "host"
        adopt_nodes(self.data_dir, [f"idro-{number:04}" for number in range(nodes)], KEY)
        self.url = f"http://127.0.0.1:{free_port()}"
        config = folder / "host.toml"
        config.write_text(
            f'data_dir = "{self.data_dir}"\n[http]\nport = {self.url.rpartition(":")[2]}\n[mqtt]\n'
            f'url = "mqtt://127.0.0.1:{mqtt_port}"\n')
        with (folder / "host.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "idroserra.cli", "serve", "--config", str(config)],
                stdout=log, stderr=log)
        wait_until(self._is_up, 60, "the host is up")

    def cpu_s(self) -> float:
        """Return the CPU time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def pid(self) -> int:
        """The process of the host."""
        return self._process.pid

    def rss_mib(self) -> float:
        """Return the memory of the host now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1_024

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/login", timeout=10):
                return True
        except OSError:
            return False


class Bench:
    """One run. Start with `with`."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._folder = folder
        self._opened = ExitStack()
        self._phases: list[Phase] = []

    def __enter__(self) -> Bench:
        with ExitStack() as opened:
            self.broker = Mosquitto(self._folder)
            self.broker.start()
            opened.callback(self.broker.kill)
            self.host = Host(self._folder, self.broker.port, self.plan.nodes)
            opened.callback(self.host.stop)
            self.idle_mib = self.host.rss_mib()
            self.page = Page(self.host.url)
            opened.callback(self.page.end)
            self.fleets = []
            for first in range(0, self.plan.nodes, FLEET_NODES):
                count = min(FLEET_NODES, self.plan.nodes - first)
                self.fleets.append(Fleet(self.broker.port, first, count, self.plan.every_s,
                                         self._folder))
                opened.callback(self.fleets[-1].close)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def run(self) -> Outcome:
        """Run all phases."""
        plan = self.plan
        self._wait(lambda: self._sum("connected") == plan.nodes, "every node is connected")
        self._wait(lambda: self._sum("kept") < plan.nodes / 2, "what was taken so far is stored")
        with self._phase("at their own pace"):
            threading.Event().wait(plan.live_s)
        if plan.backlog_nodes:
            self._kill_the_broker()
        for fleet in self.fleets:
            fleet.ask("quiet")
        self._wait(lambda: self._sum("kept") == 0, "every outbox is empty")
        taken, events = self._sum("records"), self._sum("events")
        self._wait(lambda: spool_counts(self.host.data_dir)["pending"] == 0, "the spool is empty")
        spool = spool_counts(self.host.data_dir)
        self._opened.close()
        readings, found_events, doubled = self._in_the_store()
        thinned = spool["lost"]
        return Outcome(self._phases, taken + events, readings + found_events,
                       taken + events - thinned - readings - found_events, doubled, thinned,
                       self.idle_mib)

    def _kill_the_broker(self) -> None:
        plan = self.plan
        with self._phase("the broker killed, and three days of records on some nodes"):
            self.broker.kill()
            share = -(-plan.backlog_nodes // len(self.fleets))
            for fleet in self.fleets:
                fleet.ask(f"backlog {share} {plan.backlog_records}")
            self.broker.start()
            self._wait(lambda: self._sum("kept") < 2 * plan.nodes, "the backlog is stored")

    def _in_the_store(self) -> tuple[int, int, int]:
        """Return (records with a pH, events, duplicates)."""
        readings = events = doubled = 0
        with closing(SqliteStore(self.host.data_dir / "store.db")) as store:
            for node, (oldest, newest) in store.spans().items():
                at = [instant.unix_ms for instant in store.instants(node, oldest, newest + 1)
                      if "reservoir.ph" in instant.values]
                seqs = [event.seq for event in store.events(node, oldest, newest + 1)
                        if event.kind == "dosed"]
                readings += len(at)
                events += len(seqs)
                doubled += len(at) - len(set(at)) + len(seqs) - len(set(seqs))
        return readings, events, doubled

    def _sum(self, what: str) -> int:
        return sum(int(fleet.ask()[what]) for fleet in self.fleets)

    def _wait(self, condition: Any, what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not within {PATIENCE_S} s: {what}")
            threading.Event().wait(0.5)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        for fleet in self.fleets:
            fleet.ask()
            fleet.delays_s.clear()
        self.page.take_slowest_ms()
        received, cpu_s = spool_counts(self.host.data_dir)["received"], self.host.cpu_s()
        began_s = time.monotonic()
        yield
        took_s = time.monotonic() - began_s
        self._sum("kept")
        delays_s = sorted(delay_s for fleet in self.fleets for delay_s in fleet.delays_s)
        records = spool_counts(self.host.data_dir)["received"] - received
        self._phases.append(Phase(
            name, took_s, delays_s[len(delays_s) // 2], delays_s[len(delays_s) * 99 // 100],
            records, 1e6 * (self.host.cpu_s() - cpu_s) / max(1, records), self.host.rss_mib(),
            self.page.take_slowest_ms()))


def run(plan: Plan, folder: Path) -> Outcome:
    """Run a plan in a folder and return its outcome."""
    with Bench(plan, folder) as bench:
        return bench.run()


def main() -> None:
    """Run and print."""
    asked, is_recorded = parameters("Many nodes against one host.", Plan()._asdict())
    plan = Plan(**asked)
    with tempfile.TemporaryDirectory(prefix="idroserra-nodes-") as name:
        one = run(plan, Path(name))
    rows = list(table(plan, one))
    print("\n".join(rows))
    if is_recorded:
        write_section("nodes", "make bench-nodes", rows)


def table(plan: Plan, one: Outcome) -> Iterator[str]:
    """Yield the lines that are printed and recorded."""
    yield (f"{plan.nodes:,} nodes, a record every {plan.every_s:g} s; load of the machine"
           f" {os.getloadavg()[1]:.1f}; host at the start {one.idle_mib:.0f} MiB")
    yield ""
    yield ("| phase | took | records | to stored, p50 | p99 | CPU, us/record | host, MiB |"
           " overview, slowest |")
    yield "|---|---|---|---|---|---|---|---|"
    for phase in one.phases:
        yield (f"| {phase.name} | {phase.took_s:.0f} s | {phase.records:,} | {phase.p50_s:.2f} s |"
               f" {phase.p99_s:.2f} s | {phase.cpu_us:.0f} | {phase.rss_mib:.0f} |"
               f" {phase.page_ms:.0f} ms |")
    yield ""
    yield (f"{one.taken:,} records taken, {one.thinned:,} thinned out by the outboxes,"
           f" {one.stored:,} stored: {one.lost:,} lost, {one.doubled:,} twice")


if __name__ == "__main__":
    main()
