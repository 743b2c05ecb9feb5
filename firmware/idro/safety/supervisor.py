"""Keeps every task of the node alive, and lets the watchdog bite when one is not.

Each task says by when it will be heard of again; the watchdog is fed only while all of them keep
their word. A task that ends with an exception is recorded, its outputs are made safe and it is
started again with back-off; a critical one that keeps failing is no longer excused, so the board
resets. The others are tried for ever: a dead network is no reason to reset, and a hung link is
given up and started again.
"""

import asyncio

_FEED_EVERY_MS = 4_000
_BACK_OFF_MS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
_FORGIVEN_AFTER_MS = 600_000


class Supervisor:
    """Owns the tasks. `feed()` feeds the watchdog, `make_safe()` drives outputs safe."""

    def __init__(self, clock, feed, make_safe, record_event):
        self._clock = clock
        self._feed = feed
        self._make_safe = make_safe
        self._record_event = record_event
        self._starts = {}
        self._tasks = {}
        self._due_ms = {}  # task: uptime by which it must be heard of, None while it waits
        self._failures = {}  # task: (count, at_ms)
        self._silent_ms = {}  # task that is restarted when it was silent for so long
        self._attempts = {}  # such a task: its _Attempt

    def add(self, name, start, is_critical=False, silent_ms=None):
        """Register a task: `start()` returns its coroutine. Where `is_critical`, its failure
        drives the outputs safe. With `silent_ms` it is started again, and no watchdog bites, when
        it was not heard of for so long."""
        self._starts[name] = (start, is_critical)
        if silent_ms is not None:
            self._silent_ms[name] = silent_ms

    def beat(self, name, within_ms=None):
        """Task `name` is alive, and heard of again within `within_ms`; None: it waits for work, or
        has its `silent_ms`."""
        if within_ms is None:
            within_ms = self._silent_ms.get(name)
        self._due_ms[name] = None if within_ms is None else self._clock.now_ms() + within_ms

    def late(self):
        """Return the name of a task that broke its word or died, or None."""
        now_ms = self._clock.now_ms()
        for name in self._starts:
            due_ms = self._due_ms.get(name)
            if due_ms is not None and now_ms > due_ms and name not in self._silent_ms:
                return name
            task = self._tasks.get(name)
            if task is None or task.done():
                return name
        return None

    async def run(self):
        """Start every task and feed the watchdog for ever, as long as all are well."""
        for name, (start, is_critical) in self._starts.items():
            self._tasks[name] = asyncio.create_task(self._keep(name, start, is_critical))
        while True:
            self._give_up_silent()
            if self.late() is None:
                self._feed()
            await self._clock.sleep_ms(_FEED_EVERY_MS)

    async def _keep(self, name, start, is_critical):
        while True:
            self.beat(name)
            if name in self._silent_ms:
                attempt = self._attempts[name] = _Attempt(start)
                await attempt.over.wait()
                error = attempt.error
            else:
                error = await _outcome(start)
            if is_critical:
                self._make_safe()
            self._record_event("restarted", {"task": name, "error": printable(error)})
            failures, pause_ms = self._failed(name)
            if is_critical and failures > len(_BACK_OFF_MS):
                return  # dead for good: late() tells, the watchdog bites
            self.beat(name, pause_ms + _FEED_EVERY_MS)
            await self._clock.sleep_ms(pause_ms)

    def _give_up_silent(self):
        now_ms = self._clock.now_ms()
        for name, attempt in self._attempts.items():
            due_ms = self._due_ms.get(name)
            if due_ms is not None and now_ms > due_ms:
                attempt.give_up(f"silent for {self._silent_ms[name] // 1_000} s")

    def _failed(self, name):
        """Count a failure; returns (failures of late, ms to wait)."""
        now_ms = self._clock.now_ms()
        count, at_ms = self._failures.get(name, (0, now_ms))
        if now_ms - at_ms > _FORGIVEN_AFTER_MS:
            count = 0
        self._failures[name] = (count + 1, now_ms)
        return count + 1, _BACK_OFF_MS[min(count, len(_BACK_OFF_MS) - 1)]


class _Attempt:
    """One run of a task that may be given up, even if it does not end when it is told to."""

    def __init__(self, start):
        self.over = asyncio.Event()
        self.error = ""
        self._task = asyncio.create_task(self._run(start))

    def give_up(self, error):
        """End it, or leave it behind."""
        if not self.over.is_set():
            self.error = error
            self.over.set()
            self._task.cancel()

    async def _run(self, start):
        error = await _outcome(start)
        if not self.over.is_set():
            self.error = error
            self.over.set()


async def _outcome(start):
    """Run `start()` to its end; return how it ended."""
    try:
        await start()
    except Exception as exception:  # noqa: BLE001 -- the supervisor is the place for it
        return repr(exception)[:120]
    return "ended"


def printable(text):
    """Return `text` without control characters, as an event's detail may carry it."""
    return "".join(char if ord(char) >= 32 else " " for char in text)
