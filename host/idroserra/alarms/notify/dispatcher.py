"""Delivers the notices in the outbox in a thread of its own, and retries until they are accepted.

A failed attempt is retried after 30 s, then after twice as long each time, up to 30 minutes, for a
day. Notices that wait for the same target are merged into one. A test is attempted once, and each
target gets a limited number of them, because a message may cost money.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from idroserra.alarms.notify.heartbeat import Heartbeat
from idroserra.alarms.notify.message import Notice, merged
from idroserra.alarms.notify.outbox import GIVE_UP_MS, LONGEST_RETRY_MS, Delivery, Outbox
from idroserra.alarms.notify.policy import LastNotification
from idroserra.alarms.notify.targets import Target
from idroserra.core.errors import StoreUnavailable, TooMany
from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import english, reason_json

FIRST_RETRY_MS = 30_000
BROKEN_TRIES = 2
POLL_S = 5.0
SHOWN_NOTICES = 10
MOST_TESTS, TESTS_MIN = 5, 10  # to one target

_log = logging.getLogger("idroserra")


class TooManyTests(TooMany):
    """A target had as many tests as it may have for now."""


class Dispatcher:
    """run() is the body of one thread; the rest may be called from any."""

    def __init__(
        self, outbox: Outbox, targets: Mapping[str, Target], heartbeat: Heartbeat,
        now_unix_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._targets = targets
        self._heartbeat = heartbeat
        self._now_unix_ms = now_unix_ms
        self._wake = threading.Event()
        self._is_stopping = False
        self._broken: dict[str, Reason] = {}
        self._lock = threading.Lock()
        self._tested_unix_ms: dict[str, list[int]] = {}

    @property
    def languages(self) -> set[str]:
        """The languages other than English that a target is configured for."""
        return {str(target.language) for target in self._targets.values()} - {"en"}

    def use(self, targets: Mapping[str, Target]) -> None:
        """Send to these targets from now on. Failures and tests of changed ones are
        forgotten."""
        with self._lock:
            for name, target in self._targets.items():
                if targets.get(name) is not target:
                    self._broken.pop(name, None)
                    self._tested_unix_ms.pop(name, None)
            self._targets = dict(targets)

    def run(self) -> None:
        """Send until stop()."""
        while not self._is_stopping:
            self.step()
            self._wake.wait(POLL_S)
            self._wake.clear()

    def stop(self) -> None:
        """End run() soon; unsent notices stay in the outbox."""
        self._is_stopping = True
        self._wake.set()

    def post(
        self, notice: Notice, notified: Sequence[LastNotification] = (), only: str | None = None
    ) -> int:
        """Keep a notice for every target that wants it, or for one, and wake run(); return its
        id. Raises TooManyTests for a test."""
        targets = [name for name, target in self._targets.items()
                   if only in (None, name) and target.wants(notice)]
        if notice.kind == "test":
            self._count_test(targets)
        number = self._outbox.post(notice, targets, notified)
        self._wake.set()
        return number

    def _count_test(self, targets: Sequence[str]) -> None:
        """Count a test of each target. Raises TooManyTests and counts none."""
        now = self._now_unix_ms()
        with self._lock:
            tested = {name: [then for then in self._tested_unix_ms.get(name, ())
                             if 0 <= now - then < TESTS_MIN * 60_000] for name in targets}
            for name, recent in tested.items():
                if len(recent) >= MOST_TESTS:
                    raise TooManyTests(Text(
                        N_("{name} had {count} tests in {minutes} min: try again later"),
                        name=name, count=MOST_TESTS, minutes=TESTS_MIN))
            self._tested_unix_ms |= {name: [*recent, now] for name, recent in tested.items()}

    def step(self) -> None:
        """Send what is due, at most one message to each target, and the heartbeat."""
        for name, waiting in self._outbox.due(self._now_unix_ms()).items():
            if self._is_stopping:
                return
            self._deliver(name, waiting)
        self._heartbeat.beat(self._now_unix_ms(), self.undelivered())

    def undelivered(self) -> dict[str, Reason]:
        """Return {target: why} of the targets that fail repeatedly."""
        return dict(self._broken)

    def status(self) -> dict[str, Any]:
        """Return the delivery status for the page: targets by name, without their addresses.

        unknown: why the deliveries cannot be read, "" if they can."""
        unknown, targets = "", list(self._targets.values())
        try:
            found = [self._status_of(target) for target in targets]
            notices = self.notices()
        except StoreUnavailable as error:
            unknown, notices = error.why, []
            found = [_target_json(target, self._broken.get(target.name)) for target in targets]
        return {"targets": found, "heartbeat": self._heartbeat.status(), "notices": notices,
                "unknown": unknown}

    def notices(self) -> list[dict[str, Any]]:
        """Return the newest notices with their deliveries. Raises StoreUnavailable."""
        return [_notice_json(notice, deliveries)
                for notice, deliveries in self._outbox.newest(SHOWN_NOTICES)]

    def _deliver(self, name: str, waiting: Sequence[tuple[Notice, Delivery]]) -> None:
        target = self._targets.get(name)
        if target is None:  # removed from the configuration
            self._outbox.mark([delivery._replace(state="failed", error=Reason("target_removed"))
                               for _, delivery in waiting])
            return
        tests = [one for one in waiting if one[0].kind == "test"]
        for group in (tests, [one for one in waiting if one[0].kind != "test"]):
            if group:
                self._send(target, group)

    def _send(self, target: Target, group: Sequence[tuple[Notice, Delivery]]) -> None:
        why = target.send(merged([notice for notice, _ in group], target.language))
        now = self._now_unix_ms()
        self._outbox.mark([_after(notice, delivery, why, now) for notice, delivery in group])
        tries = max(delivery.tries for _, delivery in group) + 1
        is_broken = why is not None and (
            tries >= BROKEN_TRIES or all(notice.kind == "test" for notice, _ in group))
        with self._lock:
            if self._targets.get(target.name) is target:  # not removed meanwhile
                self._set_broken(target.name, why, is_broken=is_broken)

    def _set_broken(self, name: str, why: Reason | None, *, is_broken: bool) -> None:
        if why is None:
            if self._broken.pop(name, None) is not None:
                _log.info("notifications to %s arrive again", name)
        elif is_broken:
            if name not in self._broken:
                _log.warning("notifications to %s do not arrive: %s", name, english(why))
            self._broken[name] = why

    def _status_of(self, target: Target) -> dict[str, Any]:
        sent = self._outbox.newest_of(target.name, "sent")
        waiting = self._outbox.newest_of(target.name, "waiting")
        failed = self._outbox.newest_of(target.name, "failed")
        error = self._broken.get(target.name)
        if waiting is not None and waiting.error is not None:
            error = waiting.error
        elif failed is not None and (sent is None or failed.notice > sent.notice):
            error = failed.error
        return _target_json(target, error, sent, waiting)


def _target_json(
    target: Target, error: Reason | None, sent: Delivery | None = None,
    waiting: Delivery | None = None,
) -> dict[str, Any]:
    return {
        "name": target.name, "service": target.service, "error": reason_json(error),
        "escalation_only": target.is_escalation_only, "language": target.language,
        "sent_unix_ms": None if sent is None else sent.done_unix_ms,
        "next_try_unix_ms": waiting.due_unix_ms if waiting and waiting.tries else None,
    }


def _notice_json(notice: Notice, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    return {
        "id": notice.id, "unix_ms": notice.unix_ms, "kind": notice.kind,
        "title": notice.title,
        "deliveries": [
            {"target": d.target, "state": d.state, "tries": d.tries,
             "error": reason_json(d.error), "done_unix_ms": d.done_unix_ms}
            for d in deliveries],
    }


def _after(notice: Notice, delivery: Delivery, why: Reason | None, now_unix_ms: int) -> Delivery:
    """Return a delivery after an attempt that failed for `why`, or succeeded if it is None."""
    tries = delivery.tries + 1
    if why is None:
        return delivery._replace(state="sent", tries=tries, done_unix_ms=now_unix_ms, error=None)
    is_over = notice.kind == "test" or now_unix_ms - notice.unix_ms >= GIVE_UP_MS
    wait_ms = min(FIRST_RETRY_MS * 2 ** min(tries - 1, 16), LONGEST_RETRY_MS)
    return delivery._replace(
        state="failed" if is_over else "waiting", tries=tries, error=why,
        due_unix_ms=now_unix_ms + wait_ms, done_unix_ms=now_unix_ms if is_over else None)
