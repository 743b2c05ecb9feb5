"""A host that a standby follows, nodes that send to it, and its death."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campaigns.chaos.load_generator import ExpectedNode
from idroserra.broker.local import Broker
from idroserra.core.sqlite import lock_folder
from idroserra.standby.follower import Follower, work_folder
from idroserra.standby.litestream import program
from idroserra.standby.marker import TakenOver
from idroserra.standby.take_over import take_over
from support.node_client import NodeClient
from support.wait import wait_until

KEY = b"k" * 32
STEP_MS = 100
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
SCRIPT = Path(__file__).with_name("host_under_test.py")


class HostChild:
    """A host in a process of its own, which can be killed."""

    def __init__(self, config: dict[str, Any], log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), json.dumps(config)], stdout=subprocess.PIPE,
                stderr=output, text=True)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "started\n":
            pytest.fail(f"the host did not start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End the host as a power cut would; what it has started ends with it."""
        children = children_of(self.process.pid)
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 10,
                   "Litestream has ended with the host")

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0


class Nodes:
    """Nodes that take a record every few milliseconds and keep it until it is confirmed."""

    def __init__(self, port: int, names: list[str], pause_s: float = 0.02) -> None:
        self.clients = [
            NodeClient(port, name, KEY, boot_unix_ms=1_796_000_000_000 if number % 2 else None)
            for number, name in enumerate(names)]
        self._stopping = threading.Event()
        self._pause_s = pause_s
        self._threads = [threading.Thread(target=self._sample, args=(client,))
                         for client in self.clients]
        for part in (*self.clients, *self._threads):
            part.start()

    def stop_sampling(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def expected(self) -> list[ExpectedNode]:
        return [ExpectedNode(client.node, client.boot_id, STEP_MS, client._seq,
                             client.boot_unix_ms) for client in self.clients]

    def are_stored(self) -> bool:
        return all(client.stored_upto == client._seq for client in self.clients)

    def stop(self) -> None:
        self.stop_sampling()
        for client in self.clients:
            client.stop()

    def _sample(self, client: NodeClient) -> None:
        while not self._stopping.wait(random.uniform(0, 2 * self._pause_s)):
            client.sample(1, at_ms=(client._seq + 1) * STEP_MS)


class StandbyRig:
    """Two machines: `a` with the host, and `b`, which follows it in `folder`."""

    def __init__(self, root: Path, url: str | None = None, **standby: Any) -> None:
        program()
        self.root, self.folder = root, root / "b-copies"
        self.folder.mkdir()
        self.broker = Broker(root / "broker", "mosquitto")
        self.broker.start()
        self.a, self.b = root / "a", root / "b"
        self._standby = {"url": url or self.folder.as_uri(), **standby}
        self.follower = Follower(self.folder, work_folder(self.b))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self.copied: dict[str, int] = {}

    def config(self, folder: Path, **more: Any) -> dict[str, Any]:
        return {"site": "test", "data_dir": str(folder), "http": {"port": 0},
                "mqtt": {"url": self.broker.url, "username": "host"}, **more}

    def start_a(self, **more: Any) -> HostChild:
        return HostChild(self.config(self.a, standby=self._standby, **more), self.root / "a.log")

    def start_b(self, **more: Any) -> HostChild:
        return HostChild(self.config(self.b, **more), self.root / "b.log")

    def follow(self) -> None:
        """Follow until take_over(), and wait until everything was copied."""
        self._thread.start()
        wait_until(lambda: "spool.db" in self.copied, 20, "the standby follows")

    def take_over(self, *, by: str = "test") -> TakenOver:
        self.end_following()
        self.b.mkdir(exist_ok=True)
        with lock_folder(self.b):
            return take_over(self.folder, self.b, datetime.now(UTC), lambda _text: None, by)

    def lose_a(self) -> None:
        """Take the machine of the host away."""
        shutil.move(self.a, self.root / f"lost-{time.monotonic_ns()}")

    def end_following(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        self.end_following()
        self.broker.stop()

    def _follow(self) -> None:
        try:
            while not self._stopping.wait(0.2):
                self.copied = self.follower.step()
        finally:
            self.follower.stop()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found
