"""Limits how fast commands are sent to one node.

A node takes 10 commands at once and then one every 200 ms (`idro.app.commands`), and drops the
others unread. The host stays below that, so what it sends is also read.
"""

from __future__ import annotations

from idroserra.core.errors import TooMany
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.nodes.command_messages import UPDATE_VERBS

AT_ONCE = 8
EVERY_MS = 250
# What ends or holds dosing is always sent, and updates, which have a pace of their own. They are
# counted, because the node counts them.
NEVER_REFUSED = ("stop", "hold", "end_correction", *UPDATE_VERBS)


class TooManyCommands(TooMany):
    """A node was sent as many commands as it can take; nothing was sent."""

    wait_s = 1

    def __init__(self, node: str) -> None:
        super().__init__(Text(
            N_("{node}: too many commands at once, and nothing was sent: wait a second"),
            node=node))


class CommandRate:
    """Counts the commands of each node: AT_ONCE, then one every EVERY_MS.

    A clock that is set back earns nothing, and locks nothing. The caller serialises the calls."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[int, int]] = {}  # node: (ms to earn back, at unix ms)

    def check(self, node: str, verb: str, now_unix_ms: int) -> None:
        """Raise TooManyCommands if the node would not read another command now."""
        is_over = self._earn(node, now_unix_ms) > (AT_ONCE - 1) * EVERY_MS
        if is_over and verb not in NEVER_REFUSED:
            raise TooManyCommands(node)

    def count(self, node: str, now_unix_ms: int) -> None:
        """Count a command that was sent, up to the limit: what the node drops costs it nothing."""
        spent_ms = self._earn(node, now_unix_ms) + EVERY_MS
        self._spent[node] = min(spent_ms, AT_ONCE * EVERY_MS), now_unix_ms

    def _earn(self, node: str, now_unix_ms: int) -> int:
        """Earn back what time has passed; return the ms that are still to earn back."""
        spent_ms, at_unix_ms = self._spent.get(node, (0, now_unix_ms))
        spent_ms = max(0, spent_ms - max(0, now_unix_ms - at_unix_ms))
        self._spent[node] = spent_ms, now_unix_ms
        return spent_ms
