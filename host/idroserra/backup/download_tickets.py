"""One-time tickets, each of which lets the holder who asked for it download one file."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Hashable

from idroserra.core.errors import Conflict
from idroserra.i18n.marker import N_

VALID_S = 5 * 60


class NoTicket(Conflict):
    """The ticket is unknown, used, expired, or of another holder."""


class DownloadTickets:
    """The newest ticket of each holder. Every method may be called from any thread."""

    def __init__(self, uptime_s: Callable[[], float] = time.monotonic) -> None:
        self._uptime_s = uptime_s
        self._lock = threading.Lock()
        self._tickets: dict[Hashable, tuple[str, float]] = {}  # (ticket, its end) by holder

    def issue(self, holder: Hashable) -> str:
        """Return a new ticket; an older one of the holder is void."""
        ticket, now_s = secrets.token_urlsafe(24), self._uptime_s()
        with self._lock:
            self._tickets = {one: (kept, until_s) for one, (kept, until_s) in self._tickets.items()
                             if now_s <= until_s}
            self._tickets[holder] = ticket, now_s + VALID_S
        return ticket

    def use(self, ticket: str, holder: Hashable) -> None:
        """Use up a ticket. Raises NoTicket."""
        with self._lock:
            issued, until_s = self._tickets.get(holder, ("", 0.0))
            if not issued or self._uptime_s() > until_s or not hmac.compare_digest(
                    issued.encode(), ticket.encode("utf-8", "replace")):
                raise NoTicket(N_("this download link was used or is older than 5 minutes: press "
                                  "Download on the backup page again"))
            del self._tickets[holder]
