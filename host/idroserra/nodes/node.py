"""What the host knows of one node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.nodes.restored import RestoredSettings

STEADY_MS = 60_000  # a boot is shown at its time until its messages tell another

_Unpacked = TypeVar("_Unpacked")


@dataclass(frozen=True)
class Node:
    """What the host knows of one node; an immutable copy.

    boot_epoch_unix_ms is the host's time at uptime 0 of the running boot, from its newest message,
    or None; booted_unix_ms is the same without what it varies by the way of each message, to be
    shown. `report` holds the active settings as reported by the node, at report_unix_ms if
    this host received the report itself. `refused_rev` is the newest wanted revision that the node
    refused, or 0: it reports why beside the revision in force. `restored`: what a backup wanted of
    it, until a person chooses. Until `leaving_until_unix_ms` another host is to take the node
    over, and this one confirms no records of it; 0 if none is.
    """

    node: str
    site: str
    online: bool = False
    last_seen_unix_ms: int | None = None
    info: protocol.Info | None = None
    boot_epoch_unix_ms: int | None = None
    booted_unix_ms: int | None = None
    refused_rev: int = 0
    wanted_rev: int = 0
    wanted_by: str = ""
    wanted_values: Mapping[str, Any] | None = None
    report: protocol.ConfigReport | None = None
    report_unix_ms: int | None = None
    restored: RestoredSettings | None = None
    leaving_until_unix_ms: int = 0
    key: bytes | None = field(default=None, repr=False)
    next_key: bytes | None = field(default=None, repr=False)

    def with_epoch(self, epoch_unix_ms: int) -> Node:
        """Return the node after a message of the running boot."""
        booted = self.booted_unix_ms
        if booted is None or abs(epoch_unix_ms - booted) > STEADY_MS:
            booted = epoch_unix_ms
        return replace(self, boot_epoch_unix_ms=epoch_unix_ms, booted_unix_ms=booted)

    @property
    def reported_outcome(self) -> tuple[int, Reason | None, int] | None:
        """The revision in force, why the newest is not, and the newest refused one; None before
        the first report."""
        report = self.report
        return None if report is None else (report.rev, report.error, self.refused_rev)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the key and of the staged key."""
        return tuple(fingerprint(key) for key in (self.key, self.next_key) if key is not None)

    @property
    def open_choice(self) -> dict[str, tuple[Any, Any]]:
        """{setting: (in the restored backup, as reported)} of those that differ; {} if unknown."""
        if self.restored is None or self.report is None:
            return {}
        return self.restored.differences(self.report.values)

    @property
    def is_adopted(self) -> bool:
        """True if the host shares a key with the node and may command it."""
        return self.key is not None


def fingerprint(key: bytes) -> str:
    """Return the SHA-256 of a key in hex, which identifies it without revealing it."""
    return hashlib.sha256(key).hexdigest()


def node_from_row(row: tuple[Any, ...]) -> Node:
    """Return the Node of a row of registry_tables.SELECT."""
    return Node(
        node=row[0], site=row[1], key=row[2], last_seen_unix_ms=row[3],
        info=_read(protocol.unpack_info, row[4]), wanted_rev=row[5], wanted_by=row[6],
        wanted_values=None if row[7] is None else json.loads(row[7]),
        report=_read(protocol.unpack_config_report, row[8]))


def _read(unpack: Callable[[bytes], _Unpacked], data: bytes | None) -> _Unpacked | None:
    """Return None for a stored message of an older protocol: the node sends it again."""
    try:
        return None if data is None else unpack(data)
    except protocol.ProtocolError:
        return None
