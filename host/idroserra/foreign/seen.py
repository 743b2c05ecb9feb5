"""The list of values that were seen and can be adopted. It is bounded, whatever a client sends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from idroserra.foreign.messages import Value

MAX_SEEN = 400
HELD_MS = 600_000  # a full list replaces only a value that was not heard for so long
FORGOTTEN_MS = 86_400_000


class Seen(NamedTuple):
    """A value that was seen. number: None if the broker had kept it: then its age is unknown."""

    device: str
    source: str
    value: Value
    number: float | None
    heard_unix_ms: int


class SeenList:
    """The seen values, the one heard longest ago first. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self.omitted = 0  # messages with a value that had no room

    def add(self, seen: Seen) -> None:
        """Note a value."""
        key = (seen.device, seen.value.field)
        with self._lock:
            while self._seen:
                first, oldest = next(iter(self._seen.items()))
                unheard_ms = seen.heard_unix_ms - oldest.heard_unix_ms
                is_full = len(self._seen) >= MAX_SEEN and key not in self._seen
                if unheard_ms <= (HELD_MS if is_full else FORGOTTEN_MS):
                    break
                del self._seen[first]
            if len(self._seen) >= MAX_SEEN and key not in self._seen:
                self.omitted += 1
                return
            self._seen[key] = seen
            self._seen.move_to_end(key)

    def all(self) -> list[Seen]:
        """Return the values by device and field."""
        with self._lock:
            return [self._seen[key] for key in sorted(self._seen)]

    def find(self, device: str, field: str) -> Seen | None:
        """Return a value that was seen, or None."""
        with self._lock:
            return self._seen.get((device, field))
