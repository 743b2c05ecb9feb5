"""Real databases on free loopback ports for the tests of the host: influxd and victoria-metrics,
each in a folder of its own, each ended by its process id.

A program that is missing fails the test and says what to install.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from idroserra.broker.local import free_port
from support.wait import wait_until

START_DEADLINE_S = 30.0


def program(name: str) -> str:
    """Return the path of an installed program, also from sbin."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/local/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        package = {"influxd": "influxdb"}.get(name, name)
        pytest.fail(f"{name} is not installed, and these tests need it: apt install {package}")
    return found


class Server(ABC):
    """A server process. start() returns when it answers; stop() and kill() are by its pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line, having written what it reads."""

    @abstractmethod
    def answers(self) -> bool:
        """True when it serves."""

    def start(self) -> None:
        command = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        wait_until(self._is_up, START_DEADLINE_S, f"{command[0]} answers")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the server ended: {(self.folder / 'log').read_text()[-2000:]}")
        return self.answers()

    def _end(self, how: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)
        self._process = None


class HttpServer(Server):
    """A server that answers GET on `probe_path`."""

    probe_path = "/"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.probe_path, timeout=10):
                return True
        except OSError:
            return False

    def get(self, path: str, query: dict[str, str]) -> bytes:
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return bytes(answer.read())


class Influxd(HttpServer):
    """InfluxDB 1.x."""

    probe_path = "/ping"

    def __init__(self, folder: Path, http: str = "") -> None:
        """`http`: more lines of the section [http]; another bind-address instead of loopback's."""
        super().__init__(folder)
        self._rpc_port = free_port()
        self._http = http.replace("PORT", str(self.port)) or (
            f'bind-address = "127.0.0.1:{self.port}"')

    def command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{self._rpc_port}"\n'
            f'[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\n'
            "query-log-enabled = false\n"
            f"[http]\n{self._http}\nlog-enabled = false\n"
            "[monitor]\nstore-enabled = false\n"
        )
        return [program("influxd"), "-config", str(config)]

    def rows(self, query: str, database: str = "idroserra") -> list[list[Any]]:
        """Return the rows of all series of an InfluxQL query, times in ns."""
        answer = json.loads(self.get("/query", {"db": database, "q": query, "epoch": "ns"}))
        result = answer["results"][0]
        assert "error" not in result, result
        return [row for series in result.get("series", ()) for row in series["values"]]


class VictoriaMetrics(HttpServer):
    """VictoriaMetrics: takes /api/v2/write, answers no InfluxQL."""

    probe_path = "/health"

    def command(self) -> list[str]:
        return [
            program("victoria-metrics"), f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y",
            "-search.latencyOffset=0s", "-loggerLevel=ERROR",
            "-dedup.minScrapeInterval=1ms",  # docs/store.md asks for it
        ]

    def export(self, match: str) -> list[dict[str, Any]]:
        """Return the series that match, with all their values and timestamps (ms)."""
        self.get("/internal/force_flush", {})
        lines = self.get("/api/v1/export", {"match[]": match, "start": "0"}).splitlines()
        return [json.loads(line) for line in lines]
