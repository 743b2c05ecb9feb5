"""Whether each node may dose, as far as the host was told: from its events and its settings.

The node keeps the truth; the newest of its stopped, resumed and latched events says what it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from idroserra.errors import StoreError
from idroserra.store import Store
from idroserra.web.words import reason_text

KINDS = ("stopped", "resumed", "latched")
LOOK_BACK_MS = 90 * 86_400_000
ASK_EVERY_MS = 10_000


class DosingState(NamedTuple):
    """state: on, off (only watching), stopped, latched or unknown. label and text are words."""

    state: str
    level: str
    label: str
    text: str
    since_unix_ms: int | None
    by: str
    reason: str
    is_old: bool = False

    def when_last_heard(self) -> DosingState:
        """Return the same of a node that is out of contact: no longer a fact, so no green."""
        level = "note" if self.level == "ok" else self.level
        return self._replace(level=level, text=f"{self.text}, when last heard", is_old=True)


class _Latest(NamedTuple):
    unix_us: int
    kind: str
    detail: Mapping[str, Any]


class DosingStates:
    """The newest dosing event of each node: from the stream, and now and then from the store,
    where what a node tells late of its time without a network arrives too."""

    def __init__(self, store: Callable[[], Store], now_unix_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._latest: dict[str, _Latest] = {}
        self._asked: set[str] = set()
        self._ask_unix_ms: dict[str, int] = {}

    def take(self, node: str, unix_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Note an event of the live stream; other kinds and older ones are passed over."""
        if kind not in KINDS:
            return
        with self._lock:
            known = self._latest.get(node)
            if known is None or known.unix_us <= unix_us:
                self._latest[node] = _Latest(unix_us, kind, detail)

    def get(self, node: str, enabled: bool | None) -> DosingState:
        """Return the state; `enabled` is the setting dosing.enabled in force, None if unknown."""
        known_all = self._ask_store(node)
        with self._lock:
            latest = self._latest.get(node)
        if latest is not None and latest.kind != "resumed":
            return _held(latest)
        if not known_all or enabled is None:
            return DosingState("unknown", "note", "Dosing unknown",
                               "Not known yet whether it may dose", None, "", "")
        if not enabled:
            return DosingState("off", "note", "Only watching",
                               "Only watching: dosing is off in the setpoints", None, "", "")
        return DosingState("on", "ok", "Dosing by itself", "Dosing by itself", None, "", "")

    def _ask_store(self, node: str) -> bool:
        """Read the node's past where it is time to. False while it could never be read."""
        now = self._now_unix_ms()
        with self._lock:
            was_asked = node in self._asked
            if now < self._ask_unix_ms.get(node, 0):
                return was_asked
            self._ask_unix_ms[node] = now + ASK_EVERY_MS
        try:
            events = self._store().events(node, now - LOOK_BACK_MS, now + 60_000, KINDS)
        except StoreError:
            return was_asked
        for event in events:
            self.take(node, event.unix_us, event.kind, event.detail)
        with self._lock:
            self._asked.add(node)
        return True


def _held(latest: _Latest) -> DosingState:
    by, reason = str(latest.detail.get("by") or ""), reason_text(latest.detail.get("reason"))
    since = latest.unix_us // 1000
    if latest.kind == "stopped":
        who = f" by {by}" if by else ""
        return DosingState("stopped", "warn", "Dosing stopped", f"All dosing is stopped{who}",
                           since, by, reason)
    why = f": {reason}" if reason else ""
    return DosingState("latched", "bad", "Dosing locked",
                       f"Dosing is locked until a person looks{why}", since, by, reason)
