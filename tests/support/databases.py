"""InfluxDB 1.x and VictoriaMetrics as child processes for the tests of the host."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from idroserra.broker.local import free_port
from support.programs import program, program_with
from support.server_process import Server

FLUSH_FLAG = "-inmemoryDataFlushInterval"  # the host reads it, see feeds/victoria.py


class HttpServer(Server):
    """A server that answers GET on `probe_path`."""

    probe_path = "/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.probe_path, timeout=10):
                return True
        except OSError:
            return False

    def get(self, path: str, query: dict[str, str]) -> bytes:
        """Return the body of the response to GET `path`."""
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return bytes(answer.read())


class Influxd(HttpServer):
    """InfluxDB 1.x."""

    probe_path = "/ping"

    def __init__(self, folder: Path, http: str = "") -> None:
        """`http` replaces the bind-address in section [http]; PORT stands for the port."""
        super().__init__(folder)
        self._rpc_port = free_port()
        self._http = http or 'bind-address = "127.0.0.1:PORT"'

    def command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{self._rpc_port}"\n'
            f'[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\n'
            "query-log-enabled = false\n"
            f"[http]\n{self._http.replace('PORT', str(self.port))}\nlog-enabled = false\n"
            "[monitor]\nstore-enabled = false\n"
        )
        return [program("influxd"), "-config", str(config)]

    def write(self, lines: str, database: str) -> None:
        """Write lines, with times in ns."""
        urllib.request.urlopen(f"{self.url}/write?db={database}", lines.encode(), 60).close()

    def run(self, statement: str, database: str = "idroserra") -> None:
        """Run a statement that changes data."""
        data = urllib.parse.urlencode({"db": database, "q": statement}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data, timeout=60) as answer:
            result = json.loads(answer.read())["results"][0]
        assert "error" not in result, result

    def rows(self, query: str, database: str = "idroserra") -> list[list[Any]]:
        """Return the rows of all series of an InfluxQL query, times in ns."""
        answer = json.loads(self.get("/query", {"db": database, "q": query, "epoch": "ns"}))
        result = answer["results"][0]
        assert "error" not in result, result
        return [row for series in result.get("series", ()) for row in series["values"]]


class VictoriaMetrics(HttpServer):
    """VictoriaMetrics, which accepts /api/v2/write but no InfluxQL."""

    probe_path = "/health"

    def command(self) -> list[str]:
        return [
            program_with("victoria-metrics", FLUSH_FLAG, "-help"),
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y",
            "-search.latencyOffset=0s", "-loggerLevel=ERROR",
            "-dedup.minScrapeInterval=1ms",  # docs/store.md requires it
        ]

    def export(self, match: str) -> list[dict[str, Any]]:
        """Return the matching series with all their values and timestamps (ms)."""
        self.get("/internal/force_flush", {})
        lines = self.get("/api/v1/export", {"match[]": match, "start": "0"}).splitlines()
        return [json.loads(line) for line in lines]
