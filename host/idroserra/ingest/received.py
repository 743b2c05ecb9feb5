"""Messages of nodes on the way from the broker to the spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.ingest.decoder import UnreadableRecord

# Returns {(node, boot_id): minimum of arrival less sent_at_ms} over the messages of one commit.
MinTransit = Callable[[], dict[tuple[str, str], int]]


@dataclass(slots=True)
class Received:
    """Records of one boot: leaf "telemetry" or "event", and the host's time of arrival.

    They are from one message or from several consecutive ones. `news`: the newest record of each
    message; min_transit_ms: minimum of arrival less sent_at_ms."""

    node: str
    leaf: str
    batch: protocol.Batch
    unix_ms: int
    unread: tuple[UnreadableRecord, ...] = ()
    news: list[Any] = field(default_factory=list)
    min_transit_ms: int | None = None

    def __post_init__(self) -> None:
        """Initialize from one message."""
        self.news += self.batch.records[-1:]
        if self.batch.sent_at_ms is not None:
            self.min_transit_ms = self.unix_ms - self.batch.sent_at_ms

    def extend_with(self, batch: protocol.Batch, unix_ms: int) -> bool:
        """Append the records of the next message; False if it is not a plain continuation."""
        _, boot_unix_ms, sent_at_ms, oldest_seq, new = batch
        _, own_unix_ms, _, own_oldest_seq, records = self.batch
        if (
            self.min_transit_ms is None or sent_at_ms is None
            or own_oldest_seq != oldest_seq or own_unix_ms != boot_unix_ms
            or new[0].seq != records[-1].seq + 1
        ):
            return False
        records += new
        self.news.append(new[-1])
        if unix_ms - sent_at_ms < self.min_transit_ms:
            self.min_transit_ms = unix_ms - sent_at_ms
        return True

    @property
    def first_seq(self) -> int:
        """The lowest sequence number of the records, readable or not."""
        records, unread = self.batch.records, self.unread
        if not unread:
            return int(records[0].seq)
        return min(unread[0].seq, int(records[0].seq)) if records else unread[0].seq


class NodeInfoMessage(NamedTuple):
    """Content of up/info; unix_ms is the time of arrival, None for a retained message."""

    node: str
    info: protocol.Info
    unix_ms: int | None


def min_transits(items: Sequence[object]) -> dict[tuple[str, str], int]:
    """Return {(node, boot_id): minimum of arrival less sent_at_ms} over messages of a commit."""
    found: dict[tuple[str, str], int] = {}
    for item in items:
        if isinstance(item, Received) and item.min_transit_ms is not None:
            key = (item.node, item.batch.boot_id)
            found[key] = min(item.min_transit_ms, found.get(key, item.min_transit_ms))
    return found
