"""Finds out which of two keys a node accepts while the host replaces its key."""

from __future__ import annotations

from idroserra.core.audit_sink import AuditSink
from idroserra.core.errors import HostError
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.node import Node, fingerprint
from idroserra.nodes.registry import Nodes

SHORT_CHARS = 8  # of a fingerprint, as people compare it


class KeyTrials:
    """The keys that signed the commands to nodes which may have one of two."""

    def __init__(self, nodes: Nodes, audit: AuditSink) -> None:
        self._nodes = nodes
        self._audit = audit
        self._signed_with: dict[str, str] = {}  # id of a command: fingerprint

    def signed(self, node: Node, command: CommandState, key: bytes) -> None:
        """Remember the key that signs a command, if the node may have another."""
        if node.next_key is not None:
            self._signed_with[command.id] = fingerprint(key)

    def take(self, command: CommandState) -> str | None:
        """Return the fingerprint of the key that signed a command, and forget it."""
        return self._signed_with.pop(command.id, None)

    def confirm(self, command: CommandState, found: str | None) -> None:
        """Confirm the key that signed the command: the node accepts no other key."""
        known = self._nodes.peek(command.node)
        if found is None or known is None or known.next_key is None:
            return
        try:
            self._nodes.confirm_key(command.node, found)
        except HostError:  # replaced or forgotten meanwhile, or the disk is full
            return
        self._audit(command.by, "key in use", target=command.node,
                    detail={"fingerprint": found[:SHORT_CHARS]})

    def try_next(self, command: CommandState) -> None:
        """Sign with the other key from now on: the command had no answer."""
        found = self.take(command)
        known = self._nodes.peek(command.node)
        if found is not None and known is not None and known.fingerprints[:1] == (found,):
            self._nodes.try_next_key(command.node)
