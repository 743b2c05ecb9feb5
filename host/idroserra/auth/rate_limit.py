"""Limits failed log-ins per account and per address.

An attempt is counted before its password is checked, so that parallel attempts do not bypass the
limit. The counts are in memory only. A confirmation of the password in an open session is counted
for that session alone, so that guesses from elsewhere do not keep its user from confirming.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from idroserra.auth.errors import TooManyAttempts

WINDOW_MS = 15 * 60_000
MAX_PER_ACCOUNT = 5
MAX_PER_ADDRESS = 20  # a household, or all users behind one proxy
MAX_KEYS = 20_000


class LoginRateLimit:
    """Counts failed log-ins. Thread-safe."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """`now_ms` is the time of the SecurityClock."""
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._reported_until: OrderedDict[tuple[str, str], int] = OrderedDict()

    def begin(self, address: str, account: str) -> None:
        """Count an attempt as failed until succeed(). An attempt in a session has no address.

        Raises TooManyAttempts: then the attempt is not counted, and the password must not be
        checked."""
        now = self._now_ms()
        keys = self._keys(address, account)
        with self._lock:
            wait_ms, key = max((self._wait_ms(key, most, now), key) for key, most in keys)
            if wait_ms > 0:
                is_news = self._reported_until.get(key, 0) <= now
                self._reported_until[key] = now + wait_ms
                _trim(self._reported_until)
                raise TooManyAttempts(-(-wait_ms // 1_000), is_news=is_news)
            for key, _ in keys:
                self._failures.setdefault(key, deque()).append(now)
                self._failures.move_to_end(key)
            _trim(self._failures)

    def succeed(self, address: str, account: str) -> None:
        """Reset the count of the account, and take this attempt off that of the address."""
        (by_account, _), *by_address = self._keys(address, account)
        with self._lock:
            self._failures.pop(by_account, None)
            for key, _ in by_address:
                failures = self._failures.get(key)
                if failures:
                    failures.pop()

    def _keys(self, address: str, account: str) -> tuple[tuple[tuple[str, str], int], ...]:
        by_account = ("account", account.casefold()[:64]), MAX_PER_ACCOUNT
        return (by_account, (("address", address), MAX_PER_ADDRESS)) if address else (by_account,)

    def _wait_ms(self, key: tuple[str, str], most: int, now: int) -> int:
        failures = self._failures.get(key)
        while failures and failures[0] <= now - WINDOW_MS:
            failures.popleft()
        if not failures or len(failures) < most:
            return 0
        return failures[-most] + WINDOW_MS - now


def _trim(entries: OrderedDict[tuple[str, str], Any]) -> None:
    """Remove the oldest entries above MAX_KEYS."""
    while len(entries) > MAX_KEYS:
        entries.popitem(last=False)
