"""Limits how fast commands are sent to one node.

A node takes 10 commands at once and then one every 200 ms (`idro.app.commands`), and drops the
others unread. The host stays below that, so what it sends is also read.
"""

from __future__ import annotations

import threading

from idroserra.core.errors import TooMany
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

AT_ONCE = 8
EVERY_MS = 250
# What ends or holds dosing is always sent. A stop has a way of its own.
UNLIMITED = ("stop", "hold", "end_correction")


class TooManyCommands(TooMany):
    """A node was sent as many commands as it can take; nothing was sent."""

    wait_s = 1

    def __init__(self, node: str) -> None:
        super().__init__(Text(
            N_("{node}: too many commands at once, and nothing was sent: wait a second"),
            node=node))


class CommandRate:
    """Counts the commands of each node: AT_ONCE, then one every EVERY_MS. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[int, int]] = {}  # node: (ms to earn back, at unix ms)

    def take(self, node: str, verb: str, now_unix_ms: int) -> None:
        """Count a command that is about to be sent. Raises TooManyCommands.

        A clock that is set back earns nothing, and locks nothing."""
        if verb in UNLIMITED:
            return
        with self._lock:
            spent_ms, at_unix_ms = self._spent.get(node, (0, now_unix_ms))
            spent_ms = max(0, spent_ms - max(0, now_unix_ms - at_unix_ms))
            is_over = spent_ms > (AT_ONCE - 1) * EVERY_MS
            self._spent[node] = (spent_ms if is_over else spent_ms + EVERY_MS, now_unix_ms)
        if is_over:
            raise TooManyCommands(node)
