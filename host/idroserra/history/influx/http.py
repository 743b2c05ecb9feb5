"""HTTP client of the database with one persistent connection, for what influxdb-client cannot do.

- `/query`: InfluxQL, to read history, to delete marks of late readings, and to set up a 1.x. The
  client speaks Flux only; its deletes take spans of time, and have been tried on no server.
- `/write` of a 1.x: the client writes to `/api/v2/write` only.
- `/ping` before it is known which database answers; some have their version in the body only.
- `/-/healthy` and `/metrics` of VictoriaMetrics.

An error becomes StoreRejected if the content causes it (400, 413, 422), else StoreUnavailable
(5xx, 401 to 404, 429 and connection errors): a retry of the same content may succeed.
"""

from __future__ import annotations

import http.client
import json
import threading
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from idroserra.core.config import DatabaseConfig, StoreConfig
from idroserra.core.errors import StoreError, StoreRejected, StoreUnavailable

Answer = tuple[int, http.client.HTTPMessage, bytes]  # status, headers, body

LOOK_MS = 2_000  # the host does not wait longer for it at its start

_REJECTING = (400, 413, 422)
NO_DATABASE = "the response is not from a database"  # but of a proxy, say
_ADVICE = {
    401: "; check its token, or user and password, and the permissions that docs/store.md lists",
    403: "; docs/store.md lists the permissions that are needed",
    404: "; check its url and database: docs/store.md tells how to create that of the store, and"
         " a token needs read and write on it",
}


class Http:
    """A persistent connection, opened on demand. Thread-safe; requests are serialised."""

    def __init__(self, config: DatabaseConfig) -> None:
        parts = urlsplit(config.url)
        self._url = config.url
        self._base = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else (
            http.client.HTTPConnection)
        timeout_s = config.timeout_ms / 1_000
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        self._authorization = _authorization(config)
        self._lock = threading.Lock()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        expected: int | None = None,
    ) -> bytes:
        """Return the body of the response. Raises StoreUnavailable, StoreRejected.

        expected: the only status that is a success; None: any 2xx."""
        status, _, answer = self._answer(method, path, body, headers)
        if status // 100 != 2 or expected not in (None, status):
            raise refusal(self._url, status, answer)
        return answer

    def version(self) -> str:
        """Return the server's version from /ping, such as 1.6.7. Raises StoreUnavailable."""
        _, headers, answer = self.get("/ping")
        version = headers.get("X-Influxdb-Version")
        if version is None:
            try:
                version = str(json.loads(answer)["version"])
            except (ValueError, KeyError, TypeError):
                raise StoreUnavailable(f"{self._url}: /ping has no version of InfluxDB") from None
        return version.lstrip("v")

    def get(self, path: str) -> Answer:
        """Return status, headers and body of a GET. Raises StoreUnavailable."""
        return self._answer("GET", path, None, {})

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        with self._lock:
            was_open = self._connection.sock is not None
            try:
                return self._ask(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if not was_open or isinstance(error, TimeoutError):
                    raise StoreUnavailable(f"{self._url}: {error}") from error
            try:  # The server may have closed an idle connection: retry on a new one.
                return self._ask(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise StoreUnavailable(f"{self._url}: {error}") from error

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        with suppress(BrokenPipeError):  # its answer says why it reads no more, such as 413
            self._connection.request(
                method, self._base + path, body, {**self._authorization, **headers})
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def refusal(url: str, status: int, answer: str | bytes) -> StoreError:
    """Return the error for an unsuccessful response."""
    try:
        content: Any = json.loads(answer)
        text = one_line(str(content.get("error") or content.get("message") or content))
    except (ValueError, AttributeError):
        text = NO_DATABASE
    why = f"{url}: HTTP {status}: {text}{_ADVICE.get(status, '')}"
    return StoreRejected(why) if status in _REJECTING else StoreUnavailable(why)


def one_line(text: str) -> str:
    """Return the first characters of a text of the database in one line."""
    return " ".join(text[:2_000].split())[:300]


def _authorization(config: DatabaseConfig) -> dict[str, str]:
    if config.token is not None:
        return {"Authorization": f"Token {config.token.get_secret_value()}"}
    if config.user is None:
        return {}
    password = "" if config.password is None else config.password.get_secret_value()
    basic = b64encode(f"{config.user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {basic}"}


def why_no_store(config: StoreConfig) -> str | None:
    """Return why the database at the address cannot be the store, and what to write instead; None
    if it can. Raises StoreUnavailable if none answers."""
    with closing(Http(replace(config, timeout_ms=min(config.timeout_ms, LOOK_MS)))) as http:
        name, engine = _unsuitable(http, config.url)
    if not name:
        return None
    return (f"{config.url} is {engine}, which cannot draw the history: remove [store], or name an"
            f" InfluxDB 1 or 2 there, and feed this one beside it.\n\n[[feed]]\n"
            f'name = "{name}"\nurl = "{config.url}"\ndatabase = "{config.database}"')


def _unsuitable(http: Http, url: str) -> tuple[str, str]:
    """Return a name for a feed and that of the database, ("", "") for one that can be a store."""
    status, _, body = http.get("/-/healthy")
    if status >= 500:
        raise StoreUnavailable(f"{url}: HTTP {status}")  # of a proxy
    if b"VictoriaMetrics" in body:
        return "victoria", "VictoriaMetrics"
    with suppress(StoreUnavailable):  # a proxy that does not pass /ping on
        if http.version().startswith("3."):
            return "influx3", "InfluxDB 3"
    return "", ""
