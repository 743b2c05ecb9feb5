"""The web server: uvicorn, with a shutdown that first ends the open live streams.

It serves plain HTTP on loopback, for this machine and a proxy on it. With [lan] enabled it also
serves the site's network, over TLS only.
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
from idroserra.web.middleware.connection_limits import Connection, TlsListener

if TYPE_CHECKING:
    from idroserra.pki.site_https import SiteHttps

GRACE_S = 5
RENEW_S = 3_600
SAVE_USES_S = 30
MOST_MESSAGE_BYTES = 65_536  # of a WebSocket

_log = logging.getLogger("idroserra")


class WebServer(uvicorn.Server):
    """run() serves until a signal or should_exit; open pages do not delay the end."""

    def __init__(
        self, app: Starlette, host: str, port: int,
        on_started: Callable[[str], None] = lambda url: None,
    ) -> None:
        super().__init__(uvicorn.Config(
            app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=GRACE_S,
            http=Connection, ws="websockets-sansio", ws_max_size=MOST_MESSAGE_BYTES,
            ws_per_message_deflate=False, callback_notify=self._renew, timeout_notify=RENEW_S))
        self._app = app
        self._site_https: SiteHttps | None = app.state.site_https
        self._is_healthy: Callable[[], bool] = app.state.is_healthy
        self._tasks: list[asyncio.Task[None]] = []
        self._lan_listener: TlsListener | None = None
        self._on_started = on_started

    @property
    def url(self) -> str:
        """The address of the page on this machine, with the actual port."""
        port = self.config.port
        for server in getattr(self, "servers", [])[:1]:
            for listening in server.sockets:
                port = listening.getsockname()[1]
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then call `on_started` with the address."""
        await super().startup(sockets)
        if self.started:
            self._open_local()
            if self._site_https is not None:
                self._open_lan(self._site_https)
            self._tasks = [asyncio.create_task(one) for one in (
                self._feed_watchdog(), self._save_uses())]
            self._on_started(self.url)

    def _open_local(self) -> None:
        """Create the local token that the command line of this machine uses."""
        try:
            self._app.state.auth.local.open(urlsplit(self.url).port)
        except OSError as error:
            _log.warning("no local token: the command line needs IDROSERRA_TOKEN: %s", error)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, then everything else."""
        systemd.notify("STOPPING=1")
        for task in self._tasks:
            task.cancel()
        hub: Any = getattr(self._app.state, "feed_hub", None)
        if hub is not None:
            hub.end()
        if self._lan_listener is not None:
            self._lan_listener.close()
        await super().shutdown(sockets)

    def _open_lan(self, lan: SiteHttps) -> None:
        """Serve the same application on the site's network: uvicorn listens on one address."""
        def new_connection() -> Connection:
            made = Connection(self.config, self.server_state, self.lifespan.state)
            made.is_of_network = True
            return made

        self._lan_listener = TlsListener(lan.context, new_connection, self.config.backlog)
        lan.port = self._lan_listener.open(lan.host, lan.port)

    async def _feed_watchdog(self) -> None:
        """Notify systemd that the host is ready, then feed its watchdog.

        While alarms are not evaluated the watchdog is not fed, and systemd restarts the host."""
        systemd.notify("READY=1")
        every_s = systemd.watchdog_interval_s()
        while every_s is not None:
            if self._is_healthy():
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(every_s)

    async def _save_uses(self) -> None:
        """Write when sessions and tokens were last used, every SAVE_USES_S."""
        while True:
            await asyncio.sleep(SAVE_USES_S)
            await asyncio.to_thread(self._app.state.auth.save_uses)

    async def _renew(self) -> None:
        """Save the security clock, and renew the certificate if due; on an error the old one
        stays in use. Called hourly."""
        await asyncio.to_thread(self._app.state.auth.clock.save)
        if self._site_https is not None:
            try:
                await asyncio.to_thread(self._site_https.renew)
            except ConfigError as error:
                _log.error("%s", error)
