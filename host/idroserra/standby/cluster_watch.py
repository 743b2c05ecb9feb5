"""Watches by the cluster of brokers whether the host that is followed is connected."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from idroserra.backup.create import COPIES
from idroserra.broker.cluster import ClusterCertificates
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.core.errors import HostError
from idroserra.standby.copy_database import unpack_files
from idroserra.standby.fence import old_login

GONE_AFTER_S = 30.0


class ClusterWatch:
    """Says that a host is gone only while a broker answers: a standby that is cut off from the
    cluster never takes over."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._gone_since_s: float | None = None
        self.problem = ""

    def is_gone(self, now_s: float) -> bool:
        """Return whether the host has not been connected for GONE_AFTER_S."""
        try:
            is_connected = self._is_connected()
        except (HostError, OSError, sqlite3.Error) as error:
            self.problem, self._gone_since_s = str(error), None
            return False
        self.problem = ""
        if is_connected:
            self._gone_since_s = None
        elif self._gone_since_s is None:
            self._gone_since_s = now_s
        return self._gone_since_s is not None and now_s - self._gone_since_s >= GONE_AFTER_S

    def _is_connected(self) -> bool:
        folder = self._work / "cluster"
        unpack_files(self._work / COPIES, folder, "line/")  # it may change: a rotated certificate
        certificates = ClusterCertificates(folder)
        cell = certificates.authority.cell
        found = certificates.management.get(f"/vhosts/{cell}/connections?columns=user")
        if found is None:  # one that lost its settings has not seen the host either
            raise BrokerControlError(f"the cluster has no virtual host {cell}")
        return old_login(folder) in {one["user"] for one in found}
