"""The web server: uvicorn, which on its way out lets the open live streams finish."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

GRACE_S = 5


class WebServer(uvicorn.Server):
    """run() serves until a signal or should_exit; a page that is open holds nothing up."""

    def __init__(
        self, app: FastAPI, host: str, port: int,
        on_started: Callable[[str], None] = lambda url: None,
    ) -> None:
        super().__init__(uvicorn.Config(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=GRACE_S))
        self._app = app
        self._on_started = on_started

    @property
    def url(self) -> str:
        """The address of the page, with the port that was really taken."""
        port = self.config.port
        for server in getattr(self, "servers", []):
            for listening in server.sockets:
                port = listening.getsockname()[1]
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell where."""
        await super().startup(sockets)
        if self.started:
            self._on_started(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, then everything else."""
        feed: Any = getattr(self._app.state, "feed", None)
        if feed is not None:
            feed.end()
        await super().shutdown(sockets)
