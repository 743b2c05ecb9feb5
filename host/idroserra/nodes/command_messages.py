"""Signs commands for the node's running boot, and its settings."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping
from typing import Any

from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.node import Node

# Returns the wall time at uptime 0 of (node, boot_id), or None if it is unknown.
Epoch = Callable[[str, str], int | None]
# Stored verb: verb on down/update.
UPDATE_VERBS = {"offer update": "offer", "cancel update": "cancel"}
_ORDERED_VERBS = ("stop", "resume")
_HIGHEST_LIFT_MS = 30_000


class CommandMessages:
    """Packs commands. A stop ends later than each resume sent before it, and the reverse.

    A stop overtakes other commands, and the node needs to know which of the two was sent last.
    """

    def __init__(self, epoch_unix_ms: Epoch) -> None:
        self._epoch_unix_ms = epoch_unix_ms
        self._epochs: dict[str, tuple[str, int]] = {}  # node: (boot id, its epoch)
        self._lock = threading.Lock()
        self._last: dict[str, tuple[str, str, int]] = {}  # node: (boot id, verb, its end)

    def boot_epoch(self, node: Node) -> int | None:
        """Return the wall time at uptime 0 of the running boot, or None if it is unknown.

        May wait for the disk. Raises sqlite3.Error."""
        known = self.known_boot_epoch(node)
        if known is not None or node.info is None:
            return known
        found = self._epoch_unix_ms(node.node, node.info.boot_id)
        if found is not None:
            self._epochs[node.node] = node.info.boot_id, found
        return found

    def known_boot_epoch(self, node: Node) -> int | None:
        """Return what boot_epoch() does, if it is in memory. Never waits."""
        if node.boot_epoch_unix_ms is not None or node.info is None:
            return node.boot_epoch_unix_ms
        boot_id, epoch_unix_ms = self._epochs.get(node.node, ("", 0))
        return epoch_unix_ms if boot_id == node.info.boot_id else None

    def obstacle(self, node: Node, is_connected: bool) -> tuple[str, Reason | None]:
        """Return (state, reason) if a command cannot be sent now, else ("", None)."""
        if not node.is_adopted:
            return "refused", Reason("not_adopted")
        if not is_connected:
            return "failed", Reason("broker_unreachable")
        if not node.online:
            return "failed", Reason("node_offline")
        if node.info is None or self.boot_epoch(node) is None:
            return "failed", Reason("boot_unknown")
        return "", None

    def pack(
        self, node: Node, command: CommandState, key: bytes, ends_unix_ms: int,
        offer: protocol.Offer | None = None,
    ) -> tuple[str, bytes] | None:
        """Return (topic, payload), or None if the uptime of the node is not in memory."""
        epoch_unix_ms, info = self.known_boot_epoch(node), node.info
        if epoch_unix_ms is None or info is None:
            return None
        not_after_at_ms = max(0, ends_unix_ms - epoch_unix_ms)
        if command.verb in _ORDERED_VERBS:
            not_after_at_ms = self._in_order(
                node.node, info.boot_id, command.verb, not_after_at_ms)
        message = protocol.Command(
            command.id, command.verb, command.args, info.boot_id, not_after_at_ms, command.by)
        mac = mac_of(key)
        if command.verb not in UPDATE_VERBS:
            return (protocol.down_topic(node.node, "command"),
                    protocol.pack_command(node.node, message, mac))
        wanted = message._replace(verb=UPDATE_VERBS[command.verb], args=offer)
        return (protocol.down_topic(node.node, "update"),
                protocol.pack_update(node.node, wanted, mac))

    def _in_order(self, node: str, boot_id: str, verb: str, at_ms: int) -> int:
        with self._lock:
            last_boot_id, last_verb, last_ms = self._last.get(node, (boot_id, verb, 0))
            # More than the node accepts comes of a wall clock that was set back.
            if last_boot_id == boot_id and last_ms - at_ms < _HIGHEST_LIFT_MS:
                at_ms = max(at_ms, last_ms if last_verb == verb else last_ms + 1)
            self._last[node] = boot_id, verb, at_ms
            return at_ms


def packed_settings(node: Node, values: Mapping[str, Any], key: bytes) -> tuple[str, bytes]:
    """Return (topic, payload) of the desired settings of a node."""
    message = protocol.Config(node.wanted_rev, node.wanted_by, dict(values))
    return (protocol.down_topic(node.node, "config"),
            protocol.pack_config(node.node, message, mac_of(key)))


def mac_of(key: bytes) -> protocol.Mac:
    """Return the function that signs with `key`."""
    return lambda signed: hmac.new(key, signed, hashlib.sha256).hexdigest()
