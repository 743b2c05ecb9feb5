"""One bounded request for the state of another host: GET /api/status with its token.

No redirect is followed, so that the token goes to the configured address only. Whatever the other
side sends, the answer takes DEADLINE_S and MOST_BYTES at most, headers included.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from idroserra.core.config import OtherHostConfig
from idroserra.core.reasons import Reason
from idroserra.other_hosts.status import Status, UnreadableStatus, read_status

PATH = "/api/status"
CONNECT_S = 5.0
DEADLINE_S = 10.0
MOST_BYTES = 262_144
_MOST_TOKEN_CHARS = 400


class NoStatus(Exception):
    """Another host gave no status: the reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def ask_status(config: OtherHostConfig, deadline_s: float = DEADLINE_S) -> Status:
    """Return the state of a host. Raises NoStatus."""
    try:
        status, body = _answer(config, deadline_s)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoStatus(_reason_of(error, config, deadline_s)) from None
    if status == 401:
        raise NoStatus(Reason("other_token_refused"))
    if status != 200:
        why = _error_in(body)
        if status == 404 and why:
            raise NoStatus(Reason("other_too_old"))
        raise _unread(f"HTTP {status}: {why}" if why else f"HTTP {status}")
    try:
        return read_status(body)
    except UnreadableStatus as error:
        raise _unread(str(error)) from None


def _answer(config: OtherHostConfig, deadline_s: float) -> tuple[int, bytes]:
    """Return the HTTP status and the body.

    Raises NoStatus, OSError, ValueError, HTTPException."""
    headers = {"Authorization": f"Bearer {_token(config)}", "Accept": "application/json",
               "Accept-Language": "en", "Connection": "close"}
    connection = _connection(config)
    try:
        connection.connect()
        connection.request("GET", PATH, headers=headers)
        source: Any = _Bounded(connection.sock, deadline_s)
        with http.client.HTTPResponse(source, method="GET") as response:
            response.begin()
            # As much memory is reserved as is asked for: not what the other side says.
            body = response.read(MOST_BYTES)
            if response.length:
                raise http.client.IncompleteRead(body)
            return response.status, body
    finally:
        connection.close()


class _Bounded(io.RawIOBase):
    """What a socket receives, until a deadline and up to MOST_BYTES."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        super().__init__()
        self._socket = sock
        self._ends_s = time.monotonic() + deadline_s
        self._left_bytes = MOST_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reader for an HTTPResponse."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is. Raises NoStatus, OSError."""
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        count = self._socket.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise _unread(f"more than {MOST_BYTES // 1_024} KiB")
        return count


def _token(config: OtherHostConfig) -> str:
    """Return the token. It is read for each request, so that it can be replaced."""
    try:
        token = config.token_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise NoStatus(Reason("other_token_unread", detail=why)) from None
    is_line = token.isascii() and token.isprintable() and " " not in token
    if not is_line or not 0 < len(token) <= _MOST_TOKEN_CHARS:
        raise NoStatus(Reason("other_token_unread", detail="not one line with a token"))
    return token


def _connection(config: OtherHostConfig) -> http.client.HTTPConnection:
    parts = urlsplit(config.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)
    try:
        context = _system_trust() if config.ca_file is None else ssl.create_default_context(
            cafile=str(config.ca_file))
    except OSError as error:
        why = f"{config.ca_file}: {_why(error)}"
        raise NoStatus(Reason("other_certificate", detail=why)) from None
    return http.client.HTTPSConnection(host, parts.port, timeout=CONNECT_S, context=context)


@cache
def _system_trust() -> ssl.SSLContext:
    """Return the context of the system's CA certificates, of which there are many to read."""
    return ssl.create_default_context()


def _reason_of(error: Exception, config: OtherHostConfig, deadline_s: float) -> Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason("other_certificate", detail=error.verify_message)
    if isinstance(error, socket.gaierror):
        return Reason("other_name_unknown", service=urlsplit(config.url).hostname or "")
    if isinstance(error, TimeoutError):
        return Reason("other_silent", for_ms=round(deadline_s * 1_000))
    if isinstance(error, OSError):
        return Reason("other_unreachable", detail=_why(error))
    return Reason("other_unread", detail=type(error).__name__)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason}"
    return error.strerror or str(error) or type(error).__name__


def _unread(detail: str) -> NoStatus:
    return NoStatus(Reason("other_unread", detail=detail))


def _error_in(body: bytes) -> str:
    """Return the error of a host's answer, "" if it is not one of a host."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    return " ".join(error[:200].split()) if isinstance(error, str) else ""
