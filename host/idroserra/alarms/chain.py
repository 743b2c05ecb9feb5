"""The alarm chain: looks, judges and tells in a thread of its own, and how that thread is.

Whoever asks how the chain is gets an age: a chain that hangs cannot say so itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from idroserra.alarms.alarms import Alarms
from idroserra.alarms.bottles import Bottles
from idroserra.alarms.lookout import Lookout
from idroserra.live import Live

EVERY_S = 1.0
DEAD_MS = 30_000


class AlarmChain:
    """run() is the loop of one thread; everything else may be called from any."""

    def __init__(
        self, alarms: Alarms, bottles: Bottles, lookout: Lookout, live: Live,
        now_unix_ms: Callable[[], int],
    ) -> None:
        self.alarms = alarms
        self.bottles = bottles
        self._lookout = lookout
        self._live = live
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()
        self._shown_revision = -1

    def run(self) -> None:
        """Look again and again until stop()."""
        while not self._stopping.is_set():
            self.step()
            self._stopping.wait(EVERY_S)

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def step(self) -> None:
        """Look once."""
        now = self._now_unix_ms()
        self.bottles.count(now)
        self.alarms.step(self._lookout.look(now, {}, self.bottles.left_pct))
        if self.alarms.revision != self._shown_revision:
            self._shown_revision = self.alarms.revision
            self._live.publish({"type": "alarms"})

    def health(self) -> dict[str, Any]:
        """Return {"is_alive", "text", "evaluated_unix_ms"}: do the alarms themselves work?"""
        evaluated, now = self.alarms.evaluated_unix_ms, self._now_unix_ms()
        is_alive = evaluated is not None and now - evaluated < DEAD_MS
        text = ""
        if not is_alive:
            text = "The alarms are not being looked at: restart the host, see its log."
        elif self.alarms.trouble:
            text = f"What happens is not kept over a restart: {self.alarms.trouble}"
        return {"is_alive": is_alive, "text": text, "evaluated_unix_ms": evaluated}
