"""One connection to the page, with what uvicorn does not limit: how long a request may take to
come, and how many connections there may be. Who opens many and says nothing, or one byte now and
then, is hung up on, so that files and sockets are left for the ingest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0  # until the lines of a request are there
WHOLE_S = 120.0  # until its body is: a photo over a weak radio
HANDSHAKE_S = 10.0  # of TLS, before there is a connection at all
# 1,024 files is what a process has where nobody says otherwise, and what paho's select() can name.
MOST_CONNECTIONS = 700
MOST_WITH_NETWORK = 600  # from there on the network gets none: the rest is for this machine


class Connection(H11Protocol):
    """What uvicorn makes of each connection."""

    _deadline: asyncio.TimerHandle | None = None
    _is_head_there = False
    on_made: Callable[[Connection], object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, if there is room."""
        if self.on_made is not None:
            self.on_made(self)
        if len(self.connections) >= MOST_CONNECTIONS:
            transport.abort()
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request came."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """A request has its answer; another may follow."""
        self._disarm()
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """See that what is outstanding has its deadline. More bytes do not move it."""
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing():
            is_head_there = self.conn.their_state is h11.SEND_BODY
            if self._deadline is None or is_head_there is not self._is_head_there:
                self._disarm()
                self._is_head_there = is_head_there
                self._deadline = self.loop.call_later(
                    WHOLE_S if is_head_there else HEAD_S, self.transport.abort)
        else:
            self._disarm()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class ConnectionLimiter:
    """Makes the connections of the network, those in the midst of a TLS handshake counted too."""

    def __init__(self, new_connection: Callable[[], Connection]) -> None:
        self._new = new_connection
        self._greeted: dict[Connection, float] = {}

    def __call__(self) -> Connection:
        """Return the next. Raises ConnectionRefusedError, on which asyncio closes the socket."""
        made = self._new()
        now_s = made.loop.time()
        for one, since_s in list(self._greeted.items()):
            if now_s - since_s < HANDSHAKE_S:
                break
            del self._greeted[one]
        if len(self._greeted) + len(made.connections) >= MOST_WITH_NETWORK:
            raise ConnectionRefusedError("too many connections")
        self._greeted[made] = now_s
        made.on_made = self._forget
        return made

    def _forget(self, made: Connection) -> None:
        self._greeted.pop(made, None)
