"""Limits the number of HTTP connections, and the time that a request may take to arrive and that
its client may take to read the answer.

uvicorn limits none. Slow and idle clients are disconnected, which leaves file descriptors for
the ingest. Where there are too many connections, a new one replaces the oldest that waits for its
client, of the address that has most of them, or if none waits the oldest of the address that has
most: no one keeps others out by waiting or by asking.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0  # until the request line and headers are complete
WHOLE_S = 120.0  # until the body is complete: a photo over weak Wi-Fi
UNREAD_S = 120.0  # without reading 48 kB of an answer: 400 bytes a second
HANDSHAKE_S = 10.0  # TLS
# A process has 1,024 file descriptors by default, which is also the limit of paho's select().
MOST_CONNECTIONS = 700
MOST_WITH_NETWORK = 550  # above this, those of the network replace one another
MOST_HANDSHAKES = 100
ACCEPT_AGAIN_S = 0.5  # after an accept() that failed: no file descriptor is free

_log = logging.getLogger("idroserra")
_Waiting = TypeVar("_Waiting")


class Connection(H11Protocol):
    """A connection with a deadline for the head and the body of each request, and for its client
    to read what waits to be sent."""

    is_of_network = False
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _is_head_there = _is_upgraded = is_ended = False
    since_s = 0.0  # when it began to wait, if it does, or began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection; above the limit it replaces another."""
        most = MOST_WITH_NETWORK if self.is_of_network else MOST_CONNECTIONS
        self.since_s = self.loop.time()
        if len(self.connections) >= most:
            others = {one: one.address for one in self.connections
                      if isinstance(one, Connection) and not one.is_ended}
            waiting = {one: address for one, address in others.items() if one.is_waiting}
            if others:
                to_replace(waiting or others, lambda one: one.since_s).end()
        super().connection_made(transport)
        self._set_deadline()

    @property
    def is_waiting(self) -> bool:
        """Whether a request has not arrived yet, or not its whole body, or the answer waits for
        its client to read."""
        return (self._deadline or self._unread) is not None

    def end(self) -> None:
        """Close the connection at once; what is unsent is lost."""
        self.is_ended = True
        self.transport.abort()

    @property
    def address(self) -> str:
        """The address of the other end: of the proxy if there is one."""
        return str(self.client[0]) if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._cancel_deadline()
        self._end_unread()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over; its deadline ends."""
        self._is_upgraded = True
        self._cancel_deadline()
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes and update the deadline."""
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        """Start the deadline of the next request, or to read the rest of the last answer."""
        self._cancel_deadline()
        super().on_response_complete()
        self._set_deadline()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._begin_unread()

    def pause_writing(self) -> None:
        """Start the deadline of a client that does not read."""
        super().pause_writing()
        self._begin_unread()

    def resume_writing(self) -> None:
        """End the deadline: the client has read."""
        self._end_unread()
        super().resume_writing()

    def _begin_unread(self) -> None:
        if self._unread is None:
            self.since_s = self.loop.time()
            self._unread = self.loop.call_later(UNREAD_S, self.end)

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _set_deadline(self) -> None:
        """Set the deadline of the head or body that is incomplete; more bytes do not extend it."""
        if (self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self._is_upgraded
                and not self.transport.is_closing()):
            is_head_there = self.conn.their_state is h11.SEND_BODY
            if self._deadline is None or is_head_there is not self._is_head_there:
                self._cancel_deadline()
                self._is_head_there = is_head_there
                self.since_s = self.loop.time()
                self._deadline = self.loop.call_later(
                    WHOLE_S if is_head_there else HEAD_S, self.end)
        else:
            self._cancel_deadline()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class TlsListener:
    """Listens on the site's network. A handshake has HANDSHAKE_S and none keeps others out."""

    def __init__(
        self, context: ssl.SSLContext, new_connection: Callable[[], Connection], backlog: int
    ) -> None:
        self._context = context
        self._new = new_connection
        self._backlog = backlog
        # The tasks of handshakes by address, oldest first.
        self._handshakes: dict[asyncio.Task[None], str] = {}
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def open(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=self._backlog)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._socket))
        opened: int = self._socket.getsockname()[1]
        return opened

    def close(self) -> None:
        """Stop listening, and cancel the handshakes."""
        for task in (self._accepting, *self._handshakes):
            if task is not None:
                task.cancel()
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, address = await loop.sock_accept(listening)
            except OSError as error:  # of one connection, or too many files are open
                _log.warning("the page on the network: %s", error.strerror or error)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            if len(self._handshakes) >= MOST_HANDSHAKES:
                oldest = {task: number for number, task in enumerate(self._handshakes)}
                replaced = to_replace(self._handshakes, oldest.__getitem__)
                replaced.cancel()
                del self._handshakes[replaced]
            task = loop.create_task(self._shake_hands(connected))
            self._handshakes[task] = str(address[0])
            task.add_done_callback(lambda done: self._handshakes.pop(done, None))
            await asyncio.sleep(0)  # sock_accept() does not yield while there are more

    async def _shake_hands(self, connected: socket.socket) -> None:
        """Make a connection of a socket, which is closed if that fails."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._new, connected, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S)
        except OSError as error:  # TLS errors, timeouts and resets
            _log.debug("no TLS connection: %s", error)


def to_replace(waiting: Mapping[_Waiting, str], since: Callable[[_Waiting], float]) -> _Waiting:
    """Return the oldest of the address with most; `waiting` is their addresses, not empty."""
    counts = Counter(waiting.values())
    most = counts.most_common(1)[0][0]
    return min((one for one, address in waiting.items() if address == most), key=since)
