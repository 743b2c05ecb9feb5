"""Keeps a store in order while the host runs: one thread, a little at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from idroserra.core.errors import StoreError
from idroserra.history.models import Store

EVERY_S = 60.0
# Between two pieces of work, at least: who writes, reads or receives has half of the time.
BREATH_S = 0.01

_log = logging.getLogger("idroserra")


class MaintenanceWorker:
    """Tends a store until stop(). run() is the loop of one thread."""

    def __init__(self, store: Store, now_unix_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._stopping = threading.Event()
        self._is_well = True

    def run(self) -> None:
        """Tend the store every minute, longer where there is more to do."""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                busy = self._store.maintain(self._now_unix_ms())
            except StoreError as error:
                if self._is_well:
                    _log.warning("the store cannot be tended: %s", error.why)
                self._is_well = busy = False
            else:
                self._is_well = True
            took_s = time.monotonic() - began_s
            self._stopping.wait(max(BREATH_S, took_s) if busy else EVERY_S)

    def stop(self) -> None:
        """End run() after the piece in hand."""
        self._stopping.set()
