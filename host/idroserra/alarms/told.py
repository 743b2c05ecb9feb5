"""What nodes told that rules look at: kept from the live stream, completed from the store.

The store is the truth: what a node tells late, of its time without a network, is found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from idroserra.alarms.facts import Told
from idroserra.errors import StoreError
from idroserra.live import Message
from idroserra.store.models import EventPoint, Store

KINDS = ("latched", "resumed", "water", "flash_failed", "gap", "irrigation_no_flow",
         "irrigation_stuck_on", "air_too_hot", "air_warms")
BOOT = "boot"
LOOK_BACK_MS = 90 * 86_400_000
BOOT_BACK_MS = 86_400_000
ASK_EVERY_MS = 60_000
RETRY_MS = 30_000


class TellTale:
    """The newest event of each kind, and the starts of the last day. Used by one thread."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._events: dict[str, dict[str, Told]] = {}
        self._boots: dict[str, set[int]] = {}
        self._ask_unix_ms: dict[str, int] = {}
        self._retry_unix_ms = 0

    def take(self, messages: Iterable[Message]) -> None:
        """Note the events among messages of the live stream."""
        for message in messages:
            if message.get("type") == "event":
                self._take(message["node"], message["unix_ms"], message["kind"],
                           message["detail"])

    def read(self, nodes: Iterable[str], now_unix_ms: int) -> None:
        """Read the past of each node from the store, where it is time to.

        A store that does not answer is left alone for a while: asking takes its time-out."""
        if 0 < self._retry_unix_ms - now_unix_ms <= RETRY_MS:
            return
        for node in nodes:
            if now_unix_ms < self._ask_unix_ms.get(node, 0):
                continue
            try:
                for event in self._stored(node, now_unix_ms):
                    self._take(node, event.unix_us // 1_000, event.kind, event.detail)
            except StoreError:
                self._retry_unix_ms = now_unix_ms + RETRY_MS
                return
            self._ask_unix_ms[node] = now_unix_ms + ASK_EVERY_MS

    def is_read(self, node: str) -> bool:
        """True once a node's past was read."""
        return node in self._ask_unix_ms

    def events(self, node: str) -> dict[str, Told]:
        """Return the newest event of each kind."""
        return dict(self._events.get(node, {}))

    def boots_unix_ms(self, node: str, now_unix_ms: int) -> tuple[int, ...]:
        """Return when the node started, within a day, oldest first."""
        kept = {at for at in self._boots.get(node, ()) if now_unix_ms - at < BOOT_BACK_MS}
        self._boots[node] = kept
        return tuple(sorted(kept))

    def _stored(self, node: str, now_unix_ms: int) -> list[EventPoint]:
        to_unix_ms = now_unix_ms + 60_000
        store = self._store()
        return (store.events(node, now_unix_ms - LOOK_BACK_MS, to_unix_ms, KINDS)
                + store.events(node, now_unix_ms - BOOT_BACK_MS, to_unix_ms, (BOOT,)))

    def _take(self, node: str, unix_ms: int, kind: str, detail: Mapping[str, Any]) -> None:
        if kind == BOOT:
            self._boots.setdefault(node, set()).add(unix_ms)
        elif kind not in KINDS:
            return
        known = self._events.setdefault(node, {})
        if kind not in known or known[kind].unix_ms <= unix_ms:
            known[kind] = Told(unix_ms, kind, detail)
