"""Broker, host, database and loaded nodes on one machine, each to be ended at any instant."""

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
from campaigns.chaos.load_generator import Load
from idroserra.broker.local import Broker
from support.databases import HttpServer, Influxd, VictoriaMetrics
from support.tcp_link import TcpLink
from support.wait import wait_until

STORES = ("sqlite", "influx", "victoria")
RECOVERY_LIMIT_S = 120
SETTLE_S = 120


class Rig:
    """Start with `with`. `settle()` ends it and returns the account."""

    def __init__(self, folder: Path, store: str = "sqlite", *, data_dir: Path | None = None,
                 nodes: int = 4, per_s: float = 50, linked: bool = False,
                 more: dict[str, Any] | None = None, **load: Any) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "host"
        self.broker = Broker(folder / "broker", "mosquitto")
        self.database: HttpServer | None = {
            "sqlite": lambda: None,
            "influx": lambda: Influxd(folder / "influx"),
            "victoria": lambda: VictoriaMetrics(folder / "victoria"),
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
            self.host = HostProcess(self.folder, self._config(host_port, opened))
            opened.callback(self.host.close)
            self.host.start()
            self.load = Load(node_port, **self._load)
            opened.enter_context(self.load)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links.values():
            link.heal()
        self._opened.close()

    def _port(self, name: str, port: int, opened: ExitStack) -> int:
        """Return where to connect: to a link of that name, where links are asked for."""
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
            api = "v1" if isinstance(self.database, Influxd) else "v2"
            config["store"] = {"kind": "influx", "url": f"http://127.0.0.1:{port}",
                               "write_api": api}
        return config

    def kill(self, what: str, down_s: float = 0.0) -> None:
        """End "host", "broker" or "database" as a power cut would; start it after down_s again."""
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
        """Return when records flow."""
        wait_until(lambda: self.load.made, 60, "records are taken")
        self.recover()

    def recover(self) -> float:
        """Wait until all that was taken so far is told to its node and in the store.

        Return how many seconds that took. A host that has ended is started again."""
        began_s = time.monotonic()
        made = self.load.made
        wait_until(lambda: self._is_told(made), RECOVERY_LIMIT_S, f"{made} records are told")
        waiting = reconciliation.pending_ids(self.data_dir)
        if waiting is not None:
            newest = waiting[1]
            wait_until(lambda: self._is_stored(newest), RECOVERY_LIMIT_S, "they are in the store")
        return time.monotonic() - began_s

    def _is_told(self, made: int) -> bool:
        self._keep_alive()
        return self.load.told_upto() >= made

    def _is_stored(self, newest: int) -> bool:
        self._keep_alive()
        waiting = reconciliation.pending_ids(self.data_dir)
        return waiting is None or waiting[0] > newest

    def _keep_alive(self) -> None:
        self.host.keep_alive()

    def settle(self) -> tuple[reconciliation.Account, dict[str, int]]:
        """End the load, wait for all of it, and compare the store with what was taken."""
        self.load.end()
        self.recover()
        wait_until(lambda: self._books()["pending"] == 0, SETTLE_S, "the spool is empty")
        self.host.stop()
        told, expected = self._books(), self.load.expected()
        if isinstance(self.database, Influxd):
            read = reconciliation.influx_reader(self.database)
        elif isinstance(self.database, VictoriaMetrics):
            read = reconciliation.victoria_reader(self.database)
        else:
            store, read = reconciliation.sqlite_reader(self.data_dir)
            self._opened.callback(store.close)
        return reconciliation.settle(self.data_dir, expected, read), told

    def _books(self) -> dict[str, int]:
        return reconciliation.books(self.data_dir)
