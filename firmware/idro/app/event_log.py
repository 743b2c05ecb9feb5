"""Records events in the outbox: rate-limits changed decisions and refused memory."""

from idro.errors import ProtocolError

_DECISION_EVERY_MS = 60_000
_MEMORY_EVERY_MS = 600_000
_NO_DECISION = (None, -_DECISION_EVERY_MS)
# Numbers that are the decision, not a reading or a countdown.
_DECIDED = ("on_ms", "every_ms", "days")


class EventLog:
    """Records events. open() must be called before the first one."""

    def __init__(self, clock):
        self._clock = clock
        self._outbox = None
        self.failed_task = ""  # the first task that failed in this boot, network tasks excepted
        self._decisions = {}  # loop: (its last Reason, at_ms)
        self._refused_part, self._refused_count = "", 0  # since the last memory_refused event
        self._memory_due_ms = 0

    def open(self, outbox):
        """Set the Outbox, whose channels depend on parts that record events themselves."""
        self._outbox = outbox

    def record(self, kind, detail):
        """Append an event to the outbox. An error of the flash is only printed."""
        if kind == "restarted" and detail["task"] not in ("wifi", "link"):
            self.failed_task = self.failed_task or detail["task"]
        try:
            self._outbox.append_event(self._clock.now_ms(), kind, detail)
        except (OSError, ProtocolError) as error:
            print("event lost:", kind, error)
        except MemoryError:
            self.memory_refused("events")

    def record_decision(self, loop, decision):
        """Record a changed reason, apart from readings and countdowns; a hold, and another reason
        of the same code, at most once a minute."""
        reason = decision.reason
        last, last_ms = self._decisions.get(loop, _NO_DECISION)
        if reason is last or _decides_the_same(reason, last):
            return
        now_ms = self._clock.now_ms()
        is_rated = decision.actuator is None or (last is not None and reason.code == last.code)
        if is_rated and now_ms - last_ms < _DECISION_EVERY_MS:
            return
        self._decisions[loop] = (reason, now_ms)
        self.record("decided", {"loop": loop, "reason": reason})

    def memory_refused(self, part):
        """Count a MemoryError that `part` survived."""
        self._refused_part = part
        self._refused_count += 1

    def record_refused_memory(self):
        """Record the MemoryErrors counted since the last such event, at most every 10 min."""
        now_ms = self._clock.now_ms()
        if not self._refused_count or now_ms < self._memory_due_ms:
            return
        detail = {"part": self._refused_part, "count": self._refused_count}
        self._refused_count = 0
        self._memory_due_ms = now_ms + _MEMORY_EVERY_MS
        self.record("memory_refused", detail)


def _decides_the_same(reason, last):
    """True if both reasons say the same, apart from readings, countdowns and tenths of a ml."""
    if not reason.is_like(last):
        return False
    values, before = reason.values, last.values
    for name in _DECIDED:
        if values.get(name) != before.get(name):
            return False
    return values.get("volume_ul", 0) // 100 == before.get("volume_ul", 0) // 100
