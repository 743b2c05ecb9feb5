"""Foreign readings: what is seen, what is adopted, and its newest values and history.

Nothing else in the host takes a value from here but the page, the alarms and the history.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from idroserra.core.config import Config
from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.core.page_settings import PageSettings
from idroserra.foreign.adopted import Adopted, Adoptions, BadAdoption, UnknownForeign
from idroserra.foreign.messages import Value, parse
from idroserra.foreign.readings import ForeignReading, Readings
from idroserra.foreign.seen import Seen, SeenList
from idroserra.foreign.subscription import Subscription
from idroserra.history.models import EventPoint, Instant, Store

STEP_S = 1.0
STORE_EVERY_MS = 10_000  # of a reading; a leak is stored when it changes, too
MAX_WAITING = 5_000  # values that the store has not taken

OFF = "off"

OnStored = Callable[[Sequence[Instant], Sequence[EventPoint]], None]

_log = logging.getLogger("idroserra")


class ForeignStatus(NamedTuple):
    """The subscription. state: "off" without topics, "connected", "paused", or the problem.
    dropped: messages that were too large or too many; omitted: values that the list has no room
    for."""

    topics: tuple[str, ...]
    state: str
    dropped: int
    omitted: int


class ForeignReadings:
    """run() is the body of one thread; everything else may be called from any."""

    def __init__(
        self, config: Config, settings: PageSettings, store: Callable[[], Store],
        on_stored: OnStored, now_unix_ms: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_stored` receives what the store has taken; `now_s` is monotonic."""
        self._topics = config.foreign.topics
        self._store = store
        self._on_stored = on_stored
        self._now_unix_ms = now_unix_ms
        self._adoptions = Adoptions(settings)
        self._readings = Readings(now_unix_ms, now_s)
        self._seen = SeenList()
        self._stopping = threading.Event()
        self._stored: dict[str, tuple[int, float]] = {}  # of each name: when, what
        self._waiting: deque[Instant] = deque(maxlen=MAX_WAITING)
        self._subscription = Subscription(config.mqtt, self._topics, self.receive, now_s)
        for adopted in self._adoptions.all():
            self._readings.begin(adopted.name)

    def run(self) -> None:
        """Receive and store until stop(); not called without topics."""
        self._subscription.start()
        try:
            while not self._stopping.wait(STEP_S):
                self._subscription.step()
                self.store()
        finally:
            self._subscription.stop()
            self.store()

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def status(self) -> ForeignStatus:
        """Return how the subscription is."""
        return ForeignStatus(
            self._topics, self._subscription.state if self._topics else OFF,
            self._subscription.dropped, self._seen.omitted)

    def problem(self) -> str:
        """Return why the subscription receives nothing, "" if it does or is off."""
        return self._subscription.problem if self._topics else ""

    def readings(self) -> list[ForeignReading]:
        """Return the adopted readings as they are now, by name."""
        return [self._readings.of(adopted) for adopted in self._adoptions.all()]

    def seen(self) -> list[Seen]:
        """Return the values that were seen and are not adopted."""
        return [one for one in self._seen.all()
                if self._adoptions.find(one.device, one.value.field) is None]

    def quantity_of(self, device: str, field: str) -> str | None:
        """Return the quantity of a value, None if it is not known."""
        adopted, seen = self._adoptions.find(device, field), self._seen.find(device, field)
        if adopted is not None:
            return adopted.quantity
        return None if seen is None else seen.value.quantity

    def adopt(self, name: str, values: dict[str, Any], by: str) -> ForeignReading:
        """Adopt a value that was seen, or change the adoption of a name.

        `values`: the other keys of Adopted. Raises BadAdoption, UnknownForeign,
        StoreUnavailable."""
        device, field = str(values.get("device")), str(values.get("field"))
        known, seen = self._adoptions.find(device, field), self._seen.find(device, field)
        if known is None and seen is None:
            raise UnknownForeign(f"{device[:80]} {field[:60]}: not seen: it can be adopted after "
                                 "its next message")
        given = None if seen is None else seen.value.quantity
        values = {"quantity": self.quantity_of(device, field), **values}
        if values["quantity"] != given and given is not None:
            raise BadAdoption(f"quantity: the message says {given}")
        adopted = self._adoptions.put({**values, "name": name}, by, self._now_unix_ms())
        if known is None or known.quantity != adopted.quantity:
            self._readings.begin(name)
            self._stored.pop(name, None)
            if adopted.quantity == "leak" and seen is not None and seen.value.number:
                self._readings.take_kept_leak(adopted)
        return self._readings.of(adopted)

    def forget(self, name: str) -> None:
        """Forget a reading; its history stays. Raises UnknownForeign, StoreUnavailable."""
        self._adoptions.remove(name)
        self._readings.end(name)
        self._stored.pop(name, None)

    def receive(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001
        """Take a message. A retained value, and one of an offline device that Zigbee2MQTT may have
        had in its cache, has no known age: it is listed, and a leak is an alarm."""
        message = parse(topic, payload)
        if message is None:
            return
        if message.is_online is not None:
            self._readings.set_online(message.device, is_online=message.is_online)
            return
        now = self._now_unix_ms()
        measured = now if message.measured_unix_ms is None else message.measured_unix_ms
        age_ms = max(0, now - measured)
        has_age = not retained
        if message.source == "Zigbee2MQTT" and message.measured_unix_ms is None:
            has_age = has_age and not self._readings.is_offline(message.device)
        elif has_age:
            self._readings.heard(message.device, age_ms)
        for value in message.values:
            self._seen.add(Seen(message.device, message.source, value,
                                value.number if has_age else None, now))
            adopted = self._adoptions.find(message.device, value.field)
            if adopted is None or value.quantity not in (None, adopted.quantity):
                continue
            if has_age:
                self._take(adopted, value, age_ms)
            elif adopted.quantity == "leak" and value.number:
                self._readings.take_kept_leak(adopted)

    def store(self) -> None:
        """Move the waiting values to the store. If it is away they wait, the newest of them. One
        that it refuses is lost alone."""
        instants = list(self._waiting)
        if not instants:
            return
        refused: list[StoreRejected] = []
        try:
            self._write(instants, refused)
        except StoreUnavailable:
            return
        if refused:
            _log.warning("%d foreign readings are not stored: %s", len(refused), refused[0])
        for instant in instants:
            if self._waiting and self._waiting[0] is instant:  # else it has made room for new ones
                self._waiting.popleft()

    def _write(self, instants: Sequence[Instant], refused: list[StoreRejected]) -> None:
        """Write values; find those that the store refuses by halves, and add why to `refused`.
        Raises StoreUnavailable."""
        try:
            self._store().write(instants, [])
        except StoreRejected as error:
            half = len(instants) // 2
            if half == 0:
                refused.append(error)
                return
            self._write(instants[:half], refused)
            self._write(instants[half:], refused)
        else:
            self._on_stored(instants, [])

    def _take(self, adopted: Adopted, value: Value, age_ms: int) -> None:
        """Take a value of an adopted reading; a plausible one is stored."""
        is_plausible = self._readings.take(adopted, value.number, age_ms)
        unix_ms = self._now_unix_ms() - age_ms
        before_ms, before = self._stored.get(adopted.name, (0, None))
        is_due = not 0 <= unix_ms - before_ms < STORE_EVERY_MS or (  # also after a clock set back
            adopted.quantity == "leak" and value.number != before)
        if is_plausible and is_due:
            self._stored[adopted.name] = unix_ms, value.number
            self._waiting.append(
                Instant(adopted.node, unix_ms, {adopted.channel: value.number}))

