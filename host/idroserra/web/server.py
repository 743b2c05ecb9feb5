"""The web server: uvicorn, which on its way out lets the open live streams finish.

It listens on loopback, in plain HTTP, for this machine and a proxy on it; and where [lan] is on,
on the network of the site too, over TLS only.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette

from idroserra.core import systemd
from idroserra.core.errors import ConfigError
from idroserra.web.middleware.connection_limits import HANDSHAKE_S, Connection, ConnectionLimiter

if TYPE_CHECKING:
    from idroserra.pki.site_https import SiteHttps

GRACE_S = 5
RENEW_S = 3_600

_log = logging.getLogger("idroserra")


class WebServer(uvicorn.Server):
    """run() serves until a signal or should_exit; a page that is open holds nothing up."""

    def __init__(
        self, app: Starlette, host: str, port: int,
        on_started: Callable[[str], None] = lambda url: None,
    ) -> None:
        super().__init__(uvicorn.Config(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=GRACE_S,
            http=Connection, ws="none", callback_notify=self._renew, timeout_notify=RENEW_S))
        self._app = app
        self._lan: SiteHttps | None = app.state.lan
        self._is_well: Callable[[], bool] = app.state.is_well
        self._beats: asyncio.Task[None] | None = None
        self._on_started = on_started

    @property
    def url(self) -> str:
        """The address of the page here, with the port that was really taken."""
        port = self.config.port
        for server in getattr(self, "servers", [])[:1]:
            for listening in server.sockets:
                port = listening.getsockname()[1]
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell where."""
        await super().startup(sockets)
        if self.started:
            self._open_local()
            if self._lan is not None:
                await self._open_lan(self._lan)
            self._beats = asyncio.create_task(self._beat())
            self._on_started(self.url)

    def _open_local(self) -> None:
        """Let the command line of this machine in. Without it, it needs a token."""
        try:
            self._app.state.access.local.open(urlsplit(self.url).port)
        except OSError as error:
            _log.warning("the command line here needs IDROSERRA_TOKEN: %s", error)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, then everything else."""
        systemd.notify("STOPPING=1")
        if self._beats is not None:
            self._beats.cancel()
        feeds: Any = getattr(self._app.state, "feeds", None)
        if feeds is not None:
            feeds.end()
        await super().shutdown(sockets)

    async def _open_lan(self, lan: SiteHttps) -> None:
        """Listen on the site's network with the same application. uvicorn takes one address."""
        def new_connection() -> Connection:
            return Connection(self.config, self.server_state, self.lifespan.state)

        server = await asyncio.get_running_loop().create_server(
            ConnectionLimiter(new_connection), host=lan.host, port=lan.port, ssl=lan.context,
            ssl_handshake_timeout=HANDSHAKE_S, backlog=self.config.backlog)
        lan.port = server.sockets[0].getsockname()[1]
        self.servers.append(server)

    async def _beat(self) -> None:
        """Tell systemd that the host is ready, and that it is well for as long as it is.

        Where the alarms are not being looked at nothing is told, and systemd starts it again."""
        systemd.notify("READY=1")
        every_s = systemd.watchdog_interval_s()
        while every_s is not None:
            if self._is_well():
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(every_s)

    async def _renew(self) -> None:
        """Look at the certificate every hour. Where that fails the old one goes on."""
        if self._lan is not None:
            try:
                await asyncio.to_thread(self._lan.renew)
            except ConfigError as error:
                _log.error("%s", error)
