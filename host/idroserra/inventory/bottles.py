"""The level of each bottle: what was filled in, less what was dosed since.

Doses are counted from the store, so late ones count too; spills do not. The level of a bottle that
was never set is unknown. A bottle with more doses than are counted (`paging.MOST_EVENTS`, years of
them) is empty until its level is set again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from idroserra.core.errors import Conflict, StoreError
from idroserra.core.text import Text
from idroserra.history import paging
from idroserra.history.models import Store
from idroserra.i18n.marker import N_
from idroserra.inventory.database import Bottle, InventoryDatabase

COUNT_EVERY_MS = 300_000
DOSED = ("dosed",)
LOOK_AHEAD_MS = 60_000
DAY_MS = 86_400_000
USE_DAYS = 7
# Less history than this gives no forecast.
LEAST_USE_MS = DAY_MS


class UnknownBottle(Conflict):
    """No filling of this bottle is recorded."""


class Consumption(NamedTuple):
    """Doses of a node in the last days: {doser: ul}, and the period in ms."""

    dosed_ul: dict[str, int]
    over_ms: int

    def per_day_ul(self, doser: str) -> float | None:
        """Return the consumption in ul a day, or None if the period is too short."""
        if self.over_ms < LEAST_USE_MS:
            return None
        return self.dosed_ul.get(doser, 0) * DAY_MS / self.over_ms

    def days_left(self, doser: str, left_ul: int) -> float | None:
        """Return the days a bottle lasts, or None without a known consumption."""
        per_day_ul = self.per_day_ul(doser)
        return left_ul / per_day_ul if per_day_ul else None


class BottleInventory:
    """All bottles. Every method may be called from any thread."""

    def __init__(self, database: InventoryDatabase, store: Callable[[], Store]) -> None:
        self._database = database
        self._store = store
        self._lock = threading.Lock()
        self._fillings: dict[tuple[str, str], list[Bottle]] = {}
        for bottle in database.fillings():
            self._fillings.setdefault((bottle.node, bottle.doser), []).append(bottle)
        self._dosed_ul: dict[tuple[str, str], int] = {}
        self._count_unix_ms: int | None = None

    def fill(self, bottle: Bottle) -> None:
        """Record the filling of a bottle. Raises StoreUnavailable."""
        self._database.fill(bottle)
        key = (bottle.node, bottle.doser)
        with self._lock:
            self._fillings.setdefault(key, []).append(bottle)
            self._dosed_ul[key] = 0
            self._count_unix_ms = None

    def unfill(self, node: str, doser: str) -> None:
        """Delete the newest filling, so that the one before counts again. Raises UnknownBottle,
        StoreUnavailable."""
        key = (node, doser)
        with self._lock:
            if not self._fillings.get(key):
                raise UnknownBottle(Text(
                    N_("the level of {doser} at {node} was never set"), doser=doser, node=node))
        self._database.unfill(node, doser)
        with self._lock:
            self._fillings[key].pop()
            self._dosed_ul.pop(key, None)
            self._count_unix_ms = None

    def of(self, node: str) -> dict[str, tuple[Bottle, int | None]]:
        """Return {doser: (bottle, ul left)} of a node; None: not counted yet."""
        with self._lock:
            return {key[1]: (fillings[-1], self._left_ul(fillings[-1]))
                    for key, fillings in self._fillings.items() if key[0] == node and fillings}

    def strengths(self, node: str) -> dict[str, list[tuple[int, float | None]]]:
        """Return {doser: [(since_unix_ms, meq_per_ml)]}, oldest first, for the balance."""
        with self._lock:
            return {key[1]: [(one.filled_unix_ms, one.meq_per_ml) for one in fillings]
                    for key, fillings in self._fillings.items() if key[0] == node}

    def use_of(self, node: str, dosers: Collection[str], now_unix_ms: int) -> Consumption:
        """Return the consumption of the last USE_DAYS, of no days if it has too many doses to
        count. Raises StoreError."""
        store = self._store()
        since = (store.span(node) or (now_unix_ms,))[0]
        begin = max(now_unix_ms - USE_DAYS * DAY_MS, since)
        dosed_ul = _dosed_ul(store, node, dict.fromkeys(dosers, begin), now_unix_ms)
        if len(dosed_ul) < len(dosers):
            return Consumption({}, 0)
        return Consumption(dosed_ul, max(0, now_unix_ms - begin))

    def left_pct(self, node: str) -> dict[str, float | None]:
        """Return {doser: % left} of the node's bottles; None: not counted yet."""
        return {doser: None if left is None else 100 * left / bottle.volume_ul
                for doser, (bottle, left) in self.of(node).items()}

    def count(self, now_unix_ms: int) -> None:
        """Count the doses since each filling if it is due; a store error ends it early."""
        with self._lock:
            last = self._count_unix_ms
            if last is not None and 0 <= now_unix_ms - last < COUNT_EVERY_MS:
                return
            self._count_unix_ms = now_unix_ms
            bottles: dict[str, list[Bottle]] = {}
            for fillings in self._fillings.values():
                for bottle in fillings[-1:]:
                    bottles.setdefault(bottle.node, []).append(bottle)
        for node, of_node in bottles.items():
            try:
                dosed_ul = _dosed_ul(self._store(), node, {
                    bottle.doser: bottle.filled_unix_ms for bottle in of_node}, now_unix_ms)
            except StoreError:
                return
            with self._lock:
                for bottle in of_node:
                    key = (node, bottle.doser)
                    if self._fillings[key][-1:] == [bottle]:
                        self._dosed_ul[key] = dosed_ul.get(bottle.doser, bottle.volume_ul)

    def _left_ul(self, bottle: Bottle) -> int | None:
        dosed_ul = self._dosed_ul.get((bottle.node, bottle.doser))
        return None if dosed_ul is None else max(0, bottle.volume_ul - dosed_ul)


def _dosed_ul(
    store: Store, node: str, since_unix_ms: Mapping[str, int], now_unix_ms: int
) -> dict[str, int]:
    """Return {doser: ul} of the doses since a time for each doser, without those that have too
    many doses to count. Raises StoreError."""
    dosed_ul = dict.fromkeys(since_unix_ms, 0)
    count, end = 0, now_unix_ms + LOOK_AHEAD_MS
    # From the newest time back: what is too much for the older ones is not for the newer ones.
    for begin in sorted(set(since_unix_ms.values()), reverse=True):
        for event in paging.events(store, node, begin, end, DOSED):
            count += 1
            if count > paging.MOST_EVENTS:
                return {doser: ul for doser, ul in dosed_ul.items()
                        if since_unix_ms[doser] > begin}
            doser, volume_ul = event.detail.get("actuator"), event.detail.get("volume_ul")
            if isinstance(doser, str) and isinstance(volume_ul, int) and (
                    doser in dosed_ul and since_unix_ms[doser] <= begin):
                dosed_ul[doser] += volume_ul
        end = min(begin, end)
    return dosed_ul
