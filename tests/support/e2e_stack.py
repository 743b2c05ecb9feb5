"""Broker, host process and simulated boards in real time, for end-to-end tests.

The host is `idroserra serve` in a child process, so that it can be killed. Sent records are
counted below the firmware, and stored ones are read from the database without the host.
"""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from idroserra.boards import compiler
from idroserra.broker.local import Broker, free_port
from idroserra.core.config import load_config
from idroserra.image import build
from idroserra.server.service import Service
from idrosim.runner import process
from support.server_process import Server
from support.wait import wait_until

BOARD = "esp32-reservoir"
KEY = bytes(range(32))
# Every record of every node has a value of this channel, so its values count the records.
EVERY_RECORD = "node.heap_free_b"


class EndToEndStack:
    """A context manager; nodes run in real time until its end."""

    def __init__(self, folder: Path, nodes: tuple[str, ...], store: dict[str, Any] | None = None,
                 every_ms: int = 1_000, broker: Server | None = None,
                 more: dict[str, Any] | None = None) -> None:
        """`broker`: another than the demo's, with its own `mqtt` in `more`, the other sections of
        the host's configuration."""
        self.folder = folder
        self.broker = broker or Broker(folder / "broker", "mosquitto")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._names = nodes
        self._every_ms = every_ms
        self._overrides = {
            "data_dir": str(folder / "host"), "http": {"port": self.port},
            "mqtt": {"url": f"mqtt://127.0.0.1:{self.broker.port}", "username": "host"},
            "store": store or {}, **(more or {}),
        }
        self.environment = {
            f"IDROSERRA_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
            for key, value in self._overrides.items()}
        self.nodes: dict[str, process.LiveNode] = {}
        self._host: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "EndToEndStack":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.broker.start()
        self._adopt()
        self.start_host()
        build.build_image(BOARD, self.folder / "image")
        for number, name in enumerate(self._names):
            self.nodes[name] = self._start_node(name, number + 1)
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes.values():
            node.stop()
        self.stop_host()
        self.broker.stop()

    def _adopt(self) -> None:
        """Store the keys and settings of the nodes before the host starts."""
        service = Service(load_config(overrides=self._overrides))
        for name in self._names:
            service.nodes.adopt(name, KEY)
            service.commands.set_config(name, {"sample.every_ms": self._every_ms}, "test")
        service.stop()

    def _start_node(self, name: str, seed: int) -> process.LiveNode:
        job = process.make_job(
            name, compiler.load(BOARD), self.folder / name, mode="live", seed=seed, key=KEY.hex(),
            start_unix_ms=time.time_ns() // 1_000_000, nvs={"broker_port": self.port_of(name)},
        )
        process.install_image(job, self.folder / "image")
        node = process.LiveNode(job)
        node.start()
        return node

    def port_of(self, name: str) -> int:
        """Return the port at which a node reaches the broker."""
        return self.broker.port

    def start_host(self) -> None:
        """Start `idroserra serve`."""
        with (self.folder / "host.log").open("ab") as log:
            self._host = subprocess.Popen(
                [sys.executable, "-m", "idroserra.cli", "serve"],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def answers(self) -> bool:
        """Return whether the web server accepts connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill_host(self) -> None:
        """End the host with SIGKILL, as a power cut would."""
        self._end_host(signal.SIGKILL)

    def stop_host(self) -> None:
        """End the host with SIGTERM."""
        self._end_host(signal.SIGTERM)

    def _end_host(self, number: signal.Signals) -> None:
        if self._host is not None:
            assert self._host.poll() is None, (self.folder / "host.log").read_text()[-3_000:]
            self._host.send_signal(number)
            self._host.wait(120)
            self._host = None

    def kill_broker(self) -> None:
        """End the broker with SIGKILL, as a power cut would."""
        os.kill(self.broker.pid, signal.SIGKILL)
        self.broker.stop()

    def sent(self) -> dict[tuple[str, str], int]:
        """Return {(node, boot_id): records sent so far}. Fails if a sequence number is missing."""
        found = {}
        for name, node in self.nodes.items():
            assert node.error is None, node.error
            for boot_id, (highest_seq, count) in node.sent().items():
                assert highest_seq == count, f"{name} skipped a record"
                found[name, boot_id] = count
        return found

    def received(self) -> dict[tuple[str, str], int]:
        """Return {(node, boot_id): seq up to which the host has stored every record}."""
        rows = self._spool(
            "SELECT node, boot_id, last FROM boots JOIN seen USING (boot) WHERE first <= 1"
        )
        return {(node, boot_id): last for node, boot_id, last in rows}

    def lost(self) -> int:
        """Return the number of records that the host counts as lost."""
        return sum(row[0] for row in self._spool("SELECT lost FROM boots"))

    def rejected(self) -> list[tuple[Any, ...]]:
        """Return (topic, error) of the messages and single records that the host rejected."""
        return self._spool(
            "SELECT topic, error FROM rejected UNION ALL "
            "SELECT 'idro/v1/' || node || '/up/' || leaf, error FROM unread"
        )

    def settle(self, timeout_s: float = 60) -> dict[tuple[str, str], int]:
        """Wait until the host has everything sent so far; return sent()."""
        sent = self.sent()
        assert sent, [node.console for node in self.nodes.values()]
        wait_until(lambda: self._has(sent), timeout_s, f"the host has {sent}")
        return sent

    def stop_nodes(self) -> dict[tuple[str, str], int]:
        """Stop the nodes, wait until the spool is empty, and return received()."""
        for node in self.nodes.values():
            node.stop()
        wait_until(lambda: not self._pending(), 60, "the spool is empty")
        return self.received()

    def stored(self, node: str) -> tuple[int, int]:
        """Return the numbers of (telemetry records, events) of a node in the SQLite store."""
        store = self.folder / "host" / "store.db"
        records = read_rows(
            store, "WITH wanted AS (SELECT series FROM series WHERE node = ? AND channel = ?)"
            " SELECT (SELECT count(*) FROM samples WHERE series IN wanted)"
            " + (SELECT coalesce(sum(count), 0) FROM packed"
            "    WHERE place & 0x7fffffff IN wanted)", node, EVERY_RECORD,
        )
        events = read_rows(store, "SELECT count(*) FROM events WHERE node = ?", node)
        return records[0][0], events[0][0]

    def _has(self, sent: dict[tuple[str, str], int]) -> bool:
        received = self.received()
        return all(received.get(boot, 0) >= count for boot, count in sent.items())

    def _pending(self) -> int:
        return int(self._spool("SELECT count(*) FROM pending")[0][0])

    def _spool(self, query: str) -> list[tuple[Any, ...]]:
        return read_rows(self.folder / "host" / "spool.db", query)


def read_rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a database that another process may be writing."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60) as database:
        return database.execute(query, values).fetchall()
