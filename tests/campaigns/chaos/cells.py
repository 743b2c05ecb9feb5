"""Three brokers, a database and cells with their nodes, each of which can be killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from campaigns.chaos import reconciliation
from campaigns.chaos.cell_fleet import STEP_MS, CellPlan, fleet
from campaigns.chaos.disk import SmallDisk
from campaigns.chaos.load_generator import ExpectedNode
from idroserra.auth.local_token import token_for
from idroserra.broker.certificates import NodeCertificates, broker_folder_of
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.rabbitmq import limits, permissions, user
from support.adopted_nodes import adopt_nodes
from support.cluster_clients import context
from support.databases import Influxd
from support.rabbitmq_cluster import MEMBERS, RabbitCluster
from support.server_process import Server
from support.tcp_link import TcpLink
from support.wait import wait_until

# A host that has just started has another token, or does not know the boot of the node yet.
NOT_TAKEN = {401, 404, 429, 503}
ENDS = {"done", "refused", "expired", "failed", "timeout"}  # of a command; the page shows them
COMMAND_EVERY_S = 0.5
HOLD_MS, TTL_MS = 60_000, 10_000
ANSWER_LIMIT_S = 300  # of the nodes, on a loaded machine
RECOVERY_LIMIT_S = 30  # ten times that on a loaded machine
DISK_MB = 1_300  # of a broker, which takes no messages below 1 GB of free space


class HostServer(Server):
    """`idroserra serve` of a cell; `link` is one address for all brokers."""

    def __init__(self, folder: Path, number: int, certificates: NodeCertificates, port: int,
                 database: str, brokers: tuple[str, ...] = MEMBERS) -> None:
        super().__init__(folder)
        self.certificates = certificates
        self.data_dir = certificates.folder.parent
        self.store = f"cell{number}"  # the name of its database
        first = number % len(brokers)
        self.link = TcpLink(port, hosts=[*brokers[first:], *brokers[:first]])
        self._database = database

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        config, line = self.folder / "host.toml", self.certificates.folder
        config.write_text(f"""\
