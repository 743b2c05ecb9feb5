"""Supervises the node's tasks: restarts failed ones and feeds the watchdog while all are alive.

Each task reports heartbeats and the deadline of its next one; the watchdog is fed only while no
deadline is missed. A task that ends is recorded and restarted with back-off; if it is critical,
all outputs are driven safe, and repeated failures let the watchdog reset the board. Other tasks
are restarted without limit: a dead network does not reset the board, and a silent task with
`silent_ms` is cancelled and restarted.
"""

import asyncio

from idro.protocol.reason import Reason

_FEED_EVERY_MS = 4_000
_BACK_OFF_MS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
_FAILURE_RESET_MS = 600_000


class Supervisor:
    """Owns the tasks. `feed()` feeds the watchdog, `make_safe()` drives outputs safe."""

    def __init__(self, clock, feed, make_safe, record_event):
        self._clock = clock
        self._feed = feed
        self._make_safe = make_safe
        self._record_event = record_event
        self._starts = {}
        self._tasks = {}
        self._due_ms = {}  # task: uptime its next heartbeat is due, None while it waits
        self._failures = {}  # task: (count, at_ms)
        self._silent_ms = {}  # task: restarted after this long without a heartbeat
        self._attempts = {}  # such a task: its _Attempt

    def add(self, name, start, is_critical=False, silent_ms=None):
        """Register a task: `start()` returns its coroutine. The failure of an `is_critical` task
        drives the outputs safe. With `silent_ms`, the task is restarted after that long without a
        heartbeat, and the watchdog ignores it."""
        self._starts[name] = (start, is_critical)
        if silent_ms is not None:
            self._silent_ms[name] = silent_ms

    def beat(self, name, within_ms=None):
        """Record a heartbeat of task `name`, the next due within `within_ms`. None: within its
        `silent_ms`, or without a deadline if it has none."""
        if within_ms is None:
            within_ms = self._silent_ms.get(name)
        self._due_ms[name] = None if within_ms is None else self._clock.now_ms() + within_ms

    def late(self):
        """Return the name of a task that missed its deadline or died, or None."""
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
        """Start every task; feed the watchdog as long as none is late."""
        for name, (start, is_critical) in self._starts.items():
            self._tasks[name] = asyncio.create_task(self._supervise(name, start, is_critical))
        while True:
            self._abandon_silent()
            if self.late() is None:
                self._feed()
            await self._clock.sleep_ms(_FEED_EVERY_MS)

    async def _supervise(self, name, start, is_critical):
        while True:
            self.beat(name)
            if name in self._silent_ms:
                attempt = self._attempts[name] = _Attempt(start)
                await attempt.ended.wait()
                ended = attempt.result
            else:
                ended = await _run_to_end(start)
            if is_critical:
                self._make_safe()
            detail = {"task": name}
            detail.update(ended)
            self._record_event("restarted", detail)
            failures, pause_ms = self._count_failure(name)
            if is_critical and failures > len(_BACK_OFF_MS):
                return  # late() reports it, so the watchdog resets the board
            self.beat(name, pause_ms + _FEED_EVERY_MS)
            await self._clock.sleep_ms(pause_ms)

    def _abandon_silent(self):
        now_ms = self._clock.now_ms()
        for name, attempt in self._attempts.items():
            due_ms = self._due_ms.get(name)
            if due_ms is not None and now_ms > due_ms:
                silent = Reason("task_silent", for_ms=self._silent_ms[name])
                attempt.abandon({"reason": silent})

    def _count_failure(self, name):
        """Count a failure; return (recent failures, back-off in ms)."""
        now_ms = self._clock.now_ms()
        count, at_ms = self._failures.get(name, (0, now_ms))
        if now_ms - at_ms > _FAILURE_RESET_MS:
            count = 0
        self._failures[name] = (count + 1, now_ms)
        return count + 1, _BACK_OFF_MS[min(count, len(_BACK_OFF_MS) - 1)]


class _Attempt:
    """One run of a task that can be abandoned even if it ignores its cancellation."""

    def __init__(self, start):
        self.ended = asyncio.Event()
        self.result = {}  # how it ended, the detail of an event
        self._task = asyncio.create_task(self._run(start))

    def abandon(self, result):
        """Cancel the run and report it as ended with `result`."""
        if not self.ended.is_set():
            self.result = result
            self.ended.set()
            self._task.cancel()

    async def _run(self, start):
        result = await _run_to_end(start)
        if not self.ended.is_set():
            self.result = result
            self.ended.set()


async def _run_to_end(start):
    """Run `start()` to its end; return {"error": the error, or "ended"}."""
    try:
        await start()
    except Exception as exception:  # noqa: BLE001 -- every failure of a task ends here
        return {"error": printable(repr(exception)[:120])}
    return {"error": "ended"}


def printable(text):
    """Return `text` with control characters replaced by spaces, as an event detail allows."""
    return "".join(char if ord(char) >= 32 else " " for char in text)
