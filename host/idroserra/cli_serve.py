"""`idroserra serve`: the host service and its page, until it is told to stop."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from idroserra.access.users import Users
from idroserra.errors import ConfigError

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; without it, the defaults.")
]


def serve(
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port of the page; 0 takes a free one.")
    ] = None,
    *,
    simulated: Annotated[
        bool, typer.Option(help="Say SIMULATED on every page: the nodes are no real ones.")
    ] = False,
) -> None:
    """Run the host: records come in over MQTT, are kept, and are shown on the page."""
    import logging

    from idroserra.config import load_config
    from idroserra.service import Service, spare_collector
    from idroserra.web.app import create_app
    from idroserra.web.help import site_dir
    from idroserra.web.server import WebServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    overrides: dict[str, Any] = {} if port is None else {"http": {"port": port}}
    settings = load_config(config, overrides)
    check_port(settings.http.host, settings.http.port)
    if settings.lan.enabled:
        check_port(settings.lan.host, settings.lan.port, "lan")
    service = Service(settings)
    service.start()
    spare_collector()
    try:
        page = create_app(service, simulated=simulated, help_site=site_dir())

        def say_where(url: str) -> None:
            typer.echo(f"The page is at {url} (Ctrl-C ends)", err=True)
            if service.lan is not None:
                typer.echo(f"On the network it is at {service.lan.url}; `idroserra phone` shows "
                           "a code to scan", err=True)
            if not service.access.users.has_admin:
                typer.echo(f"Nobody can log in yet. Make the first admin, once, within a day: "
                           f"{setup_link(url, service.access.users)}", err=True)

        WebServer(page, settings.http.host, settings.http.port, say_where).run()
    finally:
        service.stop()


def setup_link(url: str, users: Users) -> str:
    """Return a link that makes the first admin. What stands behind # is in no log.

    Raises Refused."""
    return f"{url}/setup#{users.new_setup_token()}"


def check_port(host: str, port: int, section: str = "http") -> None:
    """Raise ConfigError, in words, where nobody could listen on host:port of a section."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                other = "--port" if section == "http" else f"{section}.port"
                why = f"in use by another program: choose another {other}, or stop that one"
            raise ConfigError(section, f"port {port}", why) from error
