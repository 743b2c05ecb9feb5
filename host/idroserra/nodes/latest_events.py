"""Caches the latest event of each kind of every node, and the boots of the last day.

The ingest adds events as they are committed. The store is read too: at the start of the host for
the past, and again every minute, because a node's history may be loaded into the store directly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from idroserra.core.errors import StoreError
from idroserra.history.models import Store

BOOT = "boot"
DECIDED = "decided"
FAULT_BEGAN = "fault_began"
LEDGER_FAILED = "ledger_failed"  # a flash_failed event of the dose ledger, kept beside the others
WHOLE_DOSE = "whole_dose"  # a dosed event of control that nothing cut, kept beside the others
HOLDS = ("stopped", "latched")
DAY_MS = 86_400_000
LOOK_AHEAD_MS = 60_000
ASK_EVERY_MS = 60_000
MAX_SUBJECTS = 128  # loops and channels of a node; a real one has 40
MAX_BOOTS = 1_000  # of a node within a day
MAX_READ = 5_000  # decisions, doses or faults of a node
RETRY_MS = 15_000  # a query to a store that does not answer takes its whole time-out


class Event(NamedTuple):
    """One event of a node."""

    unix_us: int
    kind: str
    detail: Mapping[str, Any]
    boot_id: str = ""

    @property
    def unix_ms(self) -> int:
        """The time in ms."""
        return self.unix_us // 1_000


class _Query(NamedTuple):
    """Which kinds are read from the store, how far back, how often, and the newest of each kind
    that are read: one node may have any number of events."""

    kinds: tuple[str, ...]
    back_ms: int
    every_ms: int
    newest: int


_STATES = _Query(
    (*HOLDS, "resumed", "dosed", "correction", "authority", BOOT, "water", "flash_failed",
     "gap", "armed", "irrigation_no_flow", "irrigation_stuck_on", "air_too_hot", "air_warms",
     "update_offered", "update_refused", "update_downloaded", "update_trial", "update_confirmed",
     "update_reverted"), 90 * DAY_MS, ASK_EVERY_MS, 1)
# Of these more than the newest one counts; the ingest adds what comes after the first read.
_REPEATED = _Query((BOOT, "flash_failed"), 90 * DAY_MS, DAY_MS, MAX_BOOTS)
# Decisions, doses and faults are frequent: only those of the last day are read, once.
_DOSES = _Query((DECIDED, "dosed", FAULT_BEGAN), DAY_MS, DAY_MS, MAX_READ)
# A decision is reported when it changes: that of a loop that waits may be much older.
_DECISIONS = _Query((DECIDED,), 30 * DAY_MS, DAY_MS, MAX_READ)
_KINDS = frozenset(_STATES.kinds + _DOSES.kinds)


class LatestEvents:
    """The latest event of each kind, and the latest decision of each loop. Thread-safe."""

    def __init__(self, store: Callable[[], Store], now_unix_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._events: dict[str, dict[str, Event]] = {}
        self._boots_unix_ms: dict[str, set[int]] = {}
        self._read: set[tuple[str, _Query]] = set()
        self._asked_unix_ms: dict[tuple[str, _Query], int] = {}
        self._failed_unix_ms: int | None = None

    def take(
        self, node: str, unix_us: int, kind: str, detail: Mapping[str, Any], boot_id: str = ""
    ) -> None:
        """Add an event; events of other kinds and older events are ignored."""
        if kind not in _KINDS:
            return
        with self._lock:
            if kind == BOOT:
                boots = self._boots_unix_ms.setdefault(node, set())
                boots.add(unix_us // 1_000)
                if len(boots) > MAX_BOOTS:
                    boots.remove(min(boots))
            known = self._events.setdefault(node, {})
            for key in _keys(kind, detail):
                if key not in known or known[key].unix_us <= unix_us:
                    known[key] = Event(unix_us, kind, detail, boot_id)
            if len(known) > MAX_SUBJECTS:
                _drop_oldest_subject(known)

    def newest(self, node: str, *kinds: str) -> Event | None:
        """Return the latest event of these kinds, or None."""
        with self._lock:
            known = self._events.get(node, {})
            found = [known[kind] for kind in kinds if kind in known]
        return max(found, key=lambda event: event.unix_us, default=None)

    def decision(self, node: str, loop: str) -> Event | None:
        """Return the latest decision of a control loop, or None."""
        return self.newest(node, f"{DECIDED} {loop}")

    def all(self, node: str) -> dict[str, Event]:
        """Return the latest event of each kind; of decisions and faults by loop and channel:
        `decided <loop>`, `fault_began <channel>`."""
        with self._lock:
            return dict(self._events.get(node, {}))

    def boots_unix_ms(self, node: str) -> tuple[int, ...]:
        """Return when the node started within the last day, oldest first."""
        since_unix_ms = self._now_unix_ms() - DAY_MS
        with self._lock:
            boots = self._boots_unix_ms.get(node, set())
            boots -= {unix_ms for unix_ms in boots if unix_ms <= since_unix_ms}
            return tuple(sorted(boots))

    def is_read(self, node: str, *, with_doses: bool = False) -> bool:
        """Read the node's past from the store if due. Return False if that never succeeded.

        with_doses: decisions and doses too."""
        queries = (_STATES, _REPEATED, _DOSES) if with_doses else (_STATES, _REPEATED)
        return all([self._is_read(node, query) for query in queries])

    def has_decisions(self, node: str, loops: Iterable[str]) -> bool:
        """Read decisions of the last month if the last day has none of one of the loops. Return
        False if that never succeeded."""
        with self._lock:
            known = self._events.get(node, {})
            if all(f"{DECIDED} {loop}" in known for loop in loops):
                return True
        return self._is_read(node, _DECISIONS)

    def _is_read(self, node: str, query: _Query) -> bool:
        now, key = self._now_unix_ms(), (node, query)
        with self._lock:
            was_read = key in self._read
            if (_is_within(self._asked_unix_ms.get(key), now, query.every_ms)
                    or _is_within(self._failed_unix_ms, now, RETRY_MS)):
                return was_read
            self._asked_unix_ms[key] = now
        try:
            events = self._store().newest_events(
                node, now - query.back_ms, now + LOOK_AHEAD_MS, query.kinds, query.newest)
        except StoreError:
            with self._lock:
                self._failed_unix_ms = now
                del self._asked_unix_ms[key]
            return was_read
        for event in events:
            self.take(node, event.unix_us, event.kind, event.detail, event.boot_id)
        with self._lock:
            self._read.add(key)
        return True


def without_ended_holds(events: Mapping[str, Event], boot_id: str) -> dict[str, Event]:
    """Return the events without a stop or latch that is shown to be over by a dose of the running
    boot. While one lasts, the node's safety gate refuses every dose and cuts the running one: the
    ledger is another one, after a change of the board or an erase.

    Not within a boot: a dose that has just ended is recorded after the stop. Between two boots the
    dose must be later, too: the time of a boot may be wrong, but is the same for all its records.
    """
    dose = events.get(WHOLE_DOSE)
    if dose is None or not boot_id or dose.boot_id != boot_id:
        return dict(events)

    def is_over(hold: Event) -> bool:
        return hold.boot_id not in ("", boot_id) and hold.unix_ms < dose.unix_ms

    return {key: event for key, event in events.items()
            if event.kind not in HOLDS or not is_over(event)}


def _keys(kind: str, detail: Mapping[str, Any]) -> tuple[str, ...]:
    """Return under which keys an event is kept."""
    if kind == DECIDED:
        return (f"{DECIDED} {detail.get('loop')}",)
    if kind == FAULT_BEGAN:
        return (f"{FAULT_BEGAN} {detail.get('channel')}",)
    if kind == "flash_failed" and detail.get("part") == "ledger":
        return kind, LEDGER_FAILED
    if kind == "dosed" and detail.get("by") == "control" and not detail.get("cut"):
        return kind, WHOLE_DOSE
    return (kind,)


def _drop_oldest_subject(known: dict[str, Event]) -> None:
    """Forget the oldest decision or fault above MAX_SUBJECTS."""
    subjects = [key for key, event in known.items() if event.kind in (DECIDED, FAULT_BEGAN)]
    if len(subjects) > MAX_SUBJECTS:
        del known[min(subjects, key=lambda key: known[key].unix_us)]


def _is_within(unix_ms: int | None, now_unix_ms: int, for_ms: int) -> bool:
    """True for for_ms after unix_ms; a clock that was set back does not extend it."""
    return unix_ms is not None and 0 <= now_unix_ms - unix_ms < for_ms
