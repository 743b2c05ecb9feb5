"""What influxdb-client carries: lines to /api/v2/write, and set-up and roll-ups of a 2.x.

It takes 0.2 s to import and 25 MB, so this module is imported where one of these is needed. The
client's errors become those of http.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from influxdb_client.client.flux_csv_parser import FluxCsvParserException, FluxQueryException
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError, ProtocolError

from idroserra.core.config import DatabaseConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.http import NO_DATABASE, one_line, refusal
from idroserra.history.influx.lines import Lines

# Without handlers the client sets one up at an error, with a prefix to each line of a command.
logging.basicConfig(format="%(message)s")


class ClientLines(Lines):
    """Lines to /api/v2/write of InfluxDB 1.8+, 2 and 3, and of VictoriaMetrics."""

    def __init__(self, config: DatabaseConfig) -> None:
        super().__init__(config)
        self._client = _client(config)
        self._service = WriteService(self._client.api_client)

    def close(self) -> None:
        """Close the connection."""
        self._client.api_client.rest_client.pool_manager.clear()  # its close() acts only once

    def _post(self, body: bytes, encoding: str, expected: int | None) -> None:
        with _mapped_errors(self._config.url):
            try:
                status, answer = self._write(body, encoding)
            except ProtocolError as error:
                if isinstance(_cause(error), TimeoutError):  # while it sent
                    raise
                # The server may have closed an idle connection: on a new one.
                status, answer = self._write(body, encoding)
        if expected not in (None, status):
            raise refusal(self._config.url, status, answer)

    def _write(self, body: bytes, encoding: str) -> tuple[int, bytes]:
        """Return status and body: WriteApi.write() does not, and packs at the highest level only.

        The client does not load the body: it would fail at one that is not UTF-8."""
        packed = {"content_encoding": encoding} if encoding else {}
        response = self._service.post_write(
            self._config.org, self._config.database, body, precision="ns",
            _preload_content=False, **packed)
        return response.status, response.data


@contextmanager
def client_v2(config: DatabaseConfig) -> Iterator[Any]:
    """Yield a client of a 2.x. Its errors become StoreUnavailable and StoreRejected."""
    with _mapped_errors(config.url), _client(config) as client:
        yield client


def _client(config: DatabaseConfig) -> Any:
    """Return a client, which connects on demand, repeats nothing and uses no proxy."""
    return InfluxDBClient(config.url.rstrip("/"), _token(config), org=config.org,
                          timeout=config.timeout_ms, retries=False)


@contextmanager
def _mapped_errors(url: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        if error.status:
            raise refusal(url, error.status, error.body) from error
        raise StoreUnavailable(f"{url}: {one_line(error.reason)}") from error  # of TLS
    except FluxQueryException as error:  # it failed after the status was sent
        raise StoreUnavailable(f"{url}: {one_line(error.message)}") from error
    except (HTTPError, OSError) as error:
        raise StoreUnavailable(f"{url}: {one_line(str(_cause(error)))}") from error
    except (FluxCsvParserException, LookupError, TypeError, ValueError) as error:
        raise StoreUnavailable(f"{url}: {NO_DATABASE}") from error  # the client trusts it


def _cause(error: BaseException) -> BaseException:
    """Return what the system said, without what urllib3 wraps around it."""
    inner = error.__cause__ or next(reversed(error.args), None)
    return _cause(inner) if isinstance(inner, BaseException) else error


def _token(config: DatabaseConfig) -> str:
    """Return the token; InfluxDB 1.8 accepts `user:password` instead."""
    if config.token is not None:
        return config.token.get_secret_value()
    if config.user is not None and config.password is not None:
        who = f"{config.user}:{config.password.get_secret_value()}"
        return who.encode().decode("latin-1")  # as which http.client encodes headers
    return ""
