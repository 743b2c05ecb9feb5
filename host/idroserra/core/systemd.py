"""The host under systemd: its unit, and what it tells: ready, well, stopping (sd_notify(3)).

Without systemd (NOTIFY_SOCKET is not set) nothing is told to anybody.
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

LEAST_BEAT_S = 0.5
WATCHDOG_S = 60


def notify(state: str) -> bool:
    """Tell systemd a line such as "READY=1"; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract sockets
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.connect(address)
            line.sendall(state.encode())
    except OSError:
        return False
    return True


def watchdog_interval_s() -> float | None:
    """Return how often systemd wants to hear that all is well, None where it does not.

    Half of the time after which it would restart the host, as sd_watchdog_enabled(3) advises."""
    pid, usec = os.environ.get("WATCHDOG_PID"), os.environ.get("WATCHDOG_USEC", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in (None, str(os.getpid())):
        return None
    return max(LEAST_BEAT_S, int(usec) / 2_000_000)


def unit_file(config: Path, writable: Sequence[Path]) -> str:
    """Return the unit that runs this installation as the present user.

    It may write the folders of `writable` and no others, has no privileges, and is started again
    whenever it ends or is silent for a minute.
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
After=network-online.target mosquitto.service influxdb.service
StartLimitIntervalSec=0

[Service]
Type=notify
User={getpass.getuser()}
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
