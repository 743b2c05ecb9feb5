"""The web server: uvicorn, which on its way out lets the open live streams finish."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

GRACE_S = 5

_log = logging.getLogger("idroserra")


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
            self._open_local()
            self._on_started(self.url)

    def _open_local(self) -> None:
        """Let the command line of this machine in. Without it, it needs a token."""
        try:
            self._app.state.access.local.open(urlsplit(self.url).port)
        except OSError as error:
            _log.warning("the command line here needs IDROSERRA_TOKEN: %s", error)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, then everything else."""
        feed: Any = getattr(self._app.state, "feed", None)
        if feed is not None:
            feed.end()
        await super().shutdown(sockets)
