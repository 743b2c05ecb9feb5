"""Evaluates all alarms once a second, holds their states, and applies the operators' actions.

One lock serialises `step` and the actions. States are in memory and in alarms.db; if the file
cannot be written, the engine continues in memory and reports `storage_error`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from idroserra.alarms import state_machine
from idroserra.alarms.active import ActiveAlarm, Transition, transition_of
from idroserra.alarms.conditions import evaluate_rules
from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.finding import Finding
from idroserra.alarms.kpis import kpis
from idroserra.alarms.root_cause import Found, causes_of
from idroserra.alarms.rules import Rule
from idroserra.alarms.snapshot import Snapshot
from idroserra.alarms.state_machine import MOST_SHELVED_MS, NORMAL, Alarm
from idroserra.core.errors import Conflict, NotFound, StoreUnavailable
from idroserra.core.reasons import Reason

MOST_UNSAVED = 10_000


class UnknownAlarm(NotFound):
    """The key names no alarm that is not normal."""


class AlarmRefused(Conflict):
    """The action does not apply to the alarm's state."""


class AlarmEngine:
    """States of all alarms. Every method may be called from any thread."""

    def __init__(self, rules: Mapping[str, Rule], database: AlarmDatabase) -> None:
        self._rules = rules
        self._database = database
        self._lock = threading.RLock()
        self._alarms = database.not_normal(rules)
        self._unsaved: dict[str, ActiveAlarm] = {}
        self._journal: list[Transition] = []
        self.evaluated_unix_ms: int | None = None
        self.storage_error = ""
        self.revision = 0

    def use_rules(self, rules: Mapping[str, Rule]) -> None:
        """Evaluate these rules from now on. Alarms of a rule that is off end at the next step."""
        with self._lock:
            self._rules = rules
            self._alarms = {
                key: one._replace(rule=rules[one.rule.name].of(one.node)
                                  if one.rule.name in rules else replace(one.rule, enabled=False))
                for key, one in self._alarms.items()}

    def all(self) -> list[ActiveAlarm]:
        """Return every alarm that is not normal, unsorted."""
        with self._lock:
            return list(self._alarms.values())

    def title(self, rule: str) -> str:
        """Return a rule's title, or its name if the rule no longer exists."""
        return self._rules[rule].title if rule in self._rules else rule

    def history(
        self, from_unix_ms: int, to_unix_ms: int, limit: int, node: str | None = None,
        site: str | None = None,
    ) -> list[Transition]:
        """Return the newest `limit` transitions of [from, to), oldest first: of a node, or of a
        site and the host. Raises StoreUnavailable."""
        return self._database.history(from_unix_ms, to_unix_ms, limit, node, site)

    def standing(self, node: str, unix_ms: int) -> list[Transition]:
        """Return the transitions, oldest first, since which alarms of a node were active at a
        time, and neither shelved nor out of service. Raises StoreUnavailable."""
        return self._database.standing(node, unix_ms)

    def rename_site(self, site: str, name: str) -> None:
        """Rename a site in the journal. Raises StoreUnavailable."""
        self._database.rename_site(site, name)

    def kpis(
        self, sites: Iterable[str], from_unix_ms: int, to_unix_ms: int
    ) -> list[dict[str, Any]]:
        """Return the alarm statistics of each site over [from, to). Raises StoreUnavailable."""
        raised = self._database.raised(from_unix_ms, to_unix_ms)
        return kpis(raised, self.all(), sites, from_unix_ms, to_unix_ms)

    def step(self, snapshot: Snapshot) -> list[Transition]:
        """Evaluate a snapshot; return the transitions. Never raises StoreUnavailable."""
        now = snapshot.now_unix_ms
        with self._lock:
            found = evaluate_rules(self._rules, snapshot, self._is_active, self._alarms)
            changes = self._apply(found, now) + self._end_unfound(found, now)
            self._save()
            self.evaluated_unix_ms = now
            return changes

    def acknowledge(self, keys: Iterable[str], by: str, comment: str, now_unix_ms: int) -> int:
        """Acknowledge alarms; return how many changed.

        Suppressed alarms are not touched: they are annunciated if they outlive their cause. Raises
        UnknownAlarm and changes nothing."""
        return self._change(keys, state_machine.acknowledged, by, comment, now_unix_ms)

    def shelve(self, key: str, for_ms: int, by: str, comment: str, now_unix_ms: int) -> None:
        """Shelve an alarm for a time. Raises UnknownAlarm, AlarmRefused."""
        if not 0 < for_ms <= MOST_SHELVED_MS:
            raise AlarmRefused("for_ms: more than 0 and at most 7 days")
        self._change([key], lambda alarm: state_machine.shelved(alarm, now_unix_ms + for_ms), by,
                     comment, now_unix_ms)

    def unshelve(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Unshelve an alarm before its time. Raises UnknownAlarm, AlarmRefused."""
        self._must_be(key, "shelved")
        self._change([key], state_machine.unshelved, by, comment, now_unix_ms)

    def take_out_of_service(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Take an alarm out of service until it is returned. Raises UnknownAlarm."""
        self._change([key], state_machine.take_out_of_service, by, comment, now_unix_ms)

    def return_to_service(self, key: str, by: str, comment: str, now_unix_ms: int) -> None:
        """Return an alarm to service. Raises UnknownAlarm, AlarmRefused."""
        self._must_be(key, "out_of_service")
        self._change([key], state_machine.return_to_service, by, comment, now_unix_ms)

    def forget(self, node: str, by: str, now_unix_ms: int) -> None:
        """End the alarms of a node that is forgotten, also those that are shelved or out of
        service: the next board of this name has its own. Raises StoreUnavailable."""
        with self._lock:
            for old in [one for one in self._alarms.values() if one.node == node]:
                is_pending = old.state == "normal"
                self._replace(
                    old._replace(alarm=NORMAL), now_unix_ms, "" if is_pending else by)
            self._save_or_raise()

    def _is_active(self, key: str) -> bool:
        active = self._alarms.get(key)
        return active is not None and active.alarm.is_active

    def _apply(self, found: Found, now_unix_ms: int) -> list[Transition]:
        """Evaluate every condition, suppress what has a cause; return the transitions."""
        evaluated = {key: _evaluated(self._alarm(key), rule, finding.is_present, now_unix_ms)
                     for key, (rule, finding) in found.items()}

        def may_cause(key: str) -> bool:
            alarm = evaluated[key]
            pending = not alarm.is_active and alarm.turning_unix_ms is not None
            return (alarm.is_active or pending) and not alarm.is_out_of_service

        causes = causes_of(found, may_cause)
        changes: list[Transition] = []
        for key, (rule, finding) in found.items():
            alarm = state_machine.with_cause(evaluated[key], causes.get(key, ""))
            reason = finding.reason if finding.is_present or not alarm.is_active else None
            changes += self._put(key, rule, finding, alarm, reason, now_unix_ms)
        return changes

    def _end_unfound(self, found: Found, now_unix_ms: int) -> list[Transition]:
        """End the alarms whose subject is gone, such as a removed node or channel."""
        changes: list[Transition] = []
        for key in [key for key in self._alarms if key not in found]:
            old = self._alarms[key]
            alarm = _evaluated(old.alarm, old.rule, False, now_unix_ms)
            changes += self._replace(
                old._replace(alarm=state_machine.with_cause(alarm, "")), now_unix_ms)
        return changes

    def _alarm(self, key: str) -> Alarm:
        active = self._alarms.get(key)
        return NORMAL if active is None else active.alarm

    def _put(
        self, key: str, rule: Rule, finding: Finding, alarm: Alarm, reason: Reason | None,
        now_unix_ms: int,
    ) -> list[Transition]:
        """Store an alarm after an evaluation; without a reason it keeps the one it has."""
        old = self._alarms.get(key)
        if old is None:
            if alarm == NORMAL:
                return []
            old = ActiveAlarm(key, rule, finding.site, finding.node, finding.part,
                              changed_unix_ms=now_unix_ms)
        elif alarm is old.alarm and finding.site == old.site and (
                reason is None or reason == old.reason):
            return []
        return self._replace(
            old._replace(alarm=alarm, site=finding.site,
                         reason=old.reason if reason is None else reason), now_unix_ms)

    def _replace(
        self, new: ActiveAlarm, now_unix_ms: int, by: str = "", comment: str = ""
    ) -> list[Transition]:
        """Store an alarm's new state, journal the transition, drop what is back to normal."""
        old = self._alarms.get(new.key)
        was = NORMAL.state if old is None else old.state
        changes: list[Transition] = []
        if was != new.state or by:
            new = new._replace(changed_unix_ms=now_unix_ms)
            changes.append(transition_of(was, new, now_unix_ms, by, comment))
            self.revision += 1
        is_same = old is not None and old.alarm is new.alarm and old.site == new.site
        if not is_same and (old is None or _saved_part(old) != _saved_part(new)):
            self._unsaved[new.key] = new
        if new.alarm.is_normal:
            self._alarms.pop(new.key, None)
        else:
            self._alarms[new.key] = new
        self._journal = (self._journal + changes)[-MOST_UNSAVED:] if changes else self._journal
        return changes

    def _change(
        self, keys: Iterable[str], action: Callable[[Alarm], Alarm], by: str, comment: str,
        now_unix_ms: int,
    ) -> int:
        with self._lock:
            count = 0
            for old in [self._get(key) for key in dict.fromkeys(keys)]:
                alarm = action(old.alarm)
                if alarm != old.alarm:
                    count += 1
                    self._replace(old._replace(alarm=alarm), now_unix_ms, by, comment)
            self._save_or_raise()
            return count

    def _get(self, key: str) -> ActiveAlarm:
        found = self._alarms.get(key)
        if found is None or found.state == "normal":
            raise UnknownAlarm(f"no active alarm {key[:80]}")
        return found

    def _must_be(self, key: str, state: str) -> None:
        with self._lock:
            if self._get(key).state != state:
                raise AlarmRefused(f"{key[:80]}: is not {state.replace('_', ' ')}")

    def _save_or_raise(self) -> None:
        self._save()
        if self.storage_error:
            raise StoreUnavailable(self.storage_error)

    def _save(self) -> None:
        if self._unsaved or self._journal:
            try:
                self._database.save(self._unsaved.values(), self._journal)
            except StoreUnavailable as error:
                self.storage_error = error.why
                return
            self._unsaved.clear()
            self._journal = []
        self.storage_error = ""


def _evaluated(alarm: Alarm, rule: Rule, is_present: bool | None, now_unix_ms: int) -> Alarm:
    off_delay_ms = rule.off_delay_s * 1_000 if rule.enabled else 0  # off: ends at once
    return state_machine.evaluate(
        state_machine.expire_shelving(alarm, now_unix_ms), is_present, now_unix_ms,
        rule.on_delay_s * 1_000, off_delay_ms, auto_ack=rule.auto_ack)


def _saved_part(active: ActiveAlarm) -> tuple[object, ...]:
    """Return what is worth a write: neither the reason nor a running delay."""
    return active._replace(reason=None, alarm=active.alarm._replace(turning_unix_ms=None))
