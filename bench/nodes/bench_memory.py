"""Measures the memory of one host while 50 nodes send and the page is open: `make bench-memory`.

`idroserra serve` with SQLite, mosquitto, and nodes with the outbox of the firmware (fleet.py). One
page follows the live stream; every second another page, chart or list is opened, as by a user.
Figures from /proc/PID/smaps_rollup: RSS, PSS (shared files count in part), and private memory.
First it prints the memory that each library adds to Python.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench_nodes import Fleet, Host, Mosquitto  # noqa: E402  found beside this file

from idroserra.auth.local_token import token_for  # noqa: E402

MIB_KB = 1_024
PRINT_EVERY_S = 20.0
# Each layer adds the modules that those before have not loaded.
LAYERS = (
    ("Python", "sys"),
    ("its library", "asyncio, email.message, http.client, json, logging, sqlite3, ssl"),
    ("msgspec, paho, argon2", "msgspec, paho.mqtt.client, argon2, platformdirs"),
    ("Starlette, uvicorn, Jinja",
     "starlette.applications, starlette.staticfiles, jinja2, uvicorn.server, h11"),
    ("modules of the host",
     "idroserra.web.process, idroserra.server.service, idroserra.web.app, idroserra.web.server"),
)


class Memory(NamedTuple):
    """Memory of a process, MiB."""

    rss: float
    pss: float
    own: float  # anonymous: neither shared nor of a file
    threads: int


def memory_of(pid: int) -> Memory:
    """Return the current memory of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    status = Path(f"/proc/{pid}/status").read_text()

    def of(key: str) -> float:
        return int(rollup.partition(f"\n{key}:")[2].split()[0]) / MIB_KB

    return Memory(of("Rss"), of("Pss"), of("Anonymous"),
                  int(status.partition("\nThreads:")[2].split()[0]))


def print_layers() -> None:
    """Print the memory that each layer adds in a new process."""
    lines = []
    for _, modules in LAYERS:
        lines += [f"import {modules}", "print(open('/proc/self/smaps_rollup').read()"
                  ".partition('\\nRss:')[2].split()[0])"]
    printed = subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True,
                             capture_output=True, text=True).stdout.split()
    before = 0.0
    for (name, _), kb in zip(LAYERS, printed, strict=True):
        rss = int(kb) / MIB_KB
        print(f"{name:<32} RSS {rss:5.1f}  (+{rss - before:.1f}) MiB", flush=True)
        before = rss


class User:
    """A user of the page: one live stream, and one view after the other."""

    def __init__(self, url: str, nodes: int) -> None:
        self.opened = self.stream_bytes = 0
        self._url = url
        self._token = token_for(url)
        self._nodes = nodes
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True)
                         for run in (self._follow, self._walk)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop."""
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def read(self, path: str) -> bytes:
        """Return the content of a path."""
        with urllib.request.urlopen(self._request(path), timeout=60) as answer:
            return bytes(answer.read())

    def _request(self, path: str) -> urllib.request.Request:
        request = urllib.request.Request(f"{self._url}{path}")
        request.add_header("Authorization", f"Bearer {self._token}")
        return request

    def _follow(self) -> None:
        with urllib.request.urlopen(self._request("/api/live"), timeout=60) as stream:
            while not self._ended.is_set():
                self.stream_bytes += len(stream.readline())

    def _walk(self) -> None:
        for turn in itertools.count():
            node = f"idro-{turn % self._nodes:04}"
            now_ms = time.time_ns() // 1_000_000
            for path in (
                "/", f"/nodes/{node}", "/api/nodes", f"/api/nodes/{node}",
                f"/api/nodes/{node}/series?channels=reservoir.ph,air.temp_c"
                f"&from_unix_ms={now_ms - 86_400_000}&to_unix_ms={now_ms}&columns=800",
                f"/api/nodes/{node}/events?from_unix_ms={now_ms - 86_400_000}"
                f"&to_unix_ms={now_ms}",
                "/alarms", "/api/alarms",
            ):
                if self._ended.wait(1.0):
                    return
                self.read(path)
                self.opened += 1


def main() -> int:
    """Run, print, and return 3 if the host exceeds `--most-mib`."""
    parser = argparse.ArgumentParser(description="The memory of one host and its nodes.")
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--every-s", type=float, default=10.0)
    parser.add_argument("--for-s", type=float, default=180.0)
    parser.add_argument("--most-mib", type=float, default=60.0)
    asked = parser.parse_args()
    print_layers()
    with tempfile.TemporaryDirectory(prefix="idroserra-memory-") as name, ExitStack() as opened:
        folder = Path(name)
        broker = Mosquitto(folder)
        broker.start()
        opened.callback(broker.kill)
        host = Host(folder, broker.port, asked.nodes)
        opened.callback(host.stop)
        print_memory("at the start", memory_of(host.pid))
        fleet = Fleet(broker.port, 0, asked.nodes, asked.every_s, folder)
        opened.callback(fleet.close)
        while fleet.ask()["connected"] < asked.nodes:
            threading.Event().wait(0.5)
        print_memory(f"{asked.nodes} nodes connected", memory_of(host.pid))
        user = User(host.url, asked.nodes)
        opened.callback(user.end)
        began_s, highest = time.monotonic(), 0.0
        while (passed_s := time.monotonic() - began_s) < asked.for_s:
            threading.Event().wait(min(PRINT_EVERY_S, asked.for_s - passed_s))
            now = memory_of(host.pid)
            highest = max(highest, now.rss)
            print_memory(f"{time.monotonic() - began_s:.0f} s, {user.opened} views opened", now)
        nodes = json.loads(user.read("/api/nodes"))["nodes"]
        known = sum(node["online"] for node in nodes)
    print(f"{known} of {asked.nodes} nodes on the page, {user.stream_bytes:,} bytes of the live"
          f" stream; highest RSS {highest:.1f} MiB, allowed {asked.most_mib:.0f}")
    return 3 if highest > asked.most_mib or known < asked.nodes or not user.stream_bytes else 0


def print_memory(when: str, memory: Memory) -> None:
    """Print one line."""
    print(f"{when:<32} RSS {memory.rss:5.1f}  PSS {memory.pss:5.1f}  own {memory.own:5.1f} MiB,"
          f" {memory.threads} threads", flush=True)


if __name__ == "__main__":
    sys.exit(main())
