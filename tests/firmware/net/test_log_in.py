"""What a node logs in to its broker with."""

import asyncio
import random

import pytest

from idro.net.publisher import Broker, Handlers, Publisher
from support.node_clock import NodeClock
from support.outbox_records import new_outbox

NODE = "node-1"
HAS_USER, HAS_PASSWORD = 0x80, 0x40  # MQTT 3.1.1, 3.1.2.3
NAME = b"\x00\x06node-1"


@pytest.mark.parametrize(("password", "has_certificate", "flags", "end"), [
    (None, False, HAS_USER, NAME),
    ("secret", False, HAS_USER | HAS_PASSWORD, NAME + b"\x00\x06secret"),
    (None, True, 0, b"offline"),  # the certificate names the user
    ("secret", True, HAS_USER | HAS_PASSWORD, NAME + b"\x00\x06secret"),
])
def test_a_certificate_stands_for_the_user_name(
        tmp_path, password, has_certificate, flags, end):
    async def scene():
        connects = asyncio.Queue()

        async def take(reader, writer):
            head = await reader.readexactly(2)  # its length is one byte
            connects.put_nowait(await reader.readexactly(head[1]))
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], NODE, password,
                        has_certificate, asyncio.open_connection)
        publisher = Publisher(broker, new_outbox(tmp_path), NodeClock(1), Handlers(
            *[lambda *_: None] * len(Handlers._fields)), random.randint)
        running = asyncio.create_task(publisher.run())
        connect = await connects.get()
        running.cancel()
        server.close()
        return connect

    connect = asyncio.run(asyncio.wait_for(scene(), 60))
    assert connect[7] & (HAS_USER | HAS_PASSWORD) == flags
    assert connect.endswith(end)
