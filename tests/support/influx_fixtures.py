"""Databases of the store's tests: each test has one of its own, which is removed again.

The servers are an InfluxDB 1.6.7, the stand-in for a 2.x, and the server that the environment
names: IDROSERRA_TEST_INFLUX_URL, with _TOKEN and _ORG of a 2.x (the token of a set-up), _WRITE_API
(v1 for a 1.x), and _RESTART, a command that kills and starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.validation import validate
from idroserra.history.influx.http import Http
from idroserra.history.influx.store import InfluxStore
from support.databases import Influxd
from support.influx2 import ORG, TOKEN, Influx2

SITE = 'north, "field" = 1\\'
_NAMED = {key: os.environ.get(f"IDROSERRA_TEST_INFLUX_{key.upper()}", "")
          for key in ("url", "token", "org", "write_api", "restart")}
SERVERS = ("influxd", "influx2", *(("named",) if _NAMED["url"] else ()))


class InfluxDatabase:
    """A database or bucket of one test."""

    def __init__(self, restart: Callable[[], object], **config: str) -> None:
        """`config`: url, and write_api, token and org if the server needs them."""
        self.restart = restart
        self.config = {"kind": "influx", "database": f"test-{uuid.uuid4().hex[:12]}",
                       **{key: value for key, value in config.items() if value}}
        self.name = self.config["database"]
        self._http = Http(self._store_config())
        self.major = int(self._http.version().partition(".")[0])
        self._stores: list[InfluxStore] = []

    def create(self) -> None:
        """Create the bucket of a 2.x or the database of a 3; the host creates that of a 1.x."""
        if self.major == 2:
            org = self._ask("GET", f"/api/v2/orgs?{urlencode({'org': self.config['org']})}")
            self._ask("POST", "/api/v2/buckets", {
                "name": self.name, "orgID": org["orgs"][0]["id"], "retentionRules": []})
        elif self.major == 3:
            self._ask("POST", "/api/v3/configure/database", {"db": self.name})

    def remove(self) -> None:
        """Close the stores; remove the database with its roll-ups and tasks."""
        for store in self._stores:
            store.close()
        if self.major == 3:
            self._ask("DELETE", f"/api/v3/configure/database?{urlencode({'db': self.name})}")
        elif self.major == 2:
            for task in self._ask("GET", "/api/v2/tasks?limit=500")["tasks"]:
                if task["name"].startswith(f"idroserra_{self.name}_"):
                    self._ask("DELETE", f"/api/v2/tasks/{task['id']}")
            # The roll-ups first: the stand-in keeps them in the database of the bucket.
            for policy in ("/minutes", "/quarters", "/hours", "/daily", ""):
                query = urlencode({"name": self.name + policy})
                for bucket in self._ask("GET", f"/api/v2/buckets?{query}")["buckets"]:
                    self._ask("DELETE", f"/api/v2/buckets/{bucket['id']}")
        else:
            query = urlencode({"q": f'DROP DATABASE "{self.name}"'})
            self._http.request("POST", f"/query?{query}", b"", {})
        self._http.close()

    def open(self, site: str = SITE, **keep: int) -> InfluxStore:
        """Return a store of the database; it is closed with it."""
        self._stores.append(InfluxStore(self._store_config(keep=keep), site=site))
        return self._stores[-1]

    def rows(self, query: str) -> list[list[Any]]:
        """Return the rows of all series of an InfluxQL query, times in ns."""
        path = "/query?" + urlencode({"db": self.name, "q": query, "epoch": "ns"})
        result = json.loads(self._http.request("GET", path, None, {}))["results"][0]
        assert "error" not in result, result
        return [row for series in result.get("series", ()) for row in series.get("values", ())]

    def delete(self, condition: str) -> None:
        """Delete the raw readings that meet a condition on time."""
        path = "/query?" + urlencode({"db": self.name, "q": f"DELETE FROM sample {condition}"})
        self._http.request("POST", path, b"", {})

    def write(self, lines: str) -> None:
        """Write lines as another program does."""
        if self.major == 1:
            path = "/write?" + urlencode({"db": self.name})
        else:
            path = "/api/v2/write?" + urlencode(
                {"bucket": self.name, "org": self.config.get("org", "")})
        self._http.request("POST", path, lines.encode(), {})

    def _store_config(self, **more: Any) -> StoreConfig:
        return validate({**self.config, **more}, StoreConfig)

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        answer = self._http.request(method, path, body, {"Content-Type": "application/json"})
        return json.loads(answer) if answer else None


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """Yield an InfluxDB 1.6.7."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture(scope="module")
def influx2(influxd: Influxd) -> Iterator[Influx2]:
    """Yield a server that answers as a 2.x does."""
    with Influx2(influxd) as server:
        yield server


@pytest.fixture(params=SERVERS)
def database(
    request: pytest.FixtureRequest, influxd: Influxd, influx2: Influx2
) -> Iterator[InfluxDatabase]:
    """Yield a database of its own on each server."""
    if request.param == "influxd":
        found = InfluxDatabase(influxd.restart, url=influxd.url, write_api="v1")
    elif request.param == "influx2":
        found = InfluxDatabase(influxd.restart, url=influx2.url, token=TOKEN, org=ORG)
    else:
        own = {key: value for key, value in _NAMED.items() if key != "restart"}
        found = InfluxDatabase(_restart_named, **own)
    found.create()
    yield found
    found.remove()


def _restart_named() -> None:
    if not _NAMED["restart"]:
        pytest.fail("IDROSERRA_TEST_INFLUX_RESTART names no command that kills and starts it")
    subprocess.run(_NAMED["restart"], shell=True, check=True)
