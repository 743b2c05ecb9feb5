"""How much is left in each bottle: what somebody filled in, less what was dosed since.

Doses are counted from the store, where late ones arrive too; what was spilt nobody counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from idroserra.alarms.book import AlarmBook, Bottle
from idroserra.errors import StoreError
from idroserra.store import Store

COUNT_EVERY_MS = 300_000
DOSED = ("dosed",)
LOOK_AHEAD_MS = 60_000


class Bottles:
    """All bottles. Every method may be called from any thread."""

    def __init__(self, book: AlarmBook, store: Callable[[], Store]) -> None:
        self._book = book
        self._store = store
        self._lock = threading.Lock()
        self._bottles = {(b.node, b.doser): b for b in book.bottles()}
        self._dosed_ul: dict[tuple[str, str], int] = {}
        self._count_unix_ms: int | None = None

    def fill(self, bottle: Bottle) -> None:
        """Note that somebody filled a bottle. Raises StoreUnavailable."""
        self._book.fill(bottle)
        with self._lock:
            key = (bottle.node, bottle.doser)
            self._bottles[key] = bottle
            self._dosed_ul[key] = 0
            self._count_unix_ms = None

    def all(self) -> list[tuple[Bottle, int | None]]:
        """Return every bottle with what is left in ul, None before the store was read."""
        with self._lock:
            return [(bottle, self._left_ul(bottle)) for bottle in self._bottles.values()]

    def left_pct(self, node: str) -> dict[str, float]:
        """Return {doser: % left} of a node's bottles, of those whose doses were counted."""
        with self._lock:
            found = {bottle.doser: (bottle, self._left_ul(bottle))
                     for bottle in self._bottles.values() if bottle.node == node}
        return {doser: 100 * left / bottle.volume_ul
                for doser, (bottle, left) in found.items() if left is not None}

    def count(self, now_unix_ms: int) -> None:
        """Count the doses since each filling, where it is time to; the store may be away."""
        with self._lock:
            last = self._count_unix_ms
            if last is not None and 0 <= now_unix_ms - last < COUNT_EVERY_MS:
                return
            self._count_unix_ms = now_unix_ms
            bottles = list(self._bottles.values())
        for bottle in bottles:
            try:
                dosed_ul = self._dosed_since(bottle, now_unix_ms)
            except StoreError:
                return
            with self._lock:
                if self._bottles[bottle.node, bottle.doser] == bottle:
                    self._dosed_ul[bottle.node, bottle.doser] = dosed_ul

    def _left_ul(self, bottle: Bottle) -> int | None:
        dosed_ul = self._dosed_ul.get((bottle.node, bottle.doser))
        return None if dosed_ul is None else max(0, bottle.volume_ul - dosed_ul)

    def _dosed_since(self, bottle: Bottle, now_unix_ms: int) -> int:
        events = self._store().events(
            bottle.node, bottle.filled_unix_ms, now_unix_ms + LOOK_AHEAD_MS, DOSED)
        volumes_ul = [event.detail.get("volume_ul") for event in events
                      if event.detail.get("actuator") == bottle.doser]
        return sum(volume for volume in volumes_ul if isinstance(volume, int))
