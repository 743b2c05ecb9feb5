"""The clock a node's module wants, on CPython's asyncio: uptime and a way to let time pass."""

import asyncio
import time


class NodeClock:
    """Monotonic uptime in ms, as idro.app.clock gives it on the board."""

    def __init__(self):
        self._start = time.monotonic()

    def now_ms(self):
        return int((time.monotonic() - self._start) * 1_000)

    async def sleep_ms(self, duration_ms):
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        timer = loop.call_later(duration_ms / 1_000, lambda: passed.done() or passed.set_result(0))
        try:
            await passed
        finally:
            timer.cancel()
