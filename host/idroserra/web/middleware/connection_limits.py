"""Limits the number of HTTP connections and the time that a request may take to arrive.

uvicorn limits neither. Slow and idle clients are disconnected, which leaves file descriptors for
the ingest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0  # until the request line and headers are complete
WHOLE_S = 120.0  # until the body is complete: a photo over weak Wi-Fi
HANDSHAKE_S = 10.0  # TLS
# A process has 1,024 file descriptors by default, which is also the limit of paho's select().
MOST_CONNECTIONS = 700
MOST_WITH_NETWORK = 600  # above this, connections from the network are refused


class Connection(H11Protocol):
    """A connection with a deadline for the head and the body of each request."""

    _deadline: asyncio.TimerHandle | None = None
    _is_head_there = False
    on_made: Callable[[Connection], object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or abort it above MOST_CONNECTIONS."""
        if self.on_made is not None:
            self.on_made(self)
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes and update the deadline."""
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        """Start the deadline of the next request."""
        self._cancel_deadline()
        super().on_response_complete()
        self._set_deadline()

    def _set_deadline(self) -> None:
        """Set the deadline of the head or body that is incomplete; more bytes do not extend it."""
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing():
            is_head_there = self.conn.their_state is h11.SEND_BODY
            if self._deadline is None or is_head_there is not self._is_head_there:
                self._cancel_deadline()
                self._is_head_there = is_head_there
                self._deadline = self.loop.call_later(
                    WHOLE_S if is_head_there else HEAD_S, self.transport.abort)
        else:
            self._cancel_deadline()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class ConnectionLimiter:
    """Creates the connections from the network and counts those in a TLS handshake."""

    def __init__(self, new_connection: Callable[[], Connection]) -> None:
        self._new = new_connection
        self._in_handshake: dict[Connection, float] = {}

    def __call__(self) -> Connection:
        """Return a connection. Raises ConnectionRefusedError, and asyncio closes the socket."""
        made = self._new()
        now_s = made.loop.time()
        for one, since_s in list(self._in_handshake.items()):
            if now_s - since_s < HANDSHAKE_S:
                break
            del self._in_handshake[one]
        if len(self._in_handshake) + len(made.connections) >= MOST_WITH_NETWORK:
            raise ConnectionRefusedError("too many connections")
        self._in_handshake[made] = now_s
        made.on_made = self._handshake_done
        return made

    def _handshake_done(self, made: Connection) -> None:
        self._in_handshake.pop(made, None)
