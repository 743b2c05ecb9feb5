"""The interface through which the ingest passes messages and new records to the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from idroserra.core import protocol
from idroserra.ingest.spool import Item, StoredBatch
from idroserra.mqtt.connection import IncomingMessage


class LastMessage(NamedTuple):
    """The last message of a node that carried records: arrival time, boot id, and the node's
    uptime when it sent the message (None if the message does not say)."""

    boot_id: str
    sent_at_ms: int | None
    unix_ms: int


class MessageHandler(Protocol):
    """Callbacks of the ingest. All are called in the ingest's thread."""

    def connected(self) -> None:
        """The connection to the broker was established."""

    def tick(self) -> None:
        """Called after each group of messages."""

    def on_heartbeats(self, last_messages: Mapping[str, LastMessage]) -> None:
        """Nodes sent records: the last message of each node."""

    def on_message(self, node: str, leaf: str, message: IncomingMessage) -> Item | None:
        """Handle a message without records; return what the spool must store of it.

        Raises ProtocolError."""

    def stored_message(self, node: str, stored: protocol.Stored) -> bytes | None:
        """Return down/stored for a node; None if the host has no key for it."""

    def on_records(self, accepted: StoredBatch, now_unix_ms: int, most: int) -> None:
        """Records are durable; at most `most` of the new ones are for the live view."""
