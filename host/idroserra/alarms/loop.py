"""The alarm chain: looks, judges and tells in a thread of its own, and how that thread is.

Whoever asks how the chain is gets an age: a chain that hangs cannot say so itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.notify.dispatcher import Dispatcher
from idroserra.alarms.notify.scheduler import NotificationScheduler
from idroserra.alarms.snapshot_builder import SnapshotBuilder
from idroserra.inventory.bottles import BottleInventory

EVERY_S = 1.0
REST = 3  # of many nodes: so many times as long as a look took, LONGEST_S at most
LONGEST_S = 10.0
DEAD_MS = 30_000


class AlarmLoop:
    """run() is the loop of one thread; everything else may be called from any."""

    def __init__(
        self,
        alarms: AlarmEngine,
        bottles: BottleInventory,
        lookout: SnapshotBuilder,
        teller: NotificationScheduler,
        deliveries: Dispatcher,
        now_unix_ms: Callable[[], int],
    ) -> None:
        self.alarms = alarms
        self.bottles = bottles
        self.teller = teller
        self.deliveries = deliveries
        self._lookout = lookout
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look again and again until stop()."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            self.step()
            rest_s = REST * (time.monotonic() - began_s)
            self._stopping.wait(max(EVERY_S, min(rest_s, LONGEST_S)))

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()
        self.deliveries.stop()

    def step(self) -> None:
        """Look once, and tell what is due."""
        now = self._now_unix_ms()
        self.bottles.count(now)
        self.alarms.step(
            self._lookout.look(now, self.deliveries.undelivered(), self.bottles.left_pct))
        self.teller.step(now)

    @property
    def is_alive(self) -> bool:
        """True while everything was looked at a moment ago."""
        evaluated = self.alarms.evaluated_unix_ms
        return evaluated is not None and self._now_unix_ms() - evaluated < DEAD_MS

    def health(self) -> dict[str, Any]:
        """Return {"is_alive", "text", "evaluated_unix_ms"}: do the alarms themselves work?"""
        trouble = self.alarms.trouble or self.teller.trouble
        text = ""
        if not self.is_alive:
            text = "The alarms are not being looked at: restart the host, see its log."
        elif trouble:
            text = f"What happens to alarms is not kept over a restart: {trouble}"
        return {"is_alive": self.is_alive, "text": text,
                "evaluated_unix_ms": self.alarms.evaluated_unix_ms}
