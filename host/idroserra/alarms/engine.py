"""The alarms of a host: looks at everything once a second, keeps what stands, does what is asked.

`step` and the requests of people go through one lock. What stands is in memory and in alarms.db;
where the file cannot be written, memory goes on and the page says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from idroserra.alarms.active import ActiveAlarm, Transition, change_of
from idroserra.alarms.conditions import judged
from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.finding import Finding
from idroserra.alarms.kpis import kpis
from idroserra.alarms.root_cause import Found, causes_of
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import Snapshot
from idroserra.alarms.state_machine import (
    NORMAL,
    Alarm,
    acknowledged,
    evaluate,
    expire_shelving,
    return_to_service,
    shelved,
    take_out_of_service,
    unshelved,
    with_cause,
)
from idroserra.core.errors import HostError, StoreUnavailable

MOST_SHELVED_MS = 7 * 86_400_000
MOST_UNSAVED = 10_000


class UnknownAlarm(HostError):
    """There is no alarm of this key now."""


class AlarmRefused(HostError):
    """What was asked of an alarm makes no sense in its state."""


class AlarmEngine:
    """What stands. Every method may be called from any thread."""

    def __init__(self, rules: Mapping[str, Rule], book: AlarmDatabase) -> None:
        self._rules = rules
        self._book = book
        self._lock = threading.RLock()
        self._standing = book.standing(rules)
        self._unsaved: dict[str, ActiveAlarm] = {}
        self._journal: list[Transition] = []
        self.evaluated_unix_ms: int | None = None
        self.trouble = ""
        self.revision = 0

    def all(self) -> list[ActiveAlarm]:
        """Return every alarm that is not normal, unsorted."""
        with self._lock:
            return list(self._standing.values())

    def title(self, rule: str) -> str:
        """Return a rule's title; its name where there is no such rule any more."""
        return self._rules[rule].title if rule in self._rules else rule

    def history(
        self, from_unix_ms: int, to_unix_ms: int, limit: int, node: str | None = None,
        site: str | None = None,
    ) -> list[Transition]:
        """Return the newest `limit` changes of [from, to), oldest first: of a node; of a site,
        with what concerns all of them. Raises StoreUnavailable."""
        return self._book.history(from_unix_ms, to_unix_ms, limit, node, site)

    def rename_site(self, site: str, name: str) -> None:
        """Let what happened at a site be found under its new name. Raises StoreUnavailable."""
        self._book.rename_site(site, name)

    def kpis(
        self, sites: Iterable[str], from_unix_ms: int, to_unix_ms: int
    ) -> list[dict[str, Any]]:
        """Return the figures of each site over [from, to). Raises StoreUnavailable."""
        raised = self._book.raised(from_unix_ms, to_unix_ms)
        return kpis(raised, self.all(), sites, from_unix_ms, to_unix_ms)

    def step(self, facts: Snapshot) -> list[Transition]:
        """Look at a picture; return what changed. Raises nothing where the file is broken."""
        now = facts.now_unix_ms
        with self._lock:
            found = judged(self._rules, facts, self._is_active, self._standing)
            changes = self._turn(found, now)
            changes += self._end_unfound(found, now)
            self._save()
            self.evaluated_unix_ms = now
            return changes

    def acknowledge(self, keys: Iterable[str], by: str, comment: str, now_unix_ms: int) -> int:
        """Say that somebody knows of these; return how many asked for it.

        What an alarm explains is not touched: it is told when it outlives its cause. Raises
        UnknownAlarm and changes nothing."""
        return self._ask(keys, acknowledged, by, comment, now_unix_ms)

    def shelve(self, key: str, for_ms: int, by: str, comment: str, now_unix_ms: int) -> None:
        """Put an alarm aside for a time. Raises UnknownAlarm, AlarmRefused."""
        if not 0 < for_ms <= MOST_SHELVED_MS:
            raise AlarmRefused("for_ms: more than 0 and at most 7 days")
        self._ask([key], lambda alarm: shelved(alarm, now_unix_ms + for_ms), by, comment,
                  now_unix_ms)

    def unshelve(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Take an alarm back before its time. Raises UnknownAlarm, AlarmRefused."""
        self._must_be(key, "shelved")
        self._ask([key], unshelved, by, comment, now_unix_ms)

    def take_out(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Take an alarm out of service until somebody puts it back. Raises UnknownAlarm."""
        self._ask([key], take_out_of_service, by, comment, now_unix_ms)

    def put_back(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Put an alarm back into service. Raises UnknownAlarm, AlarmRefused."""
        self._must_be(key, "out_of_service")
        self._ask([key], return_to_service, by, comment, now_unix_ms)

    def _is_active(self, key: str) -> bool:
        standing = self._standing.get(key)
        return standing is not None and standing.alarm.is_active

    def _turn(self, found: Found, now_unix_ms: int) -> list[Transition]:
        """Sense every condition, then fold what is explained, and return what changed."""
        turned = {key: _sensed(self._alarm(key), rule, finding.is_present, now_unix_ms)
                  for key, (rule, finding) in found.items()}

        def stands(key: str) -> bool:
            alarm = turned[key]
            pending = not alarm.is_active and alarm.turning_unix_ms is not None
            return (alarm.is_active or pending) and not alarm.is_out_of_service

        causes = causes_of(found, stands)
        changes: list[Transition] = []
        for key, (rule, finding) in found.items():
            alarm = turned[key]
            cause = causes.get(key, "")
            alarm = with_cause(alarm, cause)
            text = finding.text if finding.is_present or not alarm.is_active else None
            changes += self._put(key, rule, finding, alarm, text, now_unix_ms)
        return changes

    def _end_unfound(self, found: Found, now_unix_ms: int) -> list[Transition]:
        """What nothing is found about any more (a node or channel that is gone) is over."""
        changes: list[Transition] = []
        for key in [key for key in self._standing if key not in found]:
            old = self._standing[key]
            alarm = _sensed(old.alarm, old.rule, False, now_unix_ms)
            changes += self._replace(old._replace(alarm=with_cause(alarm, "")), now_unix_ms)
        return changes

    def _alarm(self, key: str) -> Alarm:
        standing = self._standing.get(key)
        return NORMAL if standing is None else standing.alarm

    def _put(
        self, key: str, rule: Rule, finding: Finding, alarm: Alarm, text: str | None,
        now_unix_ms: int,
    ) -> list[Transition]:
        old = self._standing.get(key)
        if old is None:
            if alarm == NORMAL:
                return []
            old = ActiveAlarm(key, rule, finding.site, finding.node, finding.part,
                           changed_unix_ms=now_unix_ms)
        elif alarm is old.alarm and finding.site == old.site and text in (None, old.text):
            return []
        return self._replace(
            old._replace(alarm=alarm, site=finding.site,
                         text=old.text if text is None else text), now_unix_ms)

    def _replace(
        self, new: ActiveAlarm, now_unix_ms: int, by: str = "", comment: str = ""
    ) -> list[Transition]:
        """Keep an alarm's new state, note the change, and forget what is wholly normal."""
        old = self._standing.get(new.key)
        was = NORMAL.state if old is None else old.state
        changes: list[Transition] = []
        if was != new.state or by:
            new = new._replace(changed_unix_ms=now_unix_ms)
            changes.append(change_of(was, new, now_unix_ms, by, comment))
            self.revision += 1
        is_same = old is not None and old.alarm is new.alarm and old.site == new.site
        if not is_same and (old is None or _kept(old) != _kept(new)):
            self._unsaved[new.key] = new
        is_over = new.state == "normal" and new.alarm == NORMAL._replace(
            raised_unix_ms=new.alarm.raised_unix_ms)
        if is_over:
            self._standing.pop(new.key, None)
        else:
            self._standing[new.key] = new
        self._journal = (self._journal + changes)[-MOST_UNSAVED:] if changes else self._journal
        return changes

    def _ask(
        self, keys: Iterable[str], turn: Callable[[Alarm], Alarm], by: str, comment: str,
        now_unix_ms: int,
    ) -> int:
        with self._lock:
            asked = [self._get(key) for key in dict.fromkeys(keys)]
            count = 0
            for old in asked:
                alarm = turn(old.alarm)
                if alarm != old.alarm:
                    count += 1
                    self._replace(old._replace(alarm=alarm), now_unix_ms, by, comment)
            self._save()
            if self.trouble:
                raise StoreUnavailable(self.trouble)
            return count

    def _get(self, key: str) -> ActiveAlarm:
        found = self._standing.get(key)
        if found is None or found.state == "normal":
            raise UnknownAlarm(f"no alarm {key[:80]} stands")
        return found

    def _must_be(self, key: str, state: str) -> None:
        with self._lock:
            if self._get(key).state != state:
                raise AlarmRefused(f"{key[:80]}: is not {state.replace('_', ' ')}")

    def _save(self) -> None:
        if not self._unsaved and not self._journal:
            self.trouble = ""
            return
        try:
            self._book.save(self._unsaved.values(), self._journal)
        except StoreUnavailable as error:
            self.trouble = error.why
            return
        self._unsaved.clear()
        self._journal = []
        self.trouble = ""


def _sensed(alarm: Alarm, rule: Rule, is_present: bool | None, now_unix_ms: int) -> Alarm:
    return evaluate(
        expire_shelving(alarm, now_unix_ms),
        is_present,
        now_unix_ms,
        rule.on_delay_s * 1_000,
        rule.off_delay_s * 1_000,
        auto_ack=rule.auto_ack,
    )


def _kept(standing: ActiveAlarm) -> tuple[object, ...]:
    """What of an alarm is worth a write: not its wording, nor a delay that is running."""
    return standing._replace(text="", alarm=standing.alarm._replace(turning_unix_ms=None))
