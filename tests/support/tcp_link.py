"""A TCP proxy on loopback that injects network faults.

Faults last until heal(). Their effect on open connections:
cut       both ends are reset, and new connections are refused
freeze    no data passes and neither end is notified, as after pulling a cable
half_open the far end is reset; the near end is not notified, and its data is discarded
slow      a few kilobytes a second
drip      byte by byte, each in its own packet
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from idroserra.broker.local import free_port

FAULTS = ("cut", "freeze", "half_open", "slow", "drip")
SLOW_BYTES_PER_S = 8_000
_CHUNK_BYTES = 65_536
_STEP_S = 0.05


class _Pair:
    """The two sockets of one connection."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.is_deaf = False


class TcpLink:
    """A context manager that listens on `port` of `address` and forwards to `to_port` of the first
    of `hosts` that answers, with `context` over TLS. They take turns to be the first."""

    def __init__(self, to_port: int, context: ssl.SSLContext | None = None,
                 hosts: Sequence[str] = ("127.0.0.1",), address: str = "127.0.0.1") -> None:
        self.port = free_port()
        self._address = address
        self._to_port, self._hosts = to_port, hosts
        self._context = context
        self._fault: str | None = None
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link")
        self._moving = asyncio.Event()
        self._moving.set()
        self._never: asyncio.Future[None] = self._loop.create_future()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> TcpLink:
        self._thread.start()
        try:
            self._run(self._listen())
        except OSError:
            self._end_loop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._pairs)

    def inject(self, fault: str) -> None:
        """Start one of FAULTS."""
        assert fault in FAULTS, fault
        self._call(lambda: self._begin(fault))

    def heal(self) -> None:
        """End the fault. Reset connections stay closed; clients reconnect."""
        self._call(self._end)

    def _begin(self, fault: str) -> None:
        self._fault = fault
        if fault == "cut":
            for pair in list(self._pairs):
                pair.near.transport.abort()
                pair.far.transport.abort()
        elif fault == "half_open":
            for pair in self._pairs:
                pair.is_deaf = True
                pair.far.transport.abort()
        elif fault == "freeze":
            self._moving.clear()

    def _end(self) -> None:
        self._fault = None
        self._moving.set()

    def _call(self, function: Callable[[], None]) -> None:
        async def once() -> None:
            function()

        self._run(once())

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self._address, self.port)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._end()
        for pair in list(self._pairs):
            pair.near.transport.abort()
            pair.far.transport.abort()
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._fault == "cut":
            writer.transport.abort()
            return
        hosts = self._hosts
        self._hosts = [*hosts[1:], hosts[0]]
        for host in hosts:
            try:
                far_reader, far_writer = await asyncio.open_connection(
                    host, self._to_port, ssl=self._context)
                break
            except OSError:
                continue
        else:
            writer.transport.abort()
            return
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(pair, reader, far_writer),
                                 self._pump(pair, far_reader, writer))
        finally:
            self._pairs.discard(pair)
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward one direction until it closes."""
        try:
            while data := await reader.read(_CHUNK_BYTES):
                await self._moving.wait()
                if not pair.is_deaf:
                    await self._pass_on(data, writer)
        except OSError:
            pass
        if not pair.is_deaf:
            writer.transport.abort()
        elif writer is pair.near:
            return  # the near end stays open until it closes by itself
        else:
            pair.near.transport.abort()

    async def _let_pass(self, seconds: float) -> None:
        """Wait, as a slow connection does."""
        await asyncio.wait({self._never}, timeout=seconds)

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        at = 0
        while at < len(data):
            size = len(data)
            if self._fault == "slow":
                size = int(SLOW_BYTES_PER_S * _STEP_S)
                await self._let_pass(_STEP_S)
            elif self._fault == "drip":
                size = 1
                await self._let_pass(0)
            writer.write(data[at : at + size])
            await writer.drain()
            at += size
