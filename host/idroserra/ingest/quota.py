"""Limits what one node can make the ingest read and log, so that a flood delays no other node.

A message above the quota is dropped before it is decoded. It is acknowledged to the broker but not
to the node, which therefore sends its records again. Other messages of a node are not sent again:
they have a quota of their own, so that a backlog of records does not use it up.
"""

from __future__ import annotations

import logging

BYTES_PER_S = 524_288  # more than 2,000 records; a node on Wi-Fi sends a tenth of it at most
BURST_BYTES = 2 * 1_048_576
MESSAGE_BYTES = 512  # what a message costs beside its payload
INVALID_BYTES = 16_384  # what an invalid message or record costs: finding the error takes longer
# So long nothing is read of a node on whose message the host itself failed: such a message ends a
# turn of the ingest, and all nodes wait for the next.
FAILURE_S = 20.0
LINES = 20  # in a row
LINE_EVERY_S = 6.0
WARN_EVERY_S = 60.0
MOST_NODES = 8_192  # two for each of the broker's users; above, all quotas are reset

_log = logging.getLogger("idroserra")


class _Node:
    """The balance of one node."""

    __slots__ = ("bytes_left", "dropped", "lines_left", "now_s", "silent", "warned_s")

    def __init__(self, now_s: float) -> None:
        self.bytes_left: float = BURST_BYTES
        self.lines_left: float = LINES
        self.now_s = now_s
        self.dropped = self.silent = 0
        self.warned_s: float | None = None

    def refill(self, now_s: float) -> None:
        """Add what has been earned since the last call."""
        passed_s, self.now_s = now_s - self.now_s, now_s
        self.bytes_left = min(BURST_BYTES, self.bytes_left + passed_s * BYTES_PER_S)
        self.lines_left = min(LINES, self.lines_left + passed_s / LINE_EVERY_S)


class Quota:
    """The balances of all nodes. `now_s` is monotonic."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def takes(self, name: str, size: int, now_s: float) -> bool:
        """Whether a message of `size` bytes of a node is read; else it is counted and dropped."""
        node = self._node(name, now_s)
        cost = size + MESSAGE_BYTES
        if cost <= node.bytes_left:
            node.bytes_left -= cost
            return True
        node.dropped += 1
        if node.warned_s is None or now_s - node.warned_s >= WARN_EVERY_S:
            node.warned_s = now_s
            _log.warning("%s: sends more than %d kB/s, or the host failed on a message of it: "
                         "messages dropped so far: %d", name, BYTES_PER_S // 1_024, node.dropped)
        return False

    def charge_invalid(self, name: str, count: int, now_s: float) -> None:
        """Reduce the balance of a node for invalid messages or records."""
        self._node(name, now_s).bytes_left -= count * INVALID_BYTES

    def charge_failure(self, name: str, now_s: float) -> None:
        """Read nothing of a node for FAILURE_S: the host failed on a message of it."""
        self._node(name, now_s).bytes_left = -FAILURE_S * BYTES_PER_S

    def log(self, name: str, now_s: float, text: str, *values: object) -> None:
        """Log a line about a message of a node, unless it has had too many of them."""
        node = self._node(name, now_s)
        if node.lines_left < 1:
            node.silent += 1
            return
        node.lines_left -= 1
        if node.silent:
            _log.info("%s: lines not logged, because there were too many: %d", name, node.silent)
            node.silent = 0
        _log.info(text, *values)
        if node.lines_left < 1:
            _log.info("%s: further lines are not logged for a while", name)

    def _node(self, name: str, now_s: float) -> _Node:
        node = self._nodes.get(name)
        if node is None:
            if len(self._nodes) >= MOST_NODES:
                self._nodes.clear()
            node = self._nodes[name] = _Node(now_s)
        elif now_s != node.now_s:
            node.refill(now_s)
        return node
