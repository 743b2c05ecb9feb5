"""A stand-in for InfluxDB 3 Core: what a 3.9.6 answers to writes and to /ping."""

from __future__ import annotations

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "apiv3_t0ken"
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]+)')
_LINE = re.compile(r'((?:[^ \\]|\\.)+) (.*) (\d+)', re.DOTALL)


class Influx3:
    """Serves on `url` until it is left. `points`: {(series, unix_ns): {field: value as text}}."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], dict[str, str]] = {}
        self.refused = 0
        self._types: dict[tuple[str, str], str] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            owner = self

            def do_GET(self) -> None:
                self._answer(*self.owner.get(self.path, self.headers["Authorization"]))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                self._answer(*self.owner.write(body.decode(), self.headers["Authorization"]))

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

    def get(self, path: str, authorization: str | None) -> tuple[int, Any]:
        """Return the answer to GET."""
        if not self._knows(authorization):
            return 401, {"error": "the request was not authenticated"}
        if path == "/ping":
            return 200, {"product_name": "InfluxDB 3 Core", "version": "3.9.6"}
        return 404, {"error": "not found"}

    def write(self, body: str, authorization: str | None) -> tuple[int, Any]:
        """Take all lines of a body, or none."""
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
        for key, fields in taken:
            self.points.setdefault(key, {}).update(fields)
        return 204, None

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
