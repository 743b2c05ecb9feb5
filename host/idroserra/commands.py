"""Commands and settings to the nodes: signed, for one boot, with an end, and their answers.

A command is at first "pending" and ends as the node's answer (done, refused, expired, failed), as
"timeout" where none came, or at once as refused or failed where it could not even be sent. An
answer after the timeout still counts: what the node did is the truth.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idroserra import contract
from idroserra.database import connect
from idroserra.live import Live
from idroserra.nodes import Node, Nodes

TTL_MS = 30_000
ANSWER_GRACE_MS = 5_000
KEPT_COUNT = 10_000

# Publishes (topic, payload, retained); False when there is no broker to publish to.
Publish = Callable[[str, bytes, bool], bool]
Clock = Callable[[], int]
# Returns the wall time at the at_ms 0 of (node, boot_id), None where it is not known.
Epoch = Callable[[str, str], int | None]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    node TEXT NOT NULL,
    verb TEXT NOT NULL,
    args TEXT NOT NULL,
    by TEXT NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
"""
_COLUMNS = "id, node, verb, args, by, sent_unix_ms, ends_unix_ms, state, reason"


@dataclass(frozen=True)
class CommandState:
    """One command. state: pending, done, refused, expired, failed or timeout."""

    id: str
    node: str
    verb: str
    args: Mapping[str, Any]
    by: str
    sent_unix_ms: int
    ends_unix_ms: int
    state: str
    reason: str


class Commands:
    """Sends commands and settings, and keeps what became of them."""

    def __init__(self, path: Path, nodes: Nodes, live: Live, publish: Publish,
                 now_unix_ms: Clock, epoch_unix_ms: Epoch) -> None:
        raise NotImplementedError

    def send(self, node: str, verb: str, args: Mapping[str, Any], by: str,
             ttl_ms: int = TTL_MS) -> str:
        """Send a command and return its id; state(id) tells what became of it.

        Raises UnknownNode, and ProtocolError for a verb or argument that is no command. A node
        that is offline, not adopted or without a known uptime gives a command that has already
        failed or been refused, with the reason.
        """
        raise NotImplementedError

    def state(self, command_id: str) -> CommandState:
        """Return the command. Raises KeyError for an id nobody sent."""
        raise NotImplementedError

    def recent(self, node: str, count: int = 50) -> list[CommandState]:
        """Return the newest commands of a node, newest first."""
        raise NotImplementedError

    def set_config(self, node: str, changes: Mapping[str, Any], by: str) -> int:
        """Change settings of a node and return the new rev; the node's report tells the rest.

        Raises UnknownNode, NotAdopted, SettingsError. Without a broker it is sent later."""
        raise NotImplementedError
