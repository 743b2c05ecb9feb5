"""Nodes that continuously publish records whose contents follow from their sequence numbers.

Record `seq` of a node was taken seq * step_ms after its boot, so the expected contents of the
store are known without keeping a single record.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from support.node_client import NodeClient

KEY = bytes(range(32))
TICK_S = 0.05
KEEPALIVE_S = 5


class ExpectedNode(NamedTuple):
    """Expected records of one boot in the store: every seq from 1 to `last`."""

    node: str
    boot_id: str
    step_ms: int
    last: int
    boot_unix_ms: int | None


class LoadGenerator:
    """A context manager that runs `count` nodes, each with `per_s` records a second."""

    def __init__(self, port: int, count: int, per_s: float, step_ms: int = 10,
                 boot_unix_ms: int | None = None) -> None:
        self.per_s = per_s
        self._step_ms = step_ms
        self._boot_unix_ms = boot_unix_ms
        self.nodes = [
            NodeClient(port, f"idro-c{i}", KEY, boot_id=f"b{i:07d}", boot_unix_ms=boot_unix_ms,
                       keepalive_s=KEEPALIVE_S)
            for i in range(count)
        ]
        self._made = 0
        self._making = threading.Lock()
        self._owed = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="load")

    def __enter__(self) -> LoadGenerator:
        for node in self.nodes:
            node.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for node in self.nodes:
            node.stop()

    @property
    def made(self) -> int:
        """Number of records that each node has taken so far."""
        return self._made

    def make(self, count: int) -> None:
        """Take `count` more records on every node at once."""
        with self._making:
            at_ms = (self._made + 1) * self._step_ms
            for node in self.nodes:
                node.sample(count, at_ms=at_ms, step_ms=self._step_ms)
            self._made += count

    def stored_upto(self) -> int:
        """Return the seq up to which every node has received a confirmation."""
        return min(node.stored_upto for node in self.nodes)

    def end(self) -> None:
        """Stop taking records; the nodes continue to send."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(60)

    def expected(self) -> list[ExpectedNode]:
        """Return the records that must be in the store, after end()."""
        return [ExpectedNode(node.node, node.boot_id, self._step_ms, self._made,
                             self._boot_unix_ms) for node in self.nodes]

    def _measure(self) -> None:
        last_s = time.monotonic()
        while not self._stopping.wait(TICK_S):
            now_s = time.monotonic()
            # Send no burst after a pause of the machine.
            self._owed = min(self._owed + self.per_s * (now_s - last_s), 5 * self.per_s)
            last_s = now_s
            count = int(self._owed)
            self._owed -= count
            if count:
                self.make(count)
