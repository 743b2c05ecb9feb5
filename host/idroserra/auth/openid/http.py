"""Requests to an OpenID provider: TLS verified, no redirects, bounded in time and size."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from idroserra.auth.openid.errors import ProviderUnavailable

CONNECT_S = 5.0
ANSWER_S = 10.0  # from the request to the last byte of its answer
MAX_ANSWER_BYTES = 512 * 1_024


class Answer(NamedTuple):
    """An answer. date: its header, "" without one."""

    status: int
    content: bytes
    date: str


class ProviderHttp:
    """The connection to a provider; each request has its own."""

    def __init__(self, ca_file: Path | None, answer_s: float = ANSWER_S) -> None:
        """`ca_file` verifies the provider; None: the CAs of the system. Raises OSError."""
        self._context = ssl.create_default_context(cafile=ca_file)
        self._answer_s = answer_s

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET. Raises ProviderUnavailable."""
        return self._call("GET", url, None, headers or {})

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Return the answer to a form. Raises ProviderUnavailable."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._call("POST", url, urlencode(form), {**kind, **headers})

    def _call(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> Answer:
        parts = urlsplit(url)
        where, path = parts.netloc, parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        connection = (
            http.client.HTTPSConnection(where, timeout=CONNECT_S, context=self._context)
            if parts.scheme == "https" else http.client.HTTPConnection(where, timeout=CONNECT_S))
        try:
            connection.connect()
            # A time limit of the socket is for each read: a slow sender would never meet it.
            late = threading.Timer(self._answer_s, _cut, [connection.sock])
            late.start()
            try:
                connection.request(method, path, body, {"Accept": "application/json", **headers})
                answer = connection.getresponse()
                content = answer.read(MAX_ANSWER_BYTES + 1)
            finally:
                late.cancel()
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ProviderUnavailable(f"{where}: {why}"[:200]) from None
        finally:
            connection.close()
        if len(content) > MAX_ANSWER_BYTES:
            raise ProviderUnavailable(f"{where}: answers with more than {MAX_ANSWER_BYTES} bytes")
        if answer.length:
            raise ProviderUnavailable(f"{where}: the answer was cut off")
        return Answer(answer.status, content, answer.getheader("Date") or "")


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        # SSLSocket.shutdown() also drops TLS: a read after it would take what is not encrypted.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
