"""Decides, after every look, whether people are told now, and of what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.notify.dispatcher import Dispatcher
from idroserra.alarms.notify.message import (
    Notice,
    daily_notice,
    notice_of,
    notice_of_test,
    written_in,
)
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.notify.policy import WINDOW_MS, LastNotification, Policy, plan
from idroserra.alarms.rules import PRIORITIES
from idroserra.core.config import AlarmsConfig
from idroserra.core.errors import StoreUnavailable

DAILY_LATE_MIN = 120
DAILY_APART_MS = 12 * 3_600_000
_PUT_ASIDE = ("shelved", "out_of_service")


class NotificationScheduler:
    """step() is called by the thread of the alarms; test() by any."""

    def __init__(
        self, alarms: AlarmEngine, outbox: Outbox, deliveries: Dispatcher, config: AlarmsConfig,
        site: str, minute_of_day: Callable[[int], int] | None = None,
    ) -> None:
        self._alarms = alarms
        self._outbox = outbox
        self._deliveries = deliveries
        self._site = site
        self._minute_of_day = minute_of_day or local_minute
        self._policy = policy_of(config)
        self._daily_minute = None if config.daily_at is None else minute_of(config.daily_at)
        self.trouble = ""

    def step(self, now_unix_ms: int) -> None:
        """Tell what is due. Where it cannot be written down it is told later, and `trouble` says
        why."""
        try:
            self._tell(now_unix_ms)
            self._tell_daily(now_unix_ms)
        except StoreUnavailable as error:
            self.trouble = error.why
        else:
            self.trouble = ""

    def test(self, by: str, now_unix_ms: int) -> int:
        """Send a test to every address; return the notice's id. Raises StoreUnavailable."""
        return self._post(lambda: notice_of_test(self._site, by, now_unix_ms))

    def _post(self, make: Callable[[], Notice], told: Sequence[LastNotification] = ()) -> int:
        """Write a notice in every language somebody is told in, and send it."""
        return self._deliveries.post(written_in(self._deliveries.languages, make), told)

    def _tell(self, now_unix_ms: int) -> None:
        standing = self._alarms.all()
        told = self._outbox.told()
        states = {one.key: one.state for one in standing}
        ended = [key for key, last in told.items() if states.get(key) in _PUT_ASIDE or (
            states.get(key, "normal") == "normal"
            and now_unix_ms - last.told_unix_ms > WINDOW_MS)]
        if ended:
            self._outbox.forget(ended)
            told = {key: last for key, last in told.items() if key not in ended}
        due = plan(standing, told, self._outbox.sent_unix_ms(now_unix_ms), now_unix_ms,
                   self._minute_of_day(now_unix_ms), self._policy)
        if due is not None:
            self._post(lambda: notice_of(
                due.kind, due.about, standing, self._site, now_unix_ms), due.told)

    def _tell_daily(self, now_unix_ms: int) -> None:
        if self._daily_minute is None:
            return
        late_min = (self._minute_of_day(now_unix_ms) - self._daily_minute) % 1_440
        last = self._outbox.newest_unix_ms("daily") if late_min < DAILY_LATE_MIN else now_unix_ms
        if last is None or now_unix_ms - last >= DAILY_APART_MS:
            standing = self._alarms.all()
            self._post(lambda: daily_notice(standing, self._site, now_unix_ms))


def policy_of(config: AlarmsConfig) -> Policy:
    """Return what the configuration says about telling."""
    quiet = None
    if config.quiet_from is not None and config.quiet_until is not None:
        quiet = (minute_of(config.quiet_from), minute_of(config.quiet_until))
    return Policy(PRIORITIES.index(config.notify_from), config.gather_s * 1_000, quiet)


def minute_of(text: str) -> int:
    """Return the minute of the day of "22:30"."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def local_minute(unix_ms: int) -> int:
    """Return the minute of the day of the host's local time."""
    local = datetime.fromtimestamp(unix_ms / 1_000)
    return local.hour * 60 + local.minute
