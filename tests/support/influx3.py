"""A stand-in for InfluxDB 3 Core: what a 3.9.6 answered.

It keeps its points in memory; an InfluxDB 1.6.7, if it is given one, selects from them.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from support.databases import Influxd

TOKEN = "apiv3_t0ken"
MOST_FILES = 432
_DAY_NS = 86_400 * 10**9
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]+)')
_LINE = re.compile(r'((?:[^ \\]|\\.)+) (.*) (\d+)', re.DOTALL)


class Influx3:
    """Serves on `url` until it is left. `points`: {(series, unix_ns): {field: value as text}}.

    `databases`: the days that each keeps, None for ever. `files`: those that a query reads."""

    def __init__(self, engine: Influxd | None = None) -> None:
        self.points: dict[tuple[str, int], dict[str, str]] = {}
        self.refused = 0
        self.databases: dict[str, int | None] = {}
        self.files = 0
        self._engine = engine
        self._types: dict[tuple[str, str], str] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            owner = self

            def do_GET(self) -> None:
                self._answer(*self.owner.get(*_parts(self.path), self.headers["Authorization"]))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                self._answer(*self.owner.post(
                    *_parts(self.path), body.decode(), self.headers["Authorization"]))

            def do_DELETE(self) -> None:
                path, query = _parts(self.path)
                self.owner.databases.pop(query["db"])
                self._answer(200, {})

            def _answer(self, status: int, content: Any) -> None:
                body = b"" if content is None else json.dumps(content).encode()
                self.send_response(status)
                if status == 200:
                    self.send_header("x-influxdb-version", "3.9.6")
                    self.send_header("x-influxdb-build", "Core")
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def get(
        self, path: str, query: dict[str, str], authorization: str | None
    ) -> tuple[int, Any]:
        """Return the answer to GET."""
        if not self._knows(authorization):
            return 401, {"error": "the request was not authenticated"}
        if path == "/ping":
            return 200, {"product_name": "InfluxDB 3 Core", "version": "3.9.6"}
        if path == "/query":
            return 200, {"results": [
                {"statement_id": number, **self._result(text, query)}
                for number, text in enumerate(query["q"].split(";"))]}
        return 404, {"error": "not found"}

    def post(
        self, path: str, query: dict[str, str], body: str, authorization: str | None
    ) -> tuple[int, Any]:
        """Return the answer to POST."""
        if path == "/query":
            return self.get(path, query, authorization)
        if path == "/api/v3/configure/database" and self._knows(authorization):
            wanted = json.loads(body)
            days = wanted.get("retention_period", "").removesuffix("d")
            self.databases[wanted["db"]] = int(days) if days else None
            return 200, {}
        return self.write(body, authorization, query.get("bucket", "farm"))

    def write(
        self, body: str, authorization: str | None, database: str = "farm"
    ) -> tuple[int, Any]:
        """Take all lines of a body, or none; drop silently what is too old."""
        if not self._knows(authorization):
            return 401, {"error": "the request was not authenticated"}
        taken = []
        types = dict(self._types)
        for line in body.split("\n"):
            found = _LINE.fullmatch(line)
            fields = {} if found is None else dict(_FIELD.findall(found[2]))
            if found is None or not fields:
                return self._refuse("No fields were provided")
            for key, value in fields.items():
                kind = ("string" if value.startswith('"') else
                        "integer" if value.endswith("i") else "float")
                known = types.setdefault((found[1].partition(",")[0], key), kind)
                if known != kind:
                    return self._refuse(
                        f"invalid column type for column '{key}', expected"
                        f" iox::column_type::field::{known}, got iox::column_type::field::{kind}")
            taken.append(((found[1], int(found[3])), fields))
        self._types = types
        days = self.databases.setdefault(database, None)
        for key, fields in taken:
            if days is None or key[1] >= time.time_ns() - days * _DAY_NS:
                self.points.setdefault(key, {}).update(fields)
        return 204, None

    def _result(self, text: str, query: dict[str, str]) -> dict[str, Any]:
        """Return the result of a statement, without its number."""
        verb, database = text.partition(" ")[0], query["db"]
        if verb not in ("SELECT", "SHOW", "DELETE"):
            return {"error": f"error in InfluxQL statement: parsing error: {text}"}
        if verb == "DELETE":
            return {"error": "datafusion error: This feature is not implemented: DELETE"}
        if database not in self.databases:
            return {"error": "Cannot retrieve database: External error: database not found:"
                             f" {database}"}
        if self.files >= MOST_FILES:
            return {"error": f"datafusion error: External error: Query would scan {self.files}"
                             " Parquet files, exceeding the file limit. Upgrade to Enterprise."}
        if text.startswith("SHOW RETENTION POLICIES"):
            days = self.databases[database]
            return {"series": [{
                "columns": ["name", "duration", "default"],
                "values": [[database, f"{24 * days}h0m0s" if days else "0s", True]]}]}
        if text.startswith("SHOW TAG VALUES"):
            return self._tag_values(text)
        return self._selected(text, query)

    def _tag_values(self, text: str) -> dict[str, Any]:
        """Return the values of a tag: without a time, those of the last 24 hours."""
        measurement, key, wanted = re.findall(
            r"FROM (\w+) WITH KEY = (\w+)(?: WHERE (.+))?", text)[0]
        assert wanted in ("", "time >= 0"), text
        since_ns = 0 if wanted else time.time_ns() - _DAY_NS
        values = {re.findall(rf",{key}=([^,]+)", series)[0] for series, at_ns in self.points
                  if at_ns >= since_ns and series.startswith(f"{measurement},")}
        rows = [[key, value] for value in sorted(values)]
        return {"series": [{"name": measurement, "columns": ["key", "value"],
                            "values": rows}]} if rows else {}

    def _selected(self, text: str, query: dict[str, str]) -> dict[str, Any]:
        """Return what an InfluxDB 1.6.7 selects from the points."""
        assert self._engine is not None
        self._engine.run("DROP DATABASE copied")
        self._engine.run("CREATE DATABASE copied")
        self._engine.write("\n".join(
            f"{series} {','.join(f'{key}={value}' for key, value in fields.items())} {at_ns}"
            for (series, at_ns), fields in self.points.items()), "copied")
        answer = json.loads(self._engine.get(
            "/query", {"db": "copied", "q": text, "epoch": query.get("epoch", "ns")}))
        series = answer["results"][0].get("series")
        return {"series": series} if series else {}

    def _refuse(self, why: str) -> tuple[int, Any]:
        self.refused += 1
        return 400, {"code": "invalid",
                     "message": f"write buffer error: line protocol parse failed: {why}"}

    @staticmethod
    def _knows(authorization: str | None) -> bool:
        return authorization in (f"Token {TOKEN}", f"Bearer {TOKEN}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _parts(path: str) -> tuple[str, dict[str, str]]:
    """Return a path, and its query as {key: value}."""
    parts = urlsplit(path)
    return parts.path, {key: values[-1] for key, values in parse_qs(parts.query).items()}
