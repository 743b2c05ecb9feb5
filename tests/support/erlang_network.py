"""The network between the members of a cluster of RabbitMQ, which can part one from the others.

It takes the place of Erlang's port mapper. Each member asks at a port of its own where another one
listens, and is given the port of a link that is used by these two only
(https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#epmd-protocol).
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Self

from idroserra.broker.local import free_port
from support.server_process import reserve
from support.tcp_link import TcpLink

_REGISTER, _PORT_OF, _NAMES = b"xzn"
_REGISTERED, _FOUND = 118, 119
_VERSION = 6  # of the distribution protocol
# Each start of a member has a number of its own, by which Erlang knows the processes of an earlier
# one. Those below 4 are of the older protocol.
_FIRST_CREATION = 4
_VISIBLE = 77


class ErlangNetwork:
    """A context manager. `ports` are those of the port mapper, one for each member."""

    def __init__(self, listens_on: Mapping[str, int]) -> None:
        """`listens_on` has the port of each member, at its own address."""
        self._listens_on = listens_on
        self.ports = {member: free_port() for member in listens_on}
        self._links = {(near, far): TcpLink(listens_on[far], hosts=[far], address=far)
                       for near, far in itertools.permutations(listens_on, 2)}
        # free_port() of other tests looks at 127.0.0.1 only; the links listen elsewhere.
        self._reservations = [reserve(link.port) for link in self._links.values()]
        self._creations = itertools.count(_FIRST_CREATION)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="port mapper")
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._thread.start()
            opened.callback(self._end)
            for link in self._links.values():
                opened.enter_context(link)
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def part(self, member: str) -> None:
        """Let nothing pass between a member and the others; none is notified."""
        for link in self._links_of(member):
            link.inject("freeze")

    def heal(self, member: str) -> None:
        """Let what waited pass, and all that follows."""
        for link in self._links_of(member):
            link.heal()

    def _links_of(self, member: str) -> list[TcpLink]:
        return [link for ends, link in self._links.items() if member in ends]

    def _end(self) -> None:
        async def cancel() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        for near, port in self.ports.items():
            for address in ("127.0.0.1", *self.ports):
                await asyncio.start_server(
                    lambda reader, writer, near=near: self._answer(near, reader, writer),
                    address, port)

    async def _answer(
        self, near: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request of a member or of rabbitmqctl beside it."""
        try:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
            request = await reader.readexactly(size)
            if request[0] == _REGISTER:
                writer.write(struct.pack(">BBL", _REGISTERED, 0, next(self._creations)))
                await reader.read()  # for as long as the member lives
            elif request[0] == _PORT_OF:
                writer.write(self._port(near, request[1:].decode()))
            elif request[0] == _NAMES:
                writer.write(struct.pack(">L", self.ports[near]))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _port(self, near: str, name: str) -> bytes:
        """Return the answer to where the member `name` (its address with _) can be reached."""
        far = name.replace("_", ".")
        if far not in self._listens_on:
            return struct.pack(">BB", _FOUND, 1)
        port = self._listens_on[far] if far == near else self._links[near, far].port
        return struct.pack(">BBHBBHHH", _FOUND, 0, port, _VISIBLE, 0, _VERSION, 5,
                           len(name)) + name.encode() + struct.pack(">H", 0)
