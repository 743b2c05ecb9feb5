"""Middleware: Host check, CSRF protection, body limit, security headers.

The Host check prevents DNS rebinding, the Origin check cross-site requests. A request that changes
something and has a cookie needs Origin or Sec-Fetch-Site; together with SameSite=Strict that is
the whole CSRF protection. Authentication follows in AuthMiddleware.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idroserra.core.hostnames import check_name, is_loopback
from idroserra.journal.photos import MOST_UPLOAD_BYTES, UPLOAD_TYPES
from idroserra.updates.release import MOST_PACKED_BYTES, PACKED_TYPE

if TYPE_CHECKING:
    from idroserra.pki.site_https import SiteHttps

MAX_BODY_BYTES = 65_536


class _Upload(NamedTuple):
    """A route that accepts other types than JSON and reads the body as a stream."""

    path: re.Pattern[str]
    types: tuple[str, ...]
    most_bytes: int


_UPLOADS = (
    _Upload(re.compile(r"/api/journal/[^/]+/photos"), tuple(UPLOAD_TYPES), MOST_UPLOAD_BYTES),
    _Upload(re.compile(r"/api/updates/releases"), (PACKED_TYPE,), MOST_PACKED_BYTES),
)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'; img-src 'self' blob:"),  # blob: previews of photos
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# 30 days, on the site's network: a browser then never speaks plain HTTP to this name, and never
# offers to ignore a wrong certificate. No longer, so that a name can leave a lost host.
HSTS = "max-age=2592000"


class SecurityMiddleware:
    """ASGI middleware; must be the outermost."""

    def __init__(
        self, app: ASGIApp, public_url: str | None = None, site_https: SiteHttps | None = None
    ) -> None:
        """`public_url` is the address of the page behind a proxy on this machine; `site_https` is
        the page on the site's network."""
        self._app = app
        self._public_url = public_url
        self._site_https = site_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on; set the security headers of the response."""
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            on_lan = self._is_on_lan(scope["server"])
            if (self._host_refusal(headers.get("host", ""), on_lan=on_lan)
                    or headers.get("origin") not in self._own_origins(headers, on_lan=on_lan)):
                await send({"type": "websocket.close", "code": 1008})
                return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        on_lan = self._is_on_lan(scope["server"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if on_lan:
                    headers["Strict-Transport-Security"] = HSTS
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        upload = _upload_at(scope["method"], scope["path"])
        refusal = self._refusal(scope["method"], Headers(scope=scope), upload, on_lan=on_lan)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        if scope["method"] in SAFE_METHODS or upload is not None:
            await self._app(scope, receive, send_with_headers)
            return
        body = await _whole_body(receive)
        if body is None:
            await _too_large(MAX_BODY_BYTES)(scope, receive, send_with_headers)
            return
        await self._app(scope, _replay(body, receive), send_with_headers)

    def _refusal(
        self, method: str, headers: Headers, upload: _Upload | None, *, on_lan: bool
    ) -> JSONResponse | None:
        host = headers.get("host", "")
        why = self._host_refusal(host, on_lan=on_lan)
        if why:
            return JSONResponse({"error": f"Host: {why}"}, 403)
        length = headers.get("content-length", "0")
        most_bytes = MAX_BODY_BYTES if upload is None else upload.most_bytes
        if not length.isdecimal() or int(length) > most_bytes:
            return _too_large(most_bytes)
        if method in SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and origin not in self._own_origins(headers, on_lan=on_lan):
            return JSONResponse({"error": "Origin: requests from other sites are refused"}, 403)
        if origin is None and "cookie" in headers and "sec-fetch-site" not in headers:
            return JSONResponse({"error": "Origin: needed with a cookie"}, 403)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            why = "Sec-Fetch-Site: requests from other sites are refused"
            return JSONResponse({"error": why}, 403)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        taken = ("application/json", *(() if upload is None else upload.types))
        if kind not in taken:
            return JSONResponse({"error": f"Content-Type: {' or '.join(taken)} needed"}, 415)
        return None

    def _own_origins(self, headers: Headers, *, on_lan: bool) -> tuple[str | None, ...]:
        """Return the origins of this page."""
        host = headers.get("host", "")
        if on_lan:  # TLS only: anybody on the network can write a page of plain HTTP
            return (f"https://{host}",)
        return (f"http://{host}", f"https://{host}", *filter(None, (self._public_url,)))

    def _is_on_lan(self, server: tuple[str, int | None] | None) -> bool:
        """Whether a request came to the port of the site's network, which speaks TLS only."""
        lan = self._site_https
        return lan is not None and server is not None and server[1] == lan.port

    def _host_refusal(self, host: str, *, on_lan: bool) -> str:
        """Return why a Host header is refused, "" if it is accepted."""
        name = _name_of(host)
        lan = self._site_https
        if on_lan and lan is not None:
            if name in lan.names:
                return ""
            return f"{name[:60]!r} is not a name of this host: add it to lan.names"
        public_host = (self._public_url or "").partition("://")[2]
        if is_loopback(name) or host.lower() == public_host:
            return ""
        return "only localhost, loopback addresses and the host of http.public_url are accepted"


def is_upload(scope: Scope) -> bool:
    """Whether a request is one whose body is read as a stream."""
    return _upload_at(scope["method"], scope["path"]) is not None


def _upload_at(method: str, path: str) -> _Upload | None:
    found = (one for one in _UPLOADS if one.path.fullmatch(path))
    return next(found, None) if method == "POST" else None


def _name_of(host: str) -> str:
    """Return the normalized name or address of a Host header, "" if it is invalid."""
    try:
        return check_name(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return ""


async def _whole_body(receive: Receive) -> bytes | None:
    """Return the body of a request, None if it exceeds MAX_BODY_BYTES."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= MAX_BODY_BYTES else None
    return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive() that returns `body` first."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_replayed() -> Message:
        return pending.pop() if pending else await receive()

    return receive_replayed


def _too_large(most_bytes: int) -> JSONResponse:
    return JSONResponse({"error": f"body: at most {most_bytes} bytes"}, 413)
