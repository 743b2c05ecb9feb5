"""How often somebody may be wrong: wrong passwords per account and per address.

A try counts before it is judged, so that many at once are no way around. Kept in memory: who can
restart the host has better ways in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from idroserra.auth.errors import TooManyAttempts

WINDOW_MS = 15 * 60_000
MOST_PER_ACCOUNT = 5
MOST_PER_ADDRESS = 20  # a household, or all behind one proxy
MOST_KEYS = 20_000


class LoginRateLimit:
    """Counts failures. Any thread may call."""

    def __init__(self, now_unix_ms: Callable[[], int]) -> None:
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._told_until: OrderedDict[tuple[str, str], int] = OrderedDict()

    def begin(self, address: str, account: str) -> None:
        """Count a try as wrong until right() says otherwise. Raises TooMany, then it is not
        counted and must not be judged."""
        now = self._now_unix_ms()
        keys = self._keys(address, account)
        with self._lock:
            wait_ms, key = max((self._wait_ms(key, most, now), key) for key, most in keys)
            if wait_ms > 0:
                is_news = self._told_until.get(key, 0) <= now
                self._told_until[key] = now + wait_ms
                _trim(self._told_until)
                raise TooManyAttempts(-(-wait_ms // 1_000), is_news=is_news)
            for key, _ in keys:
                self._failures.setdefault(key, deque()).append(now)
                self._failures.move_to_end(key)
            _trim(self._failures)

    def right(self, address: str, account: str) -> None:
        """The try was right: the account begins anew, the address gets this try back."""
        (by_account, _), (by_address, _) = self._keys(address, account)
        with self._lock:
            self._failures.pop(by_account, None)
            tries = self._failures.get(by_address)
            if tries:
                tries.pop()

    def _keys(self, address: str, account: str) -> tuple[tuple[tuple[str, str], int], ...]:
        return ((("account", account.casefold()[:64]), MOST_PER_ACCOUNT),
                (("address", address), MOST_PER_ADDRESS))

    def _wait_ms(self, key: tuple[str, str], most: int, now: int) -> int:
        tries = self._failures.get(key)
        while tries and tries[0] <= now - WINDOW_MS:
            tries.popleft()
        if not tries or len(tries) < most:
            return 0
        return tries[-most] + WINDOW_MS - now


def _trim(kept: OrderedDict[tuple[str, str], Any]) -> None:
    """Forget the oldest beyond what memory is for."""
    while len(kept) > MOST_KEYS:
        kept.popitem(last=False)
