"""Databases of the store's tests: each test has one of its own, which is removed again.

The servers are an InfluxDB 1.6.7, the stand-in for a 2.x, and the server that the environment
names: IDROSERRA_TEST_INFLUX_URL, with _TOKEN (and _ORG) or _USER and _PASSWORD of a set-up,
_WRITE_API (v1 for a 1.x before 1.8), and _RESTART, a command that kills and starts it. One that
can be no store, such as a 3, is a feed only. A test with a named server starts no other.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from idroserra.core.config import StoreConfig
from idroserra.core.validation import validate
from idroserra.history.influx.http import Http, why_no_store
from idroserra.history.influx.store import InfluxStore
from support.databases import Influxd
from support.influx2 import ORG, TOKEN, Influx2

SITE = 'north, "field" = 1\\'
_RESTART = os.environ.get("IDROSERRA_TEST_INFLUX_RESTART", "")
_NAMED = {key: value for key in ("url", "token", "org", "user", "password", "write_api")
          if (value := os.environ.get(f"IDROSERRA_TEST_INFLUX_{key.upper()}"))}
FEEDS = ("influxd", "influx2", *(("named",) if "url" in _NAMED else ()))
STORES = FEEDS[:2] if "url" not in _NAMED or why_no_store(
    validate({"kind": "influx", **_NAMED}, StoreConfig)) else FEEDS


class InfluxDatabase:
    """A database or bucket of one test."""

    def __init__(self, restart: Callable[[], object], **config: str) -> None:
        """`config`: url, and write_api, token and org if the server needs them."""
        self.restart = restart
        self.config = {"kind": "influx", "database": f"test-{uuid.uuid4().hex[:12]}", **config}
        self.name = self.config["database"]
        self._http = Http(self._store_config())
        self.major = int(self._http.version().partition(".")[0])
        self._stores: list[InfluxStore] = []

    def create(self) -> None:
        """Create the bucket or database; the host creates that of a 1.x by /write."""
        if self.major == 1 and self.config.get("write_api") != "v1":
            self._run_1x(f'CREATE DATABASE "{self.name}"')
        elif self.major == 2:
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
            self._run_1x(f'DROP DATABASE "{self.name}"')
        self._http.close()

    def open(
        self, site: str = SITE,
        now_unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000, **keep: int,
    ) -> InfluxStore:
        """Return a store of the database; it is closed with it."""
        self._stores.append(InfluxStore(self._store_config(keep=keep), site, now_unix_ms))
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

    def _run_1x(self, statement: str) -> None:
        self._http.request("POST", f"/query?{urlencode({'q': statement})}", b"", {})

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


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest) -> Iterator[InfluxDatabase]:
    """Yield a database of its own on each server that can be a store."""
    yield from _made(request)


@pytest.fixture(params=FEEDS)
def fed(request: pytest.FixtureRequest) -> Iterator[InfluxDatabase]:
    """Yield a database of its own on each server."""
    yield from _made(request)


def _made(request: pytest.FixtureRequest) -> Iterator[InfluxDatabase]:
    if request.param == "named":
        found = InfluxDatabase(_restart_named, **_NAMED)
    else:
        engine = request.getfixturevalue("influxd")
        more = {"url": engine.url, "write_api": "v1"}
        if request.param == "influx2":
            more = {"url": request.getfixturevalue("influx2").url, "token": TOKEN, "org": ORG}
        found = InfluxDatabase(engine.restart, **more)
    found.create()
    yield found
    found.remove()


def _restart_named() -> None:
    if not _RESTART:
        pytest.fail("IDROSERRA_TEST_INFLUX_RESTART names no command that kills and starts it")
    subprocess.run(_RESTART, shell=True, check=True)
