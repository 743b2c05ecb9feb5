"""A virtual clock for asyncio tasks, whose sleepers wake in order without waiting."""

import asyncio
import heapq


class Turn:
    """Awaited, lets every other task run once."""

    def __await__(self):
        yield


class VirtualTime:
    """Time that run_until() advances. Sleepers of one moment wake one by one or together."""

    def __init__(self, wakes_together: bool = False):
        self._now_ms = 0
        self._sleepers = []
        self._count = 0
        self._wakes_together = wakes_together

    def now_ms(self):
        return self._now_ms

    async def sleep_ms(self, duration_ms):
        wake = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now_ms + duration_ms, self._count, wake))
        await wake

    async def run_until(self, end_ms):
        """Advance the time to `end_ms` and wake every sleeper at its time."""
        while True:
            for _ in range(20):
                await Turn()
            if not self._sleepers or self._sleepers[0][0] > end_ms:
                break
            self._wake()
            while self._wakes_together and self._is_due():
                self._wake()
        self._now_ms = end_ms

    def _is_due(self):
        return bool(self._sleepers) and self._sleepers[0][0] <= self._now_ms

    def _wake(self):
        self._now_ms, _, wake = heapq.heappop(self._sleepers)
        if not wake.done():
            wake.set_result(None)
