"""The alarm thread: builds a snapshot, evaluates it and schedules notifications, once a second, or
more rarely with hundreds of nodes: it takes about a tenth of a core.

Its health is reported as an age, because a thread that hangs cannot report it.
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
from idroserra.i18n.translate import gettext as _
from idroserra.inventory.bottles import BottleInventory

EVERY_S = 1.0
REST = 9  # times the duration of an evaluation to rest after it, LONGEST_S at most
LONGEST_S = 10.0
DEAD_MS = 30_000


class AlarmLoop:
    """run() is the body of one thread; everything else may be called from any."""

    def __init__(
        self, alarms: AlarmEngine, bottles: BottleInventory, builder: SnapshotBuilder,
        scheduler: NotificationScheduler, dispatcher: Dispatcher, now_unix_ms: Callable[[], int],
    ) -> None:
        self.alarms = alarms
        self.bottles = bottles
        self.scheduler = scheduler
        self.dispatcher = dispatcher
        self._builder = builder
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()

    def run(self) -> None:
        """Evaluate repeatedly until stop()."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            self.step()
            rest_s = REST * (time.monotonic() - began_s)
            self._stopping.wait(max(EVERY_S, min(rest_s, LONGEST_S)))

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()
        self.dispatcher.stop()

    def step(self) -> None:
        """Evaluate once and post the notifications that are due."""
        now = self._now_unix_ms()
        self.bottles.count(now)
        self.alarms.step(
            self._builder.build(now, self.dispatcher.undelivered(), self.bottles.left_pct))
        self.scheduler.step(now)

    @property
    def is_alive(self) -> bool:
        """True if the last evaluation was less than DEAD_MS ago."""
        evaluated = self.alarms.evaluated_unix_ms
        return evaluated is not None and self._now_unix_ms() - evaluated < DEAD_MS

    def health(self) -> dict[str, Any]:
        """Return {"is_alive", "text", "evaluated_unix_ms"} of the alarm system itself, the text in
        the reader's language."""
        error = self.alarms.storage_error or self.scheduler.storage_error
        text = ""
        if not self.is_alive:
            text = _("Alarms are not being evaluated: restart the host and check its log.")
        elif error:
            text = _("Alarm changes are not saved and will be lost at a restart: {error}").format(
                error=error)
        return {"is_alive": self.is_alive, "text": text,
                "evaluated_unix_ms": self.alarms.evaluated_unix_ms}
