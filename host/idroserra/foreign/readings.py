"""The state of each adopted reading: its newest value, or why there is none."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple

from idroserra.foreign.adopted import Adopted

MAX_DEVICES = 400  # whose availability is known

State = Literal["ok", "waiting", "old", "implausible", "offline"]


class ForeignReading(NamedTuple):
    """An adopted reading now. number: None unless its state is ok. refused: the newest value if it
    is implausible. age_ms: of the newest value; since the host started if none came. is_wet: of a
    leak, whether its newest value says so, whatever the state; None if none came."""

    adopted: Adopted
    state: State
    number: float | None
    refused: float | None
    age_ms: int
    has_value: bool
    is_wet: bool | None = None


class _Latest(NamedTuple):
    number: float
    unix_ms: int
    now_s: float  # of the monotonic clock


class Readings:
    """Newest values and availabilities. Any thread may call.

    An age is the greater one of two clocks: wall time may be set back, and the monotonic clock
    may stand still while the machine is suspended."""

    def __init__(self, now_unix_ms: Callable[[], int], now_s: Callable[[], float]) -> None:
        """`now_s` is monotonic."""
        self._now_unix_ms = now_unix_ms
        self._now_s = now_s
        self._lock = threading.Lock()
        self._latest: dict[str, _Latest] = {}
        self._begun: dict[str, _Latest] = {}
        self._wet: set[str] = set()
        self._offline: OrderedDict[str, None] = OrderedDict()

    def begin(self, name: str) -> None:
        """Expect values from now on."""
        with self._lock:
            self._latest.pop(name, None)
            self._wet.discard(name)
            self._begun[name] = _Latest(0.0, self._now_unix_ms(), self._now_s())

    def end(self, name: str) -> None:
        """Forget a reading."""
        with self._lock:
            self._latest.pop(name, None)
            self._begun.pop(name, None)
            self._wet.discard(name)

    def take(self, adopted: Adopted, number: float, age_ms: int) -> bool:
        """Take a value of a reading, `age_ms` old; return whether it is plausible."""
        now_unix_ms, now_s = self._now_unix_ms(), self._now_s()
        with self._lock:
            self._latest[adopted.name] = _Latest(
                number, now_unix_ms - age_ms, now_s - age_ms / 1_000)
            if adopted.quantity == "leak" and number:
                self._wet.add(adopted.name)
            else:
                self._wet.discard(adopted.name)
        return adopted.low <= number <= adopted.high

    def take_kept_leak(self, adopted: Adopted) -> None:
        """Take that a reading was wet at an unknown time: a leak until a value says dry."""
        with self._lock:
            self._wet.add(adopted.name)

    def set_online(self, device: str, *, is_online: bool) -> None:
        """Note what a device says of itself, or that it sent something."""
        with self._lock:
            if is_online:
                self._offline.pop(device, None)
                return
            self._offline[device] = None
            while len(self._offline) > MAX_DEVICES:
                self._offline.popitem(last=False)

    def of(self, adopted: Adopted) -> ForeignReading:
        """Return the state of a reading now."""
        now_unix_ms, now_s = self._now_unix_ms(), self._now_s()
        with self._lock:
            latest = self._latest.get(adopted.name)
            since = latest or self._begun.get(adopted.name)
            is_offline = adopted.device in self._offline
            is_wet = adopted.name in self._wet
        age_ms = 0 if since is None else max(
            0, now_unix_ms - since.unix_ms, round((now_s - since.now_s) * 1_000))
        number: float | None = None if latest is None else latest.number
        if number == 0 and is_wet:
            number = 1.0  # kept by the broker, and no dry value since
        state: State = "ok"
        if age_ms > adopted.too_old_s * 1_000:
            state = "old"
        elif is_offline:
            state = "offline"
        elif number is None:
            state = "waiting"
        elif not adopted.low <= number <= adopted.high:
            state = "implausible"
        return ForeignReading(adopted, state, number if state == "ok" else None,
                       number if state == "implausible" else None, age_ms, latest is not None,
                       is_wet or (False if latest and adopted.quantity == "leak" else None))
