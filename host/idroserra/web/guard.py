"""What every request and answer passes: who may ask, how big, and the headers of the answer.

The page has no log-in yet and listens on loopback only, so the guard is against other web pages in
the same browser: a foreign Origin, and a foreign Host (DNS rebinding).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idroserra.config import is_loopback

MAX_BODY_BYTES = 65_536
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware; put it outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the answer's headers set."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = _refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, _limited(receive), send_with_headers)


class BodyTooLarge(Exception):
    """The body of a request grew beyond MAX_BODY_BYTES while it came in."""


def too_large() -> JSONResponse:
    """Return the refusal of a body beyond the limit."""
    return JSONResponse({"error": f"body: at most {MAX_BODY_BYTES} bytes"}, 413)


def _limited(receive: Receive) -> Receive:
    got_bytes = 0

    async def limited() -> Message:
        nonlocal got_bytes
        message = await receive()
        got_bytes += len(message.get("body", b""))
        if got_bytes > MAX_BODY_BYTES:
            raise BodyTooLarge
        return message

    return limited


def _refusal(method: str, headers: Headers) -> JSONResponse | None:
    host = headers.get("host", "")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        why = "Host: only localhost and loopback addresses; let a proxy set Host to localhost"
        return JSONResponse({"error": why}, 403)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return too_large()
    if method in SAFE_METHODS:
        return None
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return JSONResponse({"error": "Origin: another site may not ask for this"}, 403)
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return JSONResponse({"error": "Sec-Fetch-Site: another site may not ask for this"}, 403)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return JSONResponse({"error": "Content-Type: application/json needed"}, 415)
    return None
