"""HTTP client of the database with one persistent connection; influxdb-client sets up a 2.x.

An error becomes StoreRejected if the content causes it (400, 413, 422), else StoreUnavailable
(5xx, 401 to 404, 429 and connection errors): a retry of the same content may succeed.
"""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from idroserra.core.config import DatabaseConfig
from idroserra.core.errors import ConfigError, StoreError, StoreRejected, StoreUnavailable

Send = Callable[[bytes], None]
Answer = tuple[int, http.client.HTTPMessage, bytes]  # status, headers, body

_REJECTING = (400, 413, 422)
_GZIP_LEVEL = 1
_GZIP_FROM_BYTES = 1_024
_LINES = "text/plain; charset=utf-8"
_NO_DATABASE = "the response is not from a database"  # but of a proxy, say
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
                if not was_open:
                    raise StoreUnavailable(f"{self._url}: {error}") from error
            try:  # The server may have closed an idle connection: retry on a new one.
                return self._ask(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise StoreUnavailable(f"{self._url}: {error}") from error

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        self._connection.request(
            method, self._base + path, body, {**self._authorization, **headers})
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def sender(config: DatabaseConfig, connection: Http) -> Send:
    """Return a function that writes lines to /write (1.x) or /api/v2/write."""
    path, headers = _write_target(config)
    packed = _packer(config)

    def send(lines: bytes) -> None:
        body, encoding = packed(lines)
        encoded = {**headers, "Content-Encoding": encoding} if encoding else headers
        connection.request("POST", path, body, encoded, 204)  # a proxy answers 200 with a page

    return send


def check_write(config: DatabaseConfig, connection: Http) -> None:
    """Write nothing. Raises StoreUnavailable if the database would not take lines."""
    path, headers = _write_target(config)
    with suppress(StoreRejected):  # a 2.x wants lines; it has checked bucket and token before
        connection.request("POST", path, b"", headers)


@contextmanager
def client_v2(config: DatabaseConfig) -> Iterator[Any]:
    """Yield a client of influxdb-client. Raises ConfigError if that is not installed.

    Its errors become StoreUnavailable and StoreRejected."""
    try:
        from influxdb_client.client.flux_csv_parser import (
            FluxCsvParserException,
            FluxQueryException,
        )
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError
    except ImportError:
        raise ConfigError(
            "store", "url", 'InfluxDB 2 needs influxdb-client: pip install "idroserra[influx]"'
        ) from None
    try:
        with InfluxDBClient(config.url, _token(config), org=config.org,
                            timeout=config.timeout_ms) as client:
            yield client
    except ApiException as error:
        if error.status:
            raise refusal(config.url, error.status, error.body) from error
        raise StoreUnavailable(f"{config.url}: {one_line(error.reason)}") from error  # of TLS
    except FluxQueryException as error:  # it failed after the status was sent
        raise StoreUnavailable(f"{config.url}: {one_line(error.message)}") from error
    except (HTTPError, OSError) as error:
        raise StoreUnavailable(f"{config.url}: {one_line(str(error))}") from error
    except (FluxCsvParserException, LookupError, TypeError, ValueError) as error:
        raise StoreUnavailable(f"{config.url}: {_NO_DATABASE}") from error  # the client trusts it


def refusal(url: str, status: int, answer: str | bytes) -> StoreError:
    """Return the error for an unsuccessful response."""
    try:
        content: Any = json.loads(answer)
        text = one_line(str(content.get("error") or content.get("message") or content))
    except (ValueError, AttributeError):
        text = _NO_DATABASE
    why = f"{url}: HTTP {status}: {text}{_ADVICE.get(status, '')}"
    return StoreRejected(why) if status in _REJECTING else StoreUnavailable(why)


def one_line(text: str) -> str:
    """Return the first characters of a text of the database in one line."""
    return " ".join(text[:2_000].split())[:300]


def _write_target(config: DatabaseConfig) -> tuple[str, dict[str, str]]:
    """Return path and headers of a write to /write (1.x) or /api/v2/write."""
    headers = {"Content-Type": _LINES}
    if config.write_api == "v1":
        return "/write?" + urlencode({"db": config.database, "precision": "n"}), headers
    token = _token(config)
    if token:
        headers["Authorization"] = f"Token {token}"
    query = {"org": config.org, "bucket": config.database, "precision": "ns"}
    return "/api/v2/write?" + urlencode(query), headers


def _packer(config: DatabaseConfig) -> Callable[[bytes], tuple[bytes, str]]:
    """Return a function from lines to (body, encoding): gzip, except for a local server."""
    is_here = urlsplit(config.url).hostname in ("127.0.0.1", "::1", "localhost")

    def packed(lines: bytes) -> tuple[bytes, str]:
        if is_here or len(lines) < _GZIP_FROM_BYTES:
            return lines, ""
        return gzip.compress(lines, _GZIP_LEVEL), "gzip"

    return packed


def _token(config: DatabaseConfig) -> str:
    """Return the token; InfluxDB 1.8 accepts `user:password` instead."""
    if config.token is not None:
        return config.token.get_secret_value()
    if config.user is not None and config.password is not None:
        return f"{config.user}:{config.password.get_secret_value()}"
    return ""


def _authorization(config: DatabaseConfig) -> dict[str, str]:
    if config.token is not None:
        return {"Authorization": f"Token {config.token.get_secret_value()}"}
    if config.user is None:
        return {}
    password = "" if config.password is None else config.password.get_secret_value()
    basic = b64encode(f"{config.user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {basic}"}
