"""A broker, host, database and nodes under load, each of which can be killed at any time."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from campaigns.chaos import reconciliation
from campaigns.chaos.hosts import HostProcess
from campaigns.chaos.load_generator import KEY, LoadGenerator
from idroserra.broker.local import Broker
from support.adopted_nodes import adopt_nodes
from support.databases import HttpServer, Influxd
from support.tcp_link import TcpLink
from support.wait import wait_until

RECOVERY_LIMIT_S = 120
SETTLE_S = 120


class Rig:
    """A context manager. `finish()` ends the load and returns the counts."""

    def __init__(self, folder: Path, store: str = "sqlite", *, data_dir: Path | None = None,
                 nodes: int = 4, per_s: float = 50, linked: bool = False,
                 more: dict[str, Any] | None = None, **load: Any) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "host"
        self.broker = Broker(folder / "broker", "mosquitto")
        self.database: HttpServer | None = {
            "sqlite": lambda: None,
            "influx": lambda: Influxd(folder / "influx"),
        }[store]()
        self._opened = ExitStack()
        self._linked = linked
        self.links: dict[str, TcpLink] = {}
        self._more = more or {}
        self._moment = threading.Event()
        self._load = {"count": nodes, "per_s": per_s, **load}

    def __enter__(self) -> Rig:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            self.broker.start()
            opened.callback(self.broker.stop)
            if self.database is not None:
                opened.enter_context(self.database)
            node_port = self._port("node", self.broker.port, opened)
            host_port = self._port("host", self.broker.port, opened)
            names = [f"idro-c{number}" for number in range(self._load["count"])]
            adopt_nodes(self.data_dir, names, KEY)
            self.host = HostProcess(self.folder, self._config(host_port, opened))
            opened.callback(self.host.close)
            self.host.start()
            self.load = LoadGenerator(node_port, **self._load)
            opened.enter_context(self.load)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links.values():
            link.heal()
        self._opened.close()

    def _port(self, name: str, port: int, opened: ExitStack) -> int:
        """Return the port to connect to: that of a link of this name if links are enabled."""
        if not self._linked:
            return port
        self.links[name] = opened.enter_context(TcpLink(port))
        return self.links[name].port

    def _config(self, broker_port: int, opened: ExitStack) -> dict[str, Any]:
        config: dict[str, Any] = {
            "data_dir": str(self.data_dir),
            "mqtt": {"url": f"mqtt://127.0.0.1:{broker_port}", "username": "host"}, **self._more,
        }
        if self.database is not None:
            port = self._port("database", self.database.port, opened)
            config["store"] = {"kind": "influx", "url": f"http://127.0.0.1:{port}",
                               "write_api": "v1"}
        return config

    def kill(self, what: str, down_s: float = 0.0) -> None:
        """Kill "host", "broker" or "database" and start it again after `down_s`."""
        if what == "host":
            self.host.kill()
            self._moment.wait(down_s)
            self.host.start()
        elif what == "broker":
            os.kill(self.broker.pid, signal.SIGKILL)
            self.broker.stop()
            self._moment.wait(down_s)
            self.broker.start()
        else:
            assert self.database is not None
            self.database.kill()
            self._moment.wait(down_s)
            self.database.start()

    def flow(self) -> None:
        """Wait until records flow."""
        wait_until(lambda: self.load.made, 60, "records are taken")
        self.recover()

    def recover(self) -> float:
        """Wait until all records so far are confirmed and in the store; return the seconds.

        A host that has exited is started again."""
        began_s = time.monotonic()
        made = self.load.made
        wait_until(lambda: self._is_confirmed(made), RECOVERY_LIMIT_S,
                   f"{made} records are confirmed")
        waiting = reconciliation.pending_ids(self.data_dir)
        if waiting is not None:
            newest = waiting[1]
            wait_until(lambda: self._is_stored(newest), RECOVERY_LIMIT_S, "the records are stored")
        return time.monotonic() - began_s

    def _is_confirmed(self, made: int) -> bool:
        self.host.keep_alive()
        return self.load.stored_upto() >= made

    def _is_stored(self, newest: int) -> bool:
        self.host.keep_alive()
        waiting = reconciliation.pending_ids(self.data_dir)
        return waiting is None or waiting[0] > newest

    def finish(self) -> tuple[reconciliation.Counts, dict[str, int]]:
        """End the load, wait until it is stored, and return (counts, counters of the spool)."""
        self.load.end()
        self.recover()
        wait_until(lambda: self._spool()["pending"] == 0, SETTLE_S, "the spool is empty")
        self.host.stop()
        spool, expected = self._spool(), self.load.expected()
        if isinstance(self.database, Influxd):
            read = reconciliation.influx_reader(self.database)
        else:
            store, read = reconciliation.sqlite_reader(self.data_dir)
            self._opened.callback(store.close)
        return reconciliation.reconcile(self.data_dir, expected, read), spool

    def _spool(self) -> dict[str, int]:
        return reconciliation.spool_counts(self.data_dir)
