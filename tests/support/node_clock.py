"""A clock with the interface of idro.app.clock on CPython's asyncio."""

import asyncio
import time


class NodeClock:
    """Uptime in ms that runs `speed` times as fast as real time."""

    def __init__(self, speed=1):
        self._start = time.monotonic()
        self._speed = speed

    def now_ms(self):
        return int((time.monotonic() - self._start) * 1_000 * self._speed)

    async def sleep_ms(self, duration_ms):
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        timer = loop.call_later(
            duration_ms / 1_000 / self._speed, lambda: passed.done() or passed.set_result(None)
        )
        try:
            await passed
        finally:
            timer.cancel()
