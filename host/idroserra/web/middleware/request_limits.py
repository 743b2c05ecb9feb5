"""Middleware: limits the requests in progress that read, for each client and in total.

A client that opens many live streams, or that does not read its answers, takes its own share only.
A request that changes something is never refused here, apart from uploads: it is short, and a stop
is among them.
"""

from __future__ import annotations

from collections import Counter

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from idroserra.auth.identity import current_identity
from idroserra.web.middleware.authentication import address_of
from idroserra.web.middleware.security import SAFE_METHODS, is_upload

STREAM_PATH = "/api/live"
# Streams, and as many other requests, of one user or token; without a log-in, of one address.
MOST_PER_CLIENT = 60
MOST_READING = 500  # fewer than connections, which leaves some for requests that change something
RETRY_S = 5


class RequestLimits:
    """ASGI middleware; must be behind AuthMiddleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.in_progress: Counter[tuple[str, bool]] = Counter()  # by client, of streams or others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or count it until it has been answered."""
        if scope["type"] != "http" or (
                scope["method"] not in SAFE_METHODS and not is_upload(scope)):
            await self._app(scope, receive, send)
            return
        key = _client_of(scope), scope["path"] == STREAM_PATH
        if self.in_progress[key] >= MOST_PER_CLIENT:
            await _refusal(429, "too many requests of yours are in progress")(scope, receive, send)
            return
        if self.in_progress.total() >= MOST_READING:
            await _refusal(503, "the host has too many requests in progress")(scope, receive, send)
            return
        self.in_progress[key] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.in_progress[key] -= 1
            if not self.in_progress[key]:
                del self.in_progress[key]


def _client_of(scope: Scope) -> str:
    who = current_identity()
    return f"address {address_of(scope)}" if who is None else f"{who.kind} {who.name}"


def _refusal(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": f"{why}: try again in {RETRY_S} s"}, status,
                        {"Retry-After": str(RETRY_S)})
