"""Sends line protocol to a database: by influxdb-client, or to /write of a 1.x by bare HTTP."""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from idroserra.core.config import DatabaseConfig
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.history.influx.http import Http

_GZIP_LEVEL = 1
_GZIP_FROM_BYTES = 1_024
NO_DATABASE_YET = "HTTP 404: database not found"  # of a 1.x


class Lines(ABC):
    """Lines to one database over one kept connection. Not thread-safe."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._config = config
        self._is_here = urlsplit(config.url).hostname in ("127.0.0.1", "::1", "localhost")

    def send(self, lines: bytes) -> None:
        """Write lines, packed unless the server is local. Raises StoreUnavailable,
        StoreRejected."""
        if self._is_here or len(lines) < _GZIP_FROM_BYTES:
            body, encoding = lines, ""
        else:
            body, encoding = gzip.compress(lines, _GZIP_LEVEL), "gzip"
        self._post(body, encoding, 204)  # a proxy answers 200 with a page

    def check(self) -> None:
        """Write nothing. Raises StoreUnavailable if the database would not take lines."""
        with suppress(StoreRejected):  # a 2.x wants lines; it has checked bucket and token before
            self._post(b"", "", None)

    @abstractmethod
    def close(self) -> None:
        """Close the connection; it is opened again on demand."""

    @abstractmethod
    def _post(self, body: bytes, encoding: str, expected: int | None) -> None:
        """Send a body. expected: the only status that is a success; None: any 2xx."""


class BareLines(Lines):
    """Lines to /write of a 1.x, whose database it creates if the write finds none."""

    def __init__(self, config: DatabaseConfig) -> None:
        super().__init__(config)
        self._http = Http(config)
        self._path = "/write?" + urlencode({"db": config.database, "precision": "n"})

    def send(self, lines: bytes) -> None:
        """Write lines. Raises StoreUnavailable, StoreRejected."""
        try:
            super().send(lines)
        except StoreUnavailable as error:
            if NO_DATABASE_YET not in error.why:
                raise
            query = urlencode({"q": f'CREATE DATABASE "{self._config.database}"'})
            self._http.request("POST", f"/query?{query}", b"", {})
            super().send(lines)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, body: bytes, encoding: str, expected: int | None) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if encoding:
            headers["Content-Encoding"] = encoding
        self._http.request("POST", self._path, body, headers, expected)
