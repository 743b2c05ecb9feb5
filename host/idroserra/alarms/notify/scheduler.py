"""Schedules notifications after each evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.notify.dispatcher import Dispatcher
from idroserra.alarms.notify.message import (
    Notice,
    alarm_notice,
    composed_in,
    daily_notice,
    notice_of_test,
)
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.notify.policy import WINDOW_MS, LastNotification, Policy, due_notice
from idroserra.alarms.rules import PRIORITIES
from idroserra.core.config import AlarmsConfig

DAILY_LATE_MIN = 120
DAILY_APART_MS = 12 * 3_600_000
_INHIBITED = ("shelved", "out_of_service")


class NotificationScheduler:
    """step() is called by the alarm thread, test() by any."""

    def __init__(
        self, alarms: AlarmEngine, outbox: Outbox, dispatcher: Dispatcher, config: AlarmsConfig,
        site: str, state_text: Callable[[str], str],
        minute_of_day: Callable[[int], int] | None = None,
    ) -> None:
        """`state_text` returns a node's state in words, "" if it is unknown."""
        self._alarms = alarms
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._site = site
        self._state_text = state_text
        self._minute_of_day = minute_of_day or local_minute
        self.use(config)

    @property
    def storage_error(self) -> str:
        """Why notices cannot be stored, "" if they can; they are sent all the same."""
        return self._outbox.failure

    def use(self, config: AlarmsConfig) -> None:
        """Notify by this configuration from now on."""
        self._policy = policy_of(config)
        self._daily_minute = None if config.daily_at is None else minute_of(config.daily_at)

    def step(self, now_unix_ms: int) -> None:
        """Post what is due, and store what could not be stored before."""
        self._notify(now_unix_ms)
        self._notify_daily(now_unix_ms)
        self._outbox.save()

    def test(self, by: str, now_unix_ms: int, only: str | None = None) -> int:
        """Send a test to every target, or to one; return the notice's id. Raises
        TooManyTests."""
        return self._post(lambda: notice_of_test(self._site, by, now_unix_ms), only=only)

    def _post(
        self, make: Callable[[], Notice], notified: Sequence[LastNotification] = (),
        only: str | None = None,
    ) -> int:
        """Compose a notice in every language of the targets, and post it; return its id."""
        notice = composed_in(self._dispatcher.languages, make)
        return self._dispatcher.post(notice, notified, only)

    def _notify(self, now_unix_ms: int) -> None:
        alarms = self._alarms.all()
        notified = self._outbox.last_notifications()
        states = {one.key: one.state for one in alarms}
        ended = [key for key, last in notified.items() if states.get(key) in _INHIBITED or (
            states.get(key, "normal") == "normal"
            and now_unix_ms - last.notified_unix_ms > WINDOW_MS)]
        if ended:
            self._outbox.forget(ended)
            notified = {key: last for key, last in notified.items() if key not in ended}
        due = due_notice(alarms, notified, self._outbox.sent_unix_ms(now_unix_ms), now_unix_ms,
                         self._minute_of_day(now_unix_ms), self._policy)
        if due is not None:
            self._post(lambda: alarm_notice(due.kind, due.about, alarms, self._site, now_unix_ms,
                                            self._state_text), due.notified)

    def _notify_daily(self, now_unix_ms: int) -> None:
        if self._daily_minute is None:
            return
        late_min = (self._minute_of_day(now_unix_ms) - self._daily_minute) % 1_440
        last = self._outbox.newest_unix_ms("daily") if late_min < DAILY_LATE_MIN else now_unix_ms
        if last is None or not 0 <= now_unix_ms - last < DAILY_APART_MS:
            alarms = self._alarms.all()
            self._post(lambda: daily_notice(alarms, self._site, now_unix_ms))


def policy_of(config: AlarmsConfig) -> Policy:
    """Return the notification policy of a configuration."""
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
