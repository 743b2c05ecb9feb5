"""Tests of the MQTT client of the node with a real broker and with faulty ones."""

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import LinkError
from idro.net import mqtt_packets as packets
from idro.net.mqtt_client import Client, Message, Options
from support.node_clock import NodeClock

CONNACK = b"\x20\x02\x00\x00"


def options(name="node-1", will=None, keepalive_s=30, response_ms=30_000):
    will_topic, will_payload = will or (None, None)
    return Options(name, name, "secret", will_topic, will_payload, keepalive_s, response_ms)


def new_client(wanted=None, open_streams=asyncio.open_connection):
    changed = asyncio.Event()
    client = Client(open_streams, NodeClock(), wanted or options(), changed.set)
    client.test_changed = changed
    return client


async def connected(port, wanted=None):
    client = new_client(wanted)
    await client.open("127.0.0.1", port)
    await client.log_in()
    return client


async def next_message(client):
    while True:
        client.check()
        message = client.take_message()
        if message is not None:
            return message
        client.test_changed.clear()
        await client.test_changed.wait()


async def end_of(client):
    while client.error is None:
        client.test_changed.clear()
        await client.test_changed.wait()
    return client.error


def run(coroutine, limit_s=180):
    return asyncio.run(asyncio.wait_for(coroutine, limit_s))


def test_publishes_and_receives_with_the_retain_flag(mosquitto):
    async def scene():
        sender = await connected(mosquitto.port, options("node-1"))
        await sender.publish("t/kept", b"old", retain=True)
        await sender._wait_until(lambda: sender.is_acknowledged)
        reader = await connected(mosquitto.port, options("node-2"))
        await reader.subscribe("t/+")
        first = await next_message(reader)
        await sender.publish("t/now", "grüße".encode(), qos=1)
        await sender.publish("t/now", b"", qos=0)
        rest = [await next_message(reader), await next_message(reader)]
        await sender.close(politely=True)
        await reader.close(politely=True)
        return [first, *rest]

    assert run(scene()) == [
        Message("t/kept", b"old", True), Message("t/now", "grüße".encode(), False),
        Message("t/now", b"", False),
    ]


def test_a_message_with_given_bytes_is_taken_before_the_others(mosquitto):
    async def scene():
        reader = await connected(mosquitto.port, options("reader"))
        await reader.subscribe("t")
        sender = await connected(mosquitto.port, options("sender"))
        for payload in (b"dose 1", b"dose 2", b"stop", b"dose 3"):
            await sender.publish("t", payload)
        await sender._wait_until(lambda: sender.is_acknowledged)
        await reader._wait_until(lambda: len(reader._inbox) == 4)
        taken = [reader.take_message(b"stop").payload for _ in range(4)]
        await sender.close()
        await reader.close()
        return taken

    assert run(scene()) == [b"stop", b"dose 1", b"dose 2", b"dose 3"]


def test_a_message_sent_first_passes_all_that_wait(mosquitto):
    async def scene():
        reader = await connected(mosquitto.port, options("reader"))
        await reader.subscribe("t")
        sender = await connected(mosquitto.port, options("sender"))
        while sender.has_room:  # nothing leaves before this task waits
            await sender.publish("t", b"record")
        sender.publish_first("t", b"answer")
        first = (await next_message(reader)).payload
        await sender.close()
        await reader.close()
        return first

    assert run(scene()) == b"answer"


@pytest.mark.parametrize("politely", [False, True])
def test_the_will_is_published_unless_disconnected_cleanly(mosquitto, politely):
    async def scene():
        watcher = await connected(mosquitto.port, options("watcher"))
        await watcher.subscribe("w/+")
        client = await connected(mosquitto.port, options(will=("w/status", b"offline")))
        await client.close(politely=politely)
        if politely:
            await watcher.publish("w/marker", b"marker")
        return (await next_message(watcher)).payload

    assert run(scene()) == (b"marker" if politely else b"offline")


def test_a_thousand_messages_arrive_once_and_in_order(mosquitto):
    async def scene():
        reader = await connected(mosquitto.port, options("reader"))
        await reader.subscribe("t/#")
        sender = await connected(mosquitto.port, options("sender"))
        sender._last_packet_id = 65_000  # across the wrap of packet identifiers
        got = []

        async def read():
            while len(got) < 1_000:
                got.append((await next_message(reader)).payload)

        reading = asyncio.create_task(read())
        for number in range(1_000):
            await sender.publish("t/n", b"%d" % number)
        await reading
        await sender.close()
        await reader.close()
        return got, sender._last_packet_id

    got, last_packet_id = run(scene())
    assert got == [b"%d" % number for number in range(1_000)]
    assert last_packet_id == 65_000 + 1_000 - 65_535


def test_packet_ids_in_flight_are_not_reused():
    client = new_client()
    client._last_packet_id = 65_533
    client._in_flight = {65_535: [], 1: [], 2: []}
    assert [client._next_packet_id() for _ in range(3)] == [65_534, 3, 4]


