"""The state of each adopted reading: its newest value, or why there is none."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple

from idroserra.core import protocol
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
        self._wet: dict[str, float] = {}  # the newest wet value: when, of the monotonic clock
        self._offline: OrderedDict[str, float] = OrderedDict()  # since, of the monotonic clock

    def begin(self, name: str) -> None:
        """Expect values from now on."""
        with self._lock:
            self._latest.pop(name, None)
            self._wet.pop(name, None)
            self._begun[name] = _Latest(0.0, self._now_unix_ms(), self._now_s())

    def end(self, name: str) -> None:
        """Forget a reading."""
        with self._lock:
            self._latest.pop(name, None)
            self._begun.pop(name, None)
            self._wet.pop(name, None)

    def take(self, adopted: Adopted, number: float, age_ms: int) -> bool:
        """Take a value of a reading, `age_ms` old; return whether it is plausible.

        One that is older than the newest is not taken, unless it is a leak: a clock may be wrong.
        """
        name, unix_ms, at_s = adopted.name, self._now_unix_ms() - age_ms, self._at_s(age_ms)
        with self._lock:
            if adopted.quantity == "leak" and number:
                self._wet[name] = max(at_s, self._wet.get(name, at_s))
            elif at_s >= self._wet.get(name, at_s):
                self._wet.pop(name, None)
            latest = self._latest.get(name)
            if latest is not None and at_s < latest.now_s:
                return False
            self._latest[name] = _Latest(number, unix_ms, at_s)
        return adopted.low <= number <= adopted.high

    def take_kept_leak(self, adopted: Adopted) -> None:
        """Take that a reading was wet at an unknown time: a leak until a value says dry."""
        with self._lock:
            latest = self._latest.get(adopted.name)
            self._wet.setdefault(adopted.name, -math.inf if latest is None else latest.now_s)

    def set_online(self, device: str, *, is_online: bool) -> None:
        """Note what a device, or `BASE/bridge` for all below BASE, says of itself."""
        with self._lock:
            if is_online:
                self._offline.pop(device, None)
                return
            self._offline[device] = self._now_s()
            while len(self._offline) > MAX_DEVICES:
                self._offline.popitem(last=False)

    def heard(self, device: str, age_ms: int) -> None:
        """Note that a device sent something, `age_ms` ago: it is back if that was since."""
        at_s = self._at_s(age_ms)
        with self._lock:
            if at_s >= self._offline.get(device, at_s):
                self._offline.pop(device, None)

    def is_offline(self, device: str) -> bool:
        """Return whether a device is offline, or the bridge of a base above it.

        A hub may be named bridge: `foreign/bridge` is none of the others' bridge."""
        levels = device.split("/")
        first = 2 if levels[0] == protocol.FOREIGN else 1
        bridges = ("/".join([*levels[:end], "bridge"]) for end in range(first, len(levels)))
        with self._lock:
            return any(name in self._offline for name in (device, *bridges))

    def of(self, adopted: Adopted) -> ForeignReading:
        """Return the state of a reading now."""
        now_unix_ms, now_s = self._now_unix_ms(), self._now_s()
        is_offline = self.is_offline(adopted.device)
        with self._lock:
            latest = self._latest.get(adopted.name)
            since = latest or self._begun.get(adopted.name)
            is_wet = adopted.name in self._wet
        age_ms = 0 if since is None else max(
            0, now_unix_ms - since.unix_ms, round((now_s - since.now_s) * 1_000))
        number: float | None = None if latest is None else latest.number
        if number == 0 and is_wet:
            number = 1.0  # no dry value since
        is_old = age_ms > adopted.too_old_s * 1_000
        state: State = "ok"
        if is_offline and (is_old or number is None):  # a device that sleeps may be offline
            state = "offline"
        elif is_old:
            state = "old"
        elif number is None:
            state = "waiting"
        elif not adopted.low <= number <= adopted.high:
            state = "implausible"
        return ForeignReading(adopted, state, number if state == "ok" else None,
                       number if state == "implausible" else None, age_ms, latest is not None,
                       is_wet or (False if latest and adopted.quantity == "leak" else None))

    def _at_s(self, age_ms: int) -> float:
        """Return when something of this age was, of the monotonic clock."""
        return self._now_s() - age_ms / 1_000
