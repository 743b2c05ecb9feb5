"""The process of `idroserra serve`: `python -m idroserra.web.process CONFIG PORT SIMULATED`.

The command line replaces its process image with this one and keeps its process id: a host that
runs for years does not hold the 7 MiB of the command line in memory.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from idroserra.auth.users import Users
from idroserra.core.errors import ConfigError
from idroserra.core.exit_codes import run_cli
from idroserra.core.terminal_text import printable

# Two glibc arenas instead of one a thread; blocks above 16 kB return to the system when freed.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "16384",
             "MALLOC_TRIM_THRESHOLD_": "65536"}


def become_host(config: Path | None, port: int | None, *, simulated: bool) -> None:
    """Replace this process by the host. Does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    words = ["" if config is None else str(config), "" if port is None else str(port),
             "simulated" if simulated else ""]
    os.execve(sys.executable, [sys.executable, "-P", "-m", "idroserra.web.process", *words],
              {**ALLOCATOR, **os.environ})


def run(config: Path | None, port: int | None, *, simulated: bool) -> None:
    """Run the host until SIGINT or SIGTERM.

    Raises ConfigError, SpoolError, StoreUnavailable."""
    from idroserra.core.config import load_config
    from idroserra.server.service import Service, tune_garbage_collector
    from idroserra.web.app import create_app
    from idroserra.web.help_site import site_dir
    from idroserra.web.server import WebServer

    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    overrides: dict[str, Any] = {} if port is None else {"http": {"port": port}}
    settings = load_config(config, overrides)
    check_port(settings.http.host, settings.http.port)
    if settings.lan.enabled:
        check_port(settings.lan.host, settings.lan.port, "lan")
    service = Service(settings)
    service.start()
    try:
        page = create_app(service, simulated=simulated, help_site=site_dir())
        tune_garbage_collector()

        def print_urls(url: str) -> None:
            say(f"The page is at {url} (Ctrl-C stops the host)")
            if service.lan is not None:
                say(f"On the network: {service.lan.url}. `idroserra phone` shows a QR code.")
            if not service.access.users.has_admin:
                say("There is no user yet. Create the first admin within a day: "
                    f"{setup_link(url, service.access.users)}")

        WebServer(page, settings.http.host, settings.http.port, print_urls).run()
    finally:
        service.stop()


class LogFormatter(logging.Formatter):
    """Formats a log record; its message, which may quote what others wrote, takes one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line of a record."""
        record.message = printable(record.message)
        return super().formatMessage(record)


def say(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def setup_link(url: str, users: Users) -> str:
    """Return a link to create the first admin; the part after # appears in no log.

    Raises InvalidRequest."""
    return f"{url}/setup#{users.new_setup_token()}"


def check_port(host: str, port: int, section: str = "http") -> None:
    """Raise ConfigError if host:port of a section cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                other = "--port" if section == "http" else f"{section}.port"
                why = f"in use by another program: choose another {other}, or stop that program"
            raise ConfigError(section, f"port {port}", why) from error


def main(config: str, port: str, simulated: str) -> None:
    """Run with the arguments of become_host()."""
    run_cli(lambda: run(Path(config) if config else None, int(port) if port else None,
                         simulated=bool(simulated)))


if __name__ == "__main__":
    main(*sys.argv[1:])