def test_an_oversized_message_is_drained_acknowledged_and_counted(mosquitto):
    async def scene():
        client = await connected(mosquitto.port)
        await client.subscribe("t/#")
        sender = await connected(mosquitto.port, options("sender"))
        for _ in range(30):  # more than the in-flight limit of a broker
            await sender.publish("t/big", b"x" * 9_000)
        await sender.publish("t/small", b"here")
        message = await next_message(client)
        await client.close()
        await sender.close()
        return message.payload, client.oversized_count

    assert run(scene()) == (b"here", 30)


def test_a_lost_broker_ends_the_connection_and_the_next_is_new(mosquitto):
    async def scene():
        client = await connected(mosquitto.port)
        mosquitto.kill()
        error = await end_of(client)
        with pytest.raises(LinkError):
            await client.publish("t", b"")
        await client.close()
        with pytest.raises(LinkError):
            await connected(mosquitto.port)
        mosquitto.start()
        again = await connected(mosquitto.port)
        await again.publish("t", b"")
        await again._wait_until(lambda: again.is_acknowledged)
        await again.close()
        return error

    assert isinstance(run(scene()), LinkError)


async def fake_broker(talk):
    """Serve `talk(reader, writer)` and return (server, port)."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def test_a_silent_port_times_out_waiting_for_connack():
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        with pytest.raises(LinkError, match="no CONNACK within 1000 ms"):
            run(connected(hole.getsockname()[1], options(response_ms=1_000)))


def test_a_refused_connection_reports_the_reason():
    async def scene():
        async def refuse(reader, writer):
            await reader.read(100)
            writer.write(b"\x20\x02\x00\x05")

        server, port = await fake_broker(refuse)
        async with server:
            await connected(port)

    with pytest.raises(LinkError, match="not authorised"):
        run(scene())


def test_a_half_open_connection_times_out_on_ping():
    async def scene():
        heard = bytearray()

        async def deaf(reader, writer):
            writer.write(CONNACK)
            while data := await reader.read(100):
                heard.extend(data)

        server, port = await fake_broker(deaf)
        async with server:
            client = await connected(port, options(keepalive_s=1, response_ms=2_000))
            error = await end_of(client)
            await client.close()
        return error.why, bytes(heard[-2:])

    assert run(scene()) == ("broker: no PINGRESP within 2000 ms", packets.PINGREQ_PACKET)


def test_a_missing_puback_causes_one_duplicate_then_disconnects():
    async def scene():
        heard = bytearray()

        async def forgetful(reader, writer):
            writer.write(CONNACK)
            while data := await reader.read(100):
                heard.extend(data)

        server, port = await fake_broker(forgetful)
        async with server:
            client = await connected(port, options(response_ms=1_500))
            await client.publish("t", b"payload")
            error = await end_of(client)
            await client.close()
        return error.why, bytes(heard)

    why, heard = run(scene())
    first = b"\x32\x0c\x00\x01t\x00\x01payload"
    assert why == "broker: no PUBACK 1 for two sendings"
    assert heard.endswith(first + b"\x3a" + first[1:])


async def flood(client):
    while True:
        await client.publish("t", b"x" * 200_000, qos=0)


def test_a_broker_that_does_not_read_times_out_on_write():
    async def scene():
        never = asyncio.Event()

        async def stuck(_, writer):
            writer.write(CONNACK)
            await never.wait()

        server, port = await fake_broker(stuck)
        async with server:
            client = await connected(port, options(response_ms=1_500))
            with pytest.raises(LinkError) as caught:
                await flood(client)
            why = caught.value.why
            await client.close()
            never.set()
        return why

    assert run(scene()) == "broker: no write within 1500 ms"


def test_a_refused_subscription_is_an_error():
    async def scene():
        async def stingy(reader, writer):
            writer.write(CONNACK)
            await reader.readuntil(b"t/no\x01")
            writer.write(b"\x90\x03\x00\x01\x80")

        server, port = await fake_broker(stingy)
        async with server:
            await (await connected(port)).subscribe("t/no")

    with pytest.raises(LinkError, match="refused to subscribe"):
        run(scene())


class DeafWriter:
    """The writer of a stream whose reader is fed with bytes."""

    def write(self, data):
        pass

    async def drain(self):
        pass

    def close(self):
        pass

    async def wait_closed(self):
        pass


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from([b"", CONNACK]), garbage=st.binary(max_size=600))
def test_garbage_from_a_broker_raises_only_a_link_error(start, garbage):
    async def scene():
        problems = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: problems.append(context)
        )
        reader = asyncio.StreamReader()
        reader.feed_data(start + garbage)
        reader.feed_eof()

        async def open_streams(host, port):
            return reader, DeafWriter()

        client = new_client(open_streams=open_streams)
        try:
            await client.open("broker", 1883)
            await client.log_in()
            await end_of(client)
        except LinkError:
            pass
        finally:
            await client.close()
        assert isinstance(client.error, LinkError)
        return problems

    assert run(scene()) == []
