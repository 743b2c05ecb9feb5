"""Configuration and access control list (ACL) of mosquitto, and its reload.

Two listeners, both with TLS 1.2 or newer and client certificates whose common name is the user
name. On the nodes' listener it is also the client id, so that no node can take over another's
session. The one on loopback is for the host and other programs of this machine, which may have
several connections.
"""

from __future__ import annotations

import getpass
import os
import signal
from pathlib import Path

from idroserra.core.errors import HostError

# The user `homeassistant` reads only the topics that the host publishes for it, and node status.
ACL = """\
pattern write idro/v1/%u/up/#
pattern read idro/v1/%u/down/#
user host
topic readwrite idro/v1/#
topic readwrite homeassistant/#
user homeassistant
topic read idro/v1/host/ha/#
topic read idro/v1/+/up/status
topic write idro/v1/host/ha/+/+/set
topic read homeassistant/#
topic write homeassistant/status
"""
MAX_PACKET_BYTES = 16_384  # nodes send up to 8 kB; Home Assistant discovery is larger
MAX_NODES = 2_000
MAX_PROGRAMS = 50


class BrokerControlError(HostError):
    """The broker does not answer, or did not reload its files."""


def configuration(folder: Path, node_port: int, host_port: int, node_address: str) -> str:
    """Return mosquitto.conf for TLS files in `folder`."""
    return f"""\
# Written by `idroserra broker init`. Run it as the user who owns these files:
#   mosquitto -c {folder}/mosquitto.conf
per_listener_settings false
allow_anonymous false
acl_file {folder}/mosquitto.acl
pid_file {folder}/mosquitto.pid
# Used only when root starts mosquitto: it drops its privileges.
user {getpass.getuser()}
persistence true
persistence_location {folder}/
autosave_interval 1

# Limits per client.
max_packet_size {MAX_PACKET_BYTES}
max_inflight_messages 20
max_queued_messages 100000
max_queued_bytes 67108864
memory_limit 536870912
max_keepalive 300
persistent_client_expiration 14d

log_dest stderr
log_type error
log_type warning
log_type notice

# Nodes.
listener {node_port} {node_address}
max_connections {MAX_NODES}
{_tls(folder)}
use_username_as_clientid true

# The host and other programs of this machine.
listener {host_port} 127.0.0.1
max_connections {MAX_PROGRAMS}
{_tls(folder)}
"""


def reload(folder: Path) -> bool:
    """Make the broker of `folder` reload its ACL and revocation list (SIGHUP).

    Returns False if it is not running. Raises BrokerControlError without permission."""
    try:
        pid = int((folder / "mosquitto.pid").read_text("ascii"))
        if not _is_mosquitto(pid):
            return False
        os.kill(pid, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    except PermissionError:
        raise BrokerControlError("mosquitto runs as another user: make it reload its files: "
                                 f"sudo kill -HUP {pid}") from None
    return True


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
