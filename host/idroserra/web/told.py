"""What each node told last, kind by kind: from the stream, and now and then from the store.

The node keeps the truth. What it tells late, of its time without a network, arrives in both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from idroserra.errors import StoreError
from idroserra.store.models import Store

# What says how a node stands.
KINDS = ("stopped", "resumed", "latched", "correction", "authority", "boot", "update_offered",
         "update_refused", "update_downloaded", "update_trial", "update_confirmed",
         "update_reverted")
# Decisions and doses are many: those of the last day are read once.
DECIDED = "decided"
OFTEN = (DECIDED, "dosed")
LOOK_BACK_MS = 90 * 86_400_000
OFTEN_BACK_MS = 86_400_000
ASK_EVERY_MS = 10_000


class Told(NamedTuple):
    """One event of a node: when, what, and its detail."""

    unix_us: int
    kind: str
    detail: Mapping[str, Any]


class NewestEvents:
    """The newest event of each kind, and the newest decision of each loop. Any thread may call."""

    def __init__(self, store: Callable[[], Store], now_unix_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._told: dict[str, dict[str, Told]] = {}
        self._asked: set[str] = set()
        self._ask_unix_ms: dict[str, int] = {}

    def take(self, node: str, unix_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Note an event; other kinds and older ones are passed over."""
        if kind not in KINDS and kind not in OFTEN:
            return
        key = f"{DECIDED} {detail.get('loop')}" if kind == DECIDED else kind
        with self._lock:
            known = self._told.setdefault(node, {})
            if key not in known or known[key].unix_us <= unix_us:
                known[key] = Told(unix_us, kind, detail)

    def newest(self, node: str, *kinds: str) -> Told | None:
        """Return the newest event of these kinds, None where there was none."""
        with self._lock:
            known = self._told.get(node, {})
            found = [known[kind] for kind in kinds if kind in known]
        return max(found, key=lambda told: told.unix_us, default=None)

    def decision(self, node: str, loop: str) -> Told | None:
        """Return what a loop decided last."""
        return self.newest(node, f"{DECIDED} {loop}")

    def is_read(self, node: str) -> bool:
        """Read the node's past where it is time to. False while it could never be read."""
        now = self._now_unix_ms()
        with self._lock:
            was_asked = node in self._asked
            if now < self._ask_unix_ms.get(node, 0):
                return was_asked
            self._ask_unix_ms[node] = now + ASK_EVERY_MS
        to = now + 60_000
        try:
            events = self._store().events(node, now - LOOK_BACK_MS, to, KINDS)
            if not was_asked:
                events += self._store().events(node, now - OFTEN_BACK_MS, to, OFTEN)
        except StoreError:
            return was_asked
        for event in events:
            self.take(node, event.unix_us, event.kind, event.detail)
        with self._lock:
            self._asked.add(node)
        return True
