"""mosquitto as the line needs it: its configuration, its access list, and telling it to read anew.

Two doors, both TLS 1.2 or newer with a client certificate whose name is the user name: that of
the nodes, where the name is the client id too, so that no node takes over another's session; and
one on loopback for the host and other programs of this machine, which may have two connections.
"""

from __future__ import annotations

import getpass
import os
import signal
from pathlib import Path

from idroserra.core.errors import HostError

# Home Assistant has the reserved user of its name: it sees what the host tells it, and no node.
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
MOST_PACKET_BYTES = 16_384  # of a node 8 kB; what Home Assistant is told of one is more
MOST_NODES = 2_000
MOST_PROGRAMS = 50


class BrokerControlError(HostError):
    """The broker could not be told to read its files again."""


def configuration(folder: Path, node_port: int, host_port: int, node_address: str) -> str:
    """Return mosquitto.conf of a line whose files lie in `folder`."""
    return f"""\
# Written by `idroserra broker init`. Run it as the user who owns these files:
#   mosquitto -c {folder}/mosquitto.conf
per_listener_settings false
allow_anonymous false
acl_file {folder}/mosquitto.acl
pid_file {folder}/mosquitto.pid
# Counts only where root starts it: it gives that up.
user {getpass.getuser()}
persistence true
persistence_location {folder}/
autosave_interval 1

# What one client may take.
max_packet_size {MOST_PACKET_BYTES}
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

# The nodes.
listener {node_port} {node_address}
max_connections {MOST_NODES}
{_tls(folder)}
use_username_as_clientid true

# The host and other programs of this machine.
listener {host_port} 127.0.0.1
max_connections {MOST_PROGRAMS}
{_tls(folder)}
"""


def reload(folder: Path) -> bool:
    """Have the broker of `folder` read its access and revocation lists again.

    False where none runs: it reads them when it starts. Raises BrokerSilent where it may not be
    told by this user."""
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
    """Whether a process is mosquitto; a number may long be another's."""
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
