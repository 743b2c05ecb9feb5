"""The newest reading of each channel of a node: live, or from the store after a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from idroserra.core.errors import StoreError
from idroserra.history.models import Store
from idroserra.i18n.channels import screen_order
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node

STORE_RETRY_MS = 15_000


class NewestReading(NamedTuple):
    """Value or fault of a channel; all None if it was never read."""

    value: float | None
    fault: str | None
    unix_ms: int | None


class NewestReadings:
    """Reads live values, and stored ones of channels without a reading since start-up.

    All methods may be called from any thread."""

    def __init__(
        self, live: LiveState, store: Callable[[], Store], now_unix_ms: Callable[[], int]
    ) -> None:
        self._live = live
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._stored: dict[str, dict[str, tuple[int, float]]] = {}
        self._asked_unix_ms: dict[str, int] = {}

    def of(self, node: Node) -> dict[str, NewestReading]:
        """Return the reading of every channel that the node has or had, in display order."""
        live = self._live.channels(node.node)
        names = set(live) | set(() if node.info is None else node.info.channels)
        stored = {} if names and names <= set(live) else self._latest(node.node)
        names |= set(stored)
        found = {}
        for key in sorted(names, key=screen_order):
            if key in live:
                entry = live[key]
                found[key] = NewestReading(entry["value"], entry["fault"], entry["unix_ms"])
            elif key in stored:
                unix_ms, value = stored[key]
                found[key] = NewestReading(value, None, unix_ms)
            else:
                found[key] = NewestReading(None, None, None)
        return found

    def _latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return the newest stored values; the store is asked at most every STORE_RETRY_MS."""
        now = self._now_unix_ms()
        with self._lock:
            asked = self._asked_unix_ms.get(node)
            if asked is not None and 0 <= now - asked < STORE_RETRY_MS:
                return self._stored.get(node, {})
            self._asked_unix_ms[node] = now
        try:
            found = self._store().latest(node)
        except StoreError:
            return self._stored.get(node, {})
        with self._lock:
            self._stored[node] = found
        return found
