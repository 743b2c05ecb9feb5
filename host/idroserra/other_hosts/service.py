"""Follows the other hosts of the configuration: one thread and one request at a time for each.

A host is asked every WATCHED_S while somebody looks at the page, else every IDLE_S.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from idroserra.core.config import OtherHostConfig
from idroserra.core.reasons import Reason
from idroserra.other_hosts.client import DEADLINE_S, NoStatus, ask_status
from idroserra.other_hosts.status import Status

WATCHED_S = 10.0
IDLE_S = 60.0
LOOKED_MS = 60_000  # so long after the last look the page counts as watched
# An answer that is older is not shown: the thread of this host hangs, as in a slow name server.
OLD_MS = 120_000


class OtherHost(NamedTuple):
    """Another host: its last answer, or why there is none and since when.

    status: None without a current answer. answered_unix_ms: of the last one. failed_unix_ms,
    reason: None while it answers, and before the first attempt."""

    name: str
    url: str
    status: Status | None = None
    answered_unix_ms: int | None = None
    failed_unix_ms: int | None = None
    reason: Reason | None = None


class OtherHosts:
    """The other hosts. Any thread may call; loops() are of one thread each."""

    def __init__(
        self, configs: Sequence[OtherHostConfig], now_unix_ms: Callable[[], int],
        ask: Callable[[OtherHostConfig], Status] = ask_status,
    ) -> None:
        self._followers = [_Follower(config, now_unix_ms, ask) for config in configs]

    @property
    def are_configured(self) -> bool:
        """Whether the configuration names another host."""
        return bool(self._followers)

    def loops(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the name and the loop of each host's thread."""
        return [(f"host {one.name}", one.run) for one in self._followers]

    def look(self) -> list[OtherHost]:
        """Return each host as it is known now, in the order of the configuration; ask them more
        often for a while."""
        return [one.look() for one in self._followers]

    def stop(self) -> None:
        """End the loops after their current requests."""
        for one in self._followers:
            one.stop()


class _Follower:
    def __init__(
        self, config: OtherHostConfig, now_unix_ms: Callable[[], int],
        ask: Callable[[OtherHostConfig], Status],
    ) -> None:
        self.name = config.name
        self._config = config
        self._now_unix_ms = now_unix_ms
        self._ask = ask
        self._known = OtherHost(config.name, config.url)
        self._looked_unix_ms = 0
        self._is_stopping = False
        self._wake = threading.Event()

    def run(self) -> None:
        while not self._is_stopping:
            self._known = self._asked()
            self._wake.wait(WATCHED_S if self._is_watched else IDLE_S)
            self._wake.clear()

    def look(self) -> OtherHost:
        was_watched, now = self._is_watched, self._now_unix_ms()
        self._looked_unix_ms = now
        if not was_watched:
            self._wake.set()
        known = self._known
        since = known.answered_unix_ms
        if known.status is None or since is None or abs(now - since) <= OLD_MS:
            return known
        reason = Reason("other_silent", for_ms=round(DEADLINE_S * 1_000))
        return known._replace(status=None, failed_unix_ms=since, reason=reason)

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()

    @property
    def _is_watched(self) -> bool:
        return abs(self._now_unix_ms() - self._looked_unix_ms) < LOOKED_MS

    def _asked(self) -> OtherHost:
        """Return the host after a request."""
        known = self._known
        try:
            status = self._ask(self._config)
        except NoStatus as error:
            failed = known.failed_unix_ms or self._now_unix_ms()
            return known._replace(status=None, failed_unix_ms=failed, reason=error.reason)
        return known._replace(status=status, answered_unix_ms=self._now_unix_ms(),
                              failed_unix_ms=None, reason=None)
