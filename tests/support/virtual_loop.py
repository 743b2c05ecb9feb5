"""An asyncio event loop on the simulator's virtual clock, with streams over its sockets.

The firmware's network tasks run on it as on a board: time passes only while every task waits.
"""

import asyncio
import selectors

from idrosim.board.clock import FOREVER_US, VirtualClock
from idrosim.shim.network.virtual_sockets import POLLIN, POLLOUT, Network, Socket


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is that of `clock`. Call close() at the end."""

    def __init__(self, clock: VirtualClock, network: Network):
        self.clock, self.network = clock, network
        self._waits: list[tuple[Socket, int, asyncio.Future]] = []
        super().__init__(_Selector(self))

    def time(self):
        return self.clock.now_us / 1_000_000

    async def pause_ms(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        passed = self.create_future()
        timer = self.call_later(duration_ms / 1_000, passed.set_result, None)
        try:
            await passed
        finally:
            timer.cancel()

    async def ready(self, sock: Socket, event: int) -> None:
        """Wait until a socket has data (POLLIN) or room (POLLOUT)."""
        while _due_us(sock, event) > self.clock.now_us:
            future = self.create_future()
            self._waits.append((sock, event, future))
            await future

    def pass_time(self, timeout_s: float | None) -> None:
        """Advance to the next event, at most by `timeout_s`."""
        clock = self.clock
        end_us = FOREVER_US if timeout_s is None else clock.now_us + round(timeout_s * 1_000_000)
        due_us = min([end_us, clock.next_due_us,
                      *(_due_us(sock, event) for sock, event, _ in self._waits)])
        assert due_us < FOREVER_US, "every task waits for ever"
        clock.advance_to(max(due_us, clock.now_us))
        waits, self._waits = self._waits, []
        for sock, event, future in waits:
            if future.done():
                continue
            if _due_us(sock, event) <= clock.now_us:
                future.set_result(None)
            else:
                self._waits.append((sock, event, future))

    async def open(self, host: str, port: int):
        """Return the streams of a new connection, as the firmware opens one."""
        sock = Socket()
        sock.network = self.network
        try:
            sock.connect((host, port))
        except OSError:
            await self.ready(sock, POLLOUT)
        return _Reader(self, sock), _Writer(self, sock)


def _due_us(sock, event):
    if sock._is_closed:
        return 0
    return sock.in_due_us if event == POLLIN else sock.out_due_us


class _Selector(selectors.SelectSelector):
    """Passes virtual time instead of waiting."""

    def __init__(self, loop: VirtualLoop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            self._loop.pass_time(timeout)
        return []


class _Reader:
    def __init__(self, loop, sock):
        self._loop, self._sock = loop, sock

    async def read(self, size):
        while True:
            data = self._sock.read(size)
            if data is not None:
                return data
            await self._loop.ready(self._sock, POLLIN)


class _Writer:
    def __init__(self, loop, sock):
        self._loop, self._sock = loop, sock
        self._data = b""

    def write(self, data):
        self._data += bytes(data)
        self._push()

    def _push(self):
        while self._data:
            count = self._sock.write(self._data)
            if count is None:
                return
            self._data = self._data[count:]

    async def drain(self):
        while self._data:
            await self._loop.ready(self._sock, POLLOUT)
            self._push()

    def close(self):
        self._sock.close()

    async def wait_closed(self):
        """The socket closes at once."""
