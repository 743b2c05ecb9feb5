"""The broker's folder, its mosquitto.conf, and its reload.

The broker reads and writes this folder only, so that it can run as a user of its own, who cannot
read the keys of the host and of the nodes:

    ca.pem revoked.pem       copies of the host's
    server.pem server.key    the broker's certificate
    mosquitto.conf
    state/                   written by the broker: access list, saved messages, process id

Two listeners, both with TLS 1.2 or newer and client certificates whose common name is the user
name. On the nodes' listener it is also the client id, so that no node can take over another's
session. The one on loopback is for the host and other programs of this machine, which may have
several connections.
"""

from __future__ import annotations

import getpass
import grp
import os
import signal
import stat
from pathlib import Path

from idroserra.core.errors import HostError
from idroserra.pki.x509 import write_private

MAX_PACKET_BYTES = 16_384  # nodes send up to 8 kB; Home Assistant discovery is larger
MAX_NODES = 2_000
MAX_PROGRAMS = 50


class BrokerControlError(HostError):
    """The broker does not answer, or did not reload its files."""


class BrokerFolder:
    """The folder of the broker. Where it has the setgid bit, it belongs to the group of the
    broker's own user, which may read all of it and write in `state`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.configuration = path / "mosquitto.conf"
        self.access = self.state / "access.json"
        self.pid_file = self.state / "mosquitto.pid"

    @property
    def is_shared(self) -> bool:
        """Whether the broker runs as another user, of the folder's group."""
        return self.path.exists() and bool(self.path.stat().st_mode & stat.S_ISGID)

    @property
    def user(self) -> str:
        """The user that the broker runs as; it has the name of the folder's group."""
        if not self.is_shared:
            return getpass.getuser()
        group = self.path.stat().st_gid
        try:
            return grp.getgrgid(group).gr_name
        except KeyError:  # a container's
            return str(group)

    def make(self) -> None:
        """Create the folders that are missing. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new folder inherits the group and its bit; a later chmod would take the bit away.
        mask = os.umask(0)
        try:
            self.state.mkdir(mode=0o770 if self.is_shared else 0o700, exist_ok=True)
        finally:
            os.umask(mask)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file that the broker reads, atomically. Raises OSError."""
        write_private(path, content, 0o640 if self.is_shared else 0o600)


def configuration(folder: BrokerFolder, node_port: int, host_port: int, node_address: str) -> str:
    """Return mosquitto.conf."""
    path = folder.path
    return f"""\
# Written by `idroserra broker init`: mosquitto -c {folder.configuration}
per_listener_settings false
allow_anonymous false
# The access list. The plugin is a part of mosquitto.
plugin mosquitto_dynamic_security.so
plugin_opt_config_file {folder.access}
pid_file {folder.pid_file}
# Used only when root starts mosquitto: it drops its privileges.
user {folder.user}
persistence true
persistence_location {folder.state}/
autosave_interval 1

# Limits per client. There is no memory_limit: the plugin releases memory that mosquitto 2.0 has
# not counted, so that the count falls below 0 and every allocation fails.
max_packet_size {MAX_PACKET_BYTES}
max_inflight_messages 2000
max_queued_messages 20000
max_queued_bytes 16777216
max_keepalive 300
persistent_client_expiration 14d

log_dest stderr
log_type error
log_type warning
log_type notice
# A node that connects again and again would fill the log.
connection_messages false

# Nodes.
listener {node_port} {node_address}
max_connections {MAX_NODES}
{_tls(path)}
use_username_as_clientid true
max_qos 1

# The host and other programs of this machine.
listener {host_port} 127.0.0.1
max_connections {MAX_PROGRAMS}
{_tls(path)}
"""


def reload(pid_file: Path) -> bool:
    """Make the broker read its revocation list again (SIGHUP).

    Returns False if it does not run here, or as a user whose processes this one cannot signal."""
    try:
        pid = int(pid_file.read_text("ascii"))
        if not _is_mosquitto(pid):
            return False
        os.kill(pid, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError):
        return False
    return True


def runs(pid_file: Path) -> bool:
    """Whether the mosquitto of a process id file runs on this machine."""
    try:
        pid = int(pid_file.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists() and _is_mosquitto(pid)


def _is_mosquitto(pid: int) -> bool:
    """Whether a process is mosquitto; the process id may have been reused."""
    name = Path(f"/proc/{pid}/comm")
    return not name.parent.parent.joinpath("self").exists() or (
        name.exists() and name.read_text().startswith("mosquitto"))


def _tls(folder: Path) -> str:
    return f"""\
tls_version tlsv1.2
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
crlfile {folder}/revoked.pem
require_certificate true
use_identity_as_username true"""
