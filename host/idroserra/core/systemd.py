"""The host's systemd unit and its notifications: ready, watchdog, stopping (sd_notify(3)).

Without systemd (NOTIFY_SOCKET is not set) notify() does nothing.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

MIN_INTERVAL_S = 0.5
WATCHDOG_S = 60


def notify(state: str) -> bool:
    """Send a line such as "READY=1" to systemd; return False without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract sockets
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.connect(address)
            connection.sendall(state.encode())
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """Return the interval of WATCHDOG=1 in s, or None if the unit has no watchdog.

    Half of the watchdog's timeout, as sd_watchdog_enabled(3) advises."""
    pid, usec = os.environ.get("WATCHDOG_PID"), os.environ.get("WATCHDOG_USEC", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in (None, str(os.getpid())):
        return None
    return max(MIN_INTERVAL_S, int(usec) / 2_000_000)


def unit_file(config: Path, writable: Sequence[Path], user: str) -> str:
    """Return the unit that runs this installation as `user`.

    It has no privileges, may write only the folders of `writable`, and is restarted when it ends
    or misses the watchdog for a minute.
    """
    folders = " ".join(shlex.quote(str(path)) for path in writable)
    start = shlex.join([sys.executable, "-m", "idroserra.cli", "serve", "--config", str(config)])
    return f"""\
# Idroserra, written by `idroserra unit`. Install it:
#   idroserra unit --config {shlex.quote(str(config))} >idroserra.server.service
#   sudo cp idroserra.server.service /etc/systemd/system/
#   sudo systemctl daemon-reload && sudo systemctl enable --now idroserra
[Unit]
Description=Idroserra, host of the greenhouse
Wants=network-online.target
After=network-online.target mosquitto.service idroserra-broker.service influxdb.service
StartLimitIntervalSec=0

[Service]
Type=notify
User={user}
ExecStart={start}
Restart=always
RestartSec=5
WatchdogSec={WATCHDOG_S}
TimeoutStopSec=30
UMask=0077
OOMScoreAdjust=-500

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={folders}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
