"""The heartbeat: a periodic request to an outside monitor while the alarm system works.

If the host, its network or its alarms fail, the request is missing and the monitor
(healthchecks.io, Uptime Kuma, a cron job) alerts. It is also withheld while notifications fail.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from idroserra.core.reasons import Reason
from idroserra.i18n.reasons import reason_json

TIMEOUT_S = 10.0


class Heartbeat:
    """beat() is called by one thread every few seconds. url: None to disable."""

    def __init__(self, url: str | None, every_ms: int, is_alive: Callable[[], bool]) -> None:
        self._url = url
        self._every_ms = every_ms
        self._is_alive = is_alive
        self._tried_unix_ms: int | None = None
        self._done_unix_ms: int | None = None
        self._error: Reason | None = None

    def beat(self, now_unix_ms: int, broken: Mapping[str, Reason]) -> None:
        """Send the request if it is due and everything works."""
        if self._url is None:
            return
        if self._tried_unix_ms is not None and (
                0 <= now_unix_ms - self._tried_unix_ms < self._every_ms):
            return
        if not self._is_alive():
            self._error = Reason("beat_not_evaluated")
        elif broken:
            self._error = Reason("beat_not_delivered", targets=", ".join(broken))
        else:
            self._tried_unix_ms = now_unix_ms
            self._error = _ask(self._url)
            if self._error is None:
                self._done_unix_ms = now_unix_ms

    def status(self) -> dict[str, Any]:
        """Return the state for the page, without the address."""
        return {"is_set": self._url is not None, "done_unix_ms": self._done_unix_ms,
                "every_ms": self._every_ms, "error": reason_json(self._error)}


def _ask(url: str) -> Reason | None:
    """Return None or why it failed, without the address."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            answer.read(1_024)
    except urllib.error.HTTPError as error:
        return Reason("answered_with", status=error.code)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None)
        return Reason("no_answer", detail=type(why or error).__name__)
    return None
