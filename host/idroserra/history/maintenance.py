"""Runs the maintenance of a store in one thread, in small steps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from idroserra.core.errors import ConfigError, StoreError
from idroserra.history.models import Store

EVERY_S = 60.0
# Minimum pause between two steps. The pause is as long as the step, so that others get half the
# time.
PAUSE_S = 0.01

_log = logging.getLogger("idroserra")


class MaintenanceWorker:
    """Maintains a store until stop(). run() is the loop of one thread."""

    def __init__(self, store: Store, now_unix_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()
        self._is_ok = True

    def run(self) -> None:
        """Maintain the store every minute, until nothing is left to do."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                busy = self._store.maintain(self._now_unix_ms())
            except (StoreError, ConfigError) as error:
                if self._is_ok:
                    _log.warning("maintenance of the store failed: %s", error.why)
                self._is_ok = busy = False
            else:
                self._is_ok = True
            took_s = time.monotonic() - began_s
            self._stopping.wait(max(PAUSE_S, took_s) if busy else EVERY_S)

    def stop(self) -> None:
        """End run() after the current step."""
        self._stopping.set()
