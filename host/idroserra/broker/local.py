"""Runs a broker on loopback for the demo: mosquitto if installed, else amqtt.

Its access list is that of `broker init`: the node id is the MQTT user name, without a password.
mosquitto saves its state once a second (a save at each change is ten times slower); the nodes'
outboxes resend what it loses when it is killed.
"""

import fcntl
import os
import random
import socket
import sys
import tempfile
from functools import cache
from pathlib import Path

from idroserra.broker.access import acl_file
from idroserra.broker.local_server import LocalServer, LocalServerError, find_server

_SERVER_PORTS = range(20_000, 32_000)
_TRIES = 100
_given: set[int] = set()


def free_port() -> int:
    """Return a free loopback TCP port, which neither this process gets again nor another one
    before this one ends. Raises LocalServerError.

    It is outside the ephemeral range (from 32768 on Linux, from 49152 elsewhere): a client could
    get such a port before the server binds it, or connect to itself while the server is down.
    """
    reservations = _reservations()
    for port in random.sample(_SERVER_PORTS, _TRIES):
        if port in _given:  # its server may not have bound it yet, or be down for a restart
            continue
        with socket.socket() as probe:
            try:
                fcntl.lockf(reservations, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise LocalServerError(f"no free port between {_SERVER_PORTS[0]} and {_SERVER_PORTS[-1]}")


@cache
def _reservations() -> int:
    """A file of which a process locks one byte for each port, so that no other process of the user
    gets it before its server binds it. The locks end with the process. Raises LocalServerError."""
    try:
        path = Path(tempfile.gettempdir()) / f"idroserra-ports-{os.getuid()}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LocalServerError(f"no free port can be kept: {error}") from None


class Broker(LocalServer):
    """A broker process on a loopback port."""

    def __init__(self, folder: Path, kind: str = "auto", port: int | None = None) -> None:
        super().__init__(folder, port if port is not None else free_port())
        self._mosquitto = find_mosquitto()
        if kind == "auto":
            kind = "mosquitto" if self._mosquitto else "amqtt"
        if kind == "mosquitto" and not self._mosquitto:
            raise LocalServerError(
                "mosquitto is not installed: apt install mosquitto, or use amqtt")
        self.kind = kind

    @property
    def url(self) -> str:
        """The address clients connect to."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def mqtt_version(self) -> int:
        """The newest protocol level of the broker: 5, or 4 (MQTT 3.1.1) with amqtt."""
        return 5 if self.kind == "mosquitto" else 4

    def _command(self) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-m", "idroserra.broker.amqtt", str(self.port)]
        config = self.folder / "mosquitto.conf"
        acl = self.folder / "mosquitto.acl"
        acl.write_text(acl_file())
        acl.chmod(0o600)
        config.write_text(self._mosquitto_config(acl))
        return [str(self._mosquitto), "-c", str(config)]

    def _mosquitto_config(self, acl: Path) -> str:
        return "\n".join(
            (
                f"listener {self.port} 127.0.0.1",
                "allow_anonymous true",
                f"acl_file {acl}",
                "persistence true",
                f"persistence_location {self.folder}/",
                "autosave_interval 1",
                "max_packet_size 16384",
                "max_queued_messages 100000",
                "log_dest stderr",
                "log_type error",
                "log_type warning",
                "user root" if _is_root() else "",
                "",
            )
        )


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, or None."""
    return find_server("mosquitto")


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