data_dir = "{self.data_dir}"
[http]
port = {self.port}
[mqtt]
url = "mqtts://localhost:{self.link.port}"
ca_file = "{self.certificates.server_ca}"
cert_file = "{line}/host.pem"
key_file = "{line}/host.key"
[store]
kind = "influx"
url = "{self._database}"
write_api = "v1"
database = "{self.store}"
""")
        return [sys.executable, "-m", "idroserra.cli", "serve", "--config", str(config)]

    def keep_alive(self) -> None:
        """Start the host again if it has exited, as systemd does."""
        if self._process is not None and self._process.poll() is not None:
            self.start()


class Cell:
    """A host and its nodes, which run in a process of their own."""

    def __init__(self, host: HostServer, nodes: list[str], plan: CellPlan) -> None:
        self.host, self.nodes = host, nodes
        self._plan = plan
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.host.link)
            opened.enter_context(self.host)
            script = Path(__file__).with_name("cell_fleet.py")
            with (self.host.folder / "fleet.log").open("wb") as log:
                self._fleet = subprocess.Popen(
                    [sys.executable, str(script), json.dumps(self._plan._asdict())],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._fleet.kill()
        self._fleet.communicate(timeout=60)
        self._opened.close()

    def ask(self, order: str = "status") -> dict[str, Any]:
        """Give the nodes an order, and return their answer."""
        assert self._fleet.stdin is not None
        assert self._fleet.stdout is not None
        with self._asking:
            limit = threading.Timer(ANSWER_LIMIT_S, self._fleet.kill)
            limit.start()
            try:
                self._fleet.stdin.write(f"{order}\n")
                self._fleet.stdin.flush()
                line = self._fleet.stdout.readline()
            except BrokenPipeError:
                line = ""
            finally:
                limit.cancel()
        assert line, f"the nodes have ended: {(self.host.folder / 'fleet.log').read_text()[-500:]}"
        found: dict[str, Any] = json.loads(line)
        return found


class Commands:
    """Sends commands to nodes by chance; `accepted` are (cell, id) of those that a host has."""

    def __init__(self, cells: list[Cell]) -> None:
        self.accepted: list[tuple[Cell, str]] = []
        self._cells = cells
        self._ended = threading.Event()
        pool = ThreadPoolExecutor(1, "commands")
        self._running = pool.submit(self._run)
        pool.shutdown(wait=False)

    def end(self) -> None:
        """Send no more. Raises what ended the sending before."""
        self._ended.set()
        self._running.result(60)

    def states(self) -> dict[str, str]:
        """Return the state of each command that a host has accepted."""
        return {one: self._state(cell, one) for cell, one in self.accepted}

    def _run(self) -> None:
        chance = random.Random(0)
        while not self._ended.wait(COMMAND_EVERY_S):
            cell = chance.choice(self._cells)
            try:
                answer = httpx.post(
                    f"{cell.host.url}/api/nodes/{chance.choice(cell.nodes)}/commands",
                    headers=_headers(cell), timeout=5, trust_env=False,
                    json={"verb": "hold", "args": {"for_ms": HOLD_MS}, "ttl_ms": TTL_MS})
            except httpx.TransportError:
                continue  # the host is dead, or died before it answered
            if answer.status_code == 202:
                self.accepted.append((cell, answer.json()["id"]))
            else:
                assert answer.status_code in NOT_TAKEN, answer.text

    @staticmethod
    def _state(cell: Cell, command: str) -> str:
        answer = httpx.get(f"{cell.host.url}/api/commands/{command}", headers=_headers(cell),
                           timeout=60, trust_env=False)
        return str(answer.json()["state"]) if answer.status_code == 200 else answer.text


class CellRig:
    """A context manager. `finish()` ends the load and returns the counts; `report` has more."""

    def __init__(self, folder: Path, store: str, *, cells: int = 3, nodes: int = 4,
                 every_s: float = 0.5, boot_unix_ms: int | None = None,
                 own_names: bool = False) -> None:
        """Each of the `nodes` of a cell takes a record every `every_s`. Cells have nodes of the
        same names, unless with `own_names`."""
        assert store == "influx", "cells share a database"
        self.folder, self.database = folder, Influxd(folder / "influx")
        self.brokers = RabbitCluster(folder / "brokers", can_part=True)
        self.disk = SmallDisk(self.brokers.members[0].state, DISK_MB)
        self.report: dict[str, Any] = {}
        self.cells = []
        for number in range(cells):
            first = number * nodes if own_names else 0
            names = [f"idro-{first + node:04}" for node in range(nodes)]
            own = self.brokers.certificates if number == 0 else self.brokers.cell(
                folder / f"cell{number}" / "data")
            (own.folder / "nodes").mkdir()
            for name in names:
                own.authority.issue_client(name, *own.files(name))
            host = HostServer(folder / f"host{number}", number, own, self.brokers.ports.node,
                              self.database.url)
            adopt_nodes(host.data_dir, names, fleet.KEY)
            self.cells.append(Cell(host, names, CellPlan(
                nodes, every_s, str(host.folder), list(MEMBERS), self.brokers.ports.node,
                str(own.server_ca), str(own.folder / "nodes"), first)))

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.disk)
            opened.enter_context(self.database)
            opened.enter_context(self.brokers)
            self.brokers.enable_metadata()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def begin(self, cell: Cell) -> None:
        """Start a host and its nodes."""
        self._define(cell)
        self._opened.enter_context(cell)

    def _define(self, cell: Cell) -> None:
        """Let a host and its nodes in. `idroserra broker node` does it for one node at a time."""
        own = cell.host.certificates
        assert isinstance(own, ClusterCertificates)
        vhost, logins = own.authority.cell, own.logins
        of_host = broker_folder_of(cell.host.data_dir) / (
            MEMBERS[0] if own is self.brokers.certificates else vhost) / "definitions.json"
        of_nodes = {
            "users": [{"name": logins[name], "limits": limits(name), **user(name)}
                      for name in cell.nodes],
            "permissions": [{"user": logins[name], "vhost": vhost, **permissions(name)[0]}
                            for name in cell.nodes],
            "topic_permissions": [{"user": logins[name], "vhost": vhost, **permissions(name)[1]}
                                  for name in cell.nodes]}
        owner = self.brokers.certificates
        for definitions in (json.loads(of_host.read_text()), of_nodes):
            httpx.post(
                f"https://{MEMBERS[0]}:{self.brokers.ports.management}/api/definitions",
                json=definitions, auth=(owner.authority.cell, owner.cluster.password),
                verify=context(self.brokers, self.brokers.files("host")), timeout=300,
                trust_env=False).raise_for_status()

    def flow(self) -> None:
        """Start all cells, and wait until records of every node flow."""
        for cell in self.cells:
            self.begin(cell)
        self.commands = Commands(self.cells)
        self._opened.callback(self.commands.end)
        wait_until(lambda: all(cell.ask()["connected"] == len(cell.nodes) for cell in self.cells),
                   RECOVERY_LIMIT_S, "every node is connected")
        self.recover()

    def recover(self) -> float:
        """Wait until all records so far are confirmed and in the store; return the seconds."""
        began_s = time.monotonic()
        for cell in self.cells:
            cell.ask("mark")
        self._wait(lambda: not any(cell.ask()["behind"] for cell in self.cells),
                   "all records are confirmed")
        for cell in self.cells:
            waiting = reconciliation.pending_ids(cell.host.data_dir)
            if waiting is not None:
                self._wait(lambda cell=cell, newest=waiting[1]: _is_stored(cell, newest),
                           "the records are stored")
        return time.monotonic() - began_s

    def keep_alive(self) -> None:
        """Start what has exited, as systemd does."""
        for member in self.brokers.members:
            member.keep_alive()
        for cell in self.cells:
            cell.host.keep_alive()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def is_so() -> bool:
            self.keep_alive()
            return condition()

        wait_until(is_so, RECOVERY_LIMIT_S, what)

    def finish(self) -> tuple[reconciliation.Counts, dict[str, int]]:
        """End the load, wait until it is stored, and return (counts, counters of the spools)."""
        self.commands.end()
        ended = [cell.ask("quiet") for cell in self.cells]
        self.recover()
        self._wait(lambda: "pending" not in self.commands.states().values(),
                   "every command is answered or given up")
        self._judge_commands()
        self._wait(lambda: all(
            reconciliation.spool_counts(cell.host.data_dir)["pending"] == 0
            for cell in self.cells), "the spools are empty")
        counts, books = [], Counter[str]()
        for cell, one in zip(self.cells, ended, strict=True):
            cell.host.stop()
            expected = [ExpectedNode(name, fleet.boot_id_of(number), STEP_MS, one["taken"][name],
                                     None) for number, name in enumerate(cell.nodes)]
            counts.append(reconciliation.reconcile(
                cell.host.data_dir, expected,
                reconciliation.influx_reader(self.database, cell.host.store)))
            books.update(reconciliation.spool_counts(cell.host.data_dir))
        return reconciliation.Counts(*map(sum, zip(*counts, strict=True))), dict(books)

    def _judge_commands(self) -> None:
        """Fail if a command was lost, or is shown as done without having been carried out."""
        states = self.commands.states()
        begun = {one for cell in self.cells for one in cell.ask("quiet")["commands"]}
        done = {one for one, state in states.items() if state == "done"}
        assert done <= begun, f"shown as done, but not carried out: {sorted(done - begun)}"
        self.report["commands"] = Counter(states.values())
        assert set(states.values()) <= ENDS, self.report["commands"]


def _is_stored(cell: Cell, newest: int) -> bool:
    waiting = reconciliation.pending_ids(cell.host.data_dir)
    return waiting is None or waiting[0] > newest


def _headers(cell: Cell) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(cell.host.url)}"}
