"""Writes the rows of refused requests to the audit log: a limited number for each user.

A refused request changes nothing, and a client can send many of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from idroserra.auth.audit import Audit

MOST_ROWS = 10  # of one user within EVERY_MS
EVERY_MS = 60_000
LEFT_OUT = "requests left out"  # the action of the row with their number


@dataclass
class _Window:
    began_unix_ms: int
    address: str  # of the newest request
    requests: int = 0


class RefusalRows:
    """Counts the refused requests of each user. Thread-safe."""

    def __init__(self, audit: Audit, now_unix_ms: Callable[[], int]) -> None:
        self._audit = audit
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def add(
        self, who: str, action: str, *, target: str, address: str, status: int, reason: str
    ) -> None:
        """Append the row of a request refused with an HTTP status, or count it as left out."""
        self.write_left_out()
        with self._lock:
            window = self._windows.setdefault(who, _Window(self._now_unix_ms(), address))
            window.address = address
            window.requests += 1
            is_left_out = window.requests > MOST_ROWS
        if not is_left_out:
            self._audit.add(who, action, target=target, address=address,
                            detail={"status": status}, result="refused", reason=reason)

    def write_left_out(self) -> None:
        """Append one row for each user whose minute is over, with the number left out."""
        now_unix_ms = self._now_unix_ms()
        self._end(lambda window: not 0 <= now_unix_ms - window.began_unix_ms < EVERY_MS)

    def end(self) -> None:
        """Append these rows for all users: the host stops."""
        self._end(lambda window: True)

    def _end(self, is_over: Callable[[_Window], bool]) -> None:
        with self._lock:
            ended = {who: window for who, window in self._windows.items() if is_over(window)}
            for who in ended:
                del self._windows[who]
        for who, window in ended.items():
            if window.requests > MOST_ROWS:
                self._audit.add(who, LEFT_OUT, address=window.address, result="refused",
                                detail={"left_out": window.requests - MOST_ROWS})
