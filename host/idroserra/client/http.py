"""HTTP client of a running host's API, for the command line."""

from __future__ import annotations

import http.client
import io
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from idroserra.auth.local_token import local_ports, token_for
from idroserra.core.errors import ConfigError, HostError
from idroserra.core.hostnames import is_loopback
from idroserra.core.terminal_text import printable_json, printable_lines
from idroserra.i18n.environment import terminal_locale

TOKEN_VARIABLE = "IDROSERRA_TOKEN"
DEFAULT_URL = ""  # the host that runs on this machine
FIRST_PORT = 8080  # of a host whose configuration names no other
PROBE_S = 2.0
REALM = 'realm="idroserra"'  # of a host's answer without a token
TIMEOUT_S = 10.0
LINES_TIMEOUT_S = 120.0  # exports of history may be slow
STREAM_TIMEOUT_S = 15.0  # the host sends a heartbeat after 5 s of silence
_FORMS = (OSError, TimeoutError, ValueError)


def url_of_host(preferred: int | None = None) -> str:
    """Return the URL of the host that this user runs on this machine, such as a demo on a port of
    its own; of several, the one on the preferred port (FIRST_PORT). Without one, that port.

    A host of another user, such as a service, is found on the preferred port only: beside it this
    user's own is not chosen. Raises ConfigError if one must be named."""
    preferred = FIRST_PORT if preferred is None else preferred
    ports = local_ports()
    if not ports or preferred in ports:
        return _at(preferred)
    if _may_be_host(preferred):
        ports.insert(0, preferred)
    if len(ports) > 1:
        urls = ", ".join(map(_at, ports))
        raise ConfigError("command line", "--url", f"several hosts run here, name one of {urls}")
    return _at(ports[0])


def _at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _may_be_host(port: int) -> bool:
    """Return whether an Idroserra host, or a program that does not answer, listens on a port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_S)
    try:
        connection.request("GET", "/api/health")  # without a token
        return REALM in connection.getresponse().getheader("WWW-Authenticate", "")
    except TimeoutError:
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class HostUnreachable(HostError):
    """No host answers at the URL."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"no host answers at {url} ({why}): start one with `idroserra serve`, or set --url")


class HostRefused(HostError):
    """The host refused the request: the HTTP status and the reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.exit_code = 2 if status == 422 else 1  # 422: invalid arguments


class HostClient:
    """Requests and the live stream. Raises ConfigError, HostUnreachable and HostRefused.

    Texts of its answers are safe to print (core.terminal_text); downloads and lines are not.
    It authenticates with the token in IDROSERRA_TOKEN, or else with the local token of a host of
    the same user on this machine."""

    def __init__(self, url: str = DEFAULT_URL) -> None:
        self._is_found = not url  # not given
        url = url or url_of_host()
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError(
                "command line", "--url", f"{url!r}: not a URL such as {_at(FIRST_PORT)}")
        self.url = url.rstrip("/")
        # Ignores HTTP_PROXY and the like.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def nodes(self) -> list[dict[str, Any]]:
        """Return the JSON of every node."""
        found: list[dict[str, Any]] = self.get("/api/nodes")["nodes"]
        return found

    def node(self, node: str) -> dict[str, Any]:
        """Return the JSON of one node."""
        return self.get(f"/api/nodes/{quote(node, safe='')}")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return the JSON answer to a GET."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON answer to a POST, PUT or DELETE with `body`."""
        self._say_which()
        return self._ask(method, path, json.dumps(body).encode())

    def download(self, path: str, **query: Any) -> bytes:
        """Return the body of a file download."""
        request = urllib.request.Request(
            f"{self.url}{path}?{urlencode(query)}", headers=self._headers)
        with self._open(request, LINES_TIMEOUT_S) as answer:
            try:
                content: bytes = answer.read()
            except (http.client.HTTPException, *_FORMS) as error:
                raise HostUnreachable(self.url, "the response is incomplete") from error
            return content

    def upload(self, path: str, content: bytes, content_type: str) -> dict[str, Any]:
        """Return the JSON answer to a POST of a file."""
        self._say_which()
        return self._ask("POST", path, content, content_type)

    def stream(self) -> Iterator[dict[str, Any]]:
        """Yield the messages of /api/live until the host ends the stream or is silent."""
        request = urllib.request.Request(f"{self.url}/api/live", headers=self._headers)
        with self._open(request, STREAM_TIMEOUT_S) as answer:
            try:
                for line in answer:
                    if line.startswith(b"data: "):
                        yield printable_json(json.loads(line[6:]))
            except _FORMS as error:
                raise HostUnreachable(self.url, str(error) or "silent") from error

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """Yield the lines of a response as they arrive, with their line ends.

        Raises HostUnreachable if the response is incomplete."""
        request = urllib.request.Request(
            f"{self.url}{path}?{urlencode(query)}", headers=self._headers)
        with self._open(request, LINES_TIMEOUT_S) as answer:
            try:
                yield from io.TextIOWrapper(answer, "utf-8", newline="")
            except (http.client.HTTPException, *_FORMS) as error:
                raise HostUnreachable(self.url, "the response is incomplete") from error

    def _say_which(self) -> None:
        """Print the URL of a host that was found, once, before something changes there."""
        if self._is_found:
            print(f"idroserra: host: {self.url}", file=sys.stderr)
            self._is_found = False

    @property
    def _headers(self) -> dict[str, str]:
        """Authorization and language. Read for each request: a restarted host has a new token."""
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token and is_loopback(urlsplit(self.url).hostname or ""):
            token = token_for(self.url) or ""
        language = {"Accept-Language": terminal_locale().language}
        return language | ({"Authorization": f"Bearer {token}"} if token else {})

    def _ask(
        self, method: str, path: str, body: bytes | None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}{path}", data=body, method=method,
            headers=self._headers | ({} if body is None else {"Content-Type": content_type}))
        with self._open(request, TIMEOUT_S) as answer:
            try:
                content: dict[str, Any] = printable_json(json.load(answer))
            except _FORMS as error:
                raise HostUnreachable(self.url, "the response is not from an Idroserra host"
                                      ) from error
            return content

    def _open(self, request: urllib.request.Request, timeout_s: float) -> Any:
        try:
            return self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            raise HostRefused(error.code, self._reason(error)) from error
        except urllib.error.URLError as error:
            why = getattr(error.reason, "strerror", None) or str(error.reason)
            raise HostUnreachable(self.url, why.lower()) from error
        except _FORMS as error:
            raise HostUnreachable(self.url, str(error) or "no answer") from error

    def _reason(self, error: urllib.error.HTTPError) -> str:
        if error.code != 401:
            try:
                return printable_lines(str(json.load(error)["error"]))
            except (ValueError, KeyError, TypeError, OSError):
                return f"the host answered {error.code} {error.reason}"
        if os.environ.get(TOKEN_VARIABLE, "").strip():
            return f"the token in {TOKEN_VARIABLE} is unknown to the host or revoked"
        return (f"{self.url}: authentication required: run this as the host's user, or set "
                f"{TOKEN_VARIABLE} to a token of `idroserra user token NAME --role ROLE`")
