"""A stop that has arrived acts, also if what comes after it ends the connection."""

import asyncio
import random

import pytest

from idro.net import mqtt_packets as packets
from idro.net.publisher import Broker, Handlers, Publisher
from idro.protocol import messages, settings, system_host
from support.node_clock import NodeClock
from support.outbox_records import CHANNELS, new_outbox

NODE = "node-1"
STOP = b'{"verb":"stop"}'  # the handler is the test's: it checks nothing
CONNACK = b"\x20\x02\x00\x00"
CONNECT, SUBSCRIBE, PUBLISH = 0x10, 0x82, 0x30
BAD_TYPE = b"\xf0\x00"
BAD_LENGTH = b"\x30\xff\xff\xff\xff\xff"


def stop():
    packet = packets.publish(f"idro/v1/{NODE}/down/command", [STOP], 0, False, None)
    return b"".join(packet) if isinstance(packet, list) else packet


class EndingBroker:
    """Accepts a node, and sends `last` in one segment with the answer to its subscription; then
    it hangs up."""

    def __init__(self, last):
        self._last = last

    async def serve(self, reader, writer):
        while True:
            first = (await reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await reader.readexactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            body = await reader.readexactly(length)
            if first & 0xF0 == CONNECT:
                writer.write(CONNACK)
            elif first == SUBSCRIBE:
                writer.write(b"\x90\x03" + body[:2] + b"\x01" + self._last)
                writer.close()
                return


@pytest.mark.parametrize("end", [b"", BAD_TYPE, BAD_LENGTH], ids=["close", "type", "length"])
def test_a_stop_before_the_end_of_a_connection_acts(tmp_path, end):
    commands = []
    clock = NodeClock(1)
    outbox = new_outbox(tmp_path)

    def info():
        return messages.Info(
            "0.1.0", "test", "esp32", "0000b001", clock.now_ms(), None, "none", "power_on", "",
            CHANNELS, {}, outbox.boots(), False, 100, 0, messages.AS_FLASHED,
            system_host.UNKNOWN_SYSTEM)

    handlers = Handlers(
        info, lambda: messages.ConfigReport(0, None, settings.defaults()), commands.append,
        lambda pieces: None, lambda payload: None, lambda leaf, payload: None)

    async def scene():
        broker = EndingBroker(stop() + end)
        server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        at = Broker("127.0.0.1", port, NODE, None, False, asyncio.open_connection)
        publisher = Publisher(at, outbox, clock, handlers, random.randint)
        running = asyncio.create_task(publisher.run())
        while not publisher.last_error:
            await asyncio.sleep(0)
        running.cancel()
        server.close()

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert commands == [STOP]
