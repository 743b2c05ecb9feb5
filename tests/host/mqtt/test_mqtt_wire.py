"""The packets of the host's reader: any bytes, cut anywhere."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.mqtt import packets as mqtt_packets
from idroserra.mqtt.packets import MalformedPacket, Packet, PacketParser

MAX_BYTES = 70_000


def publish(topic, payload, mid, properties):
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", mid)
    body += b"" if properties is None else bytes([len(properties)]) + properties
    return Packet(0x32, body + payload)


some_packets = st.lists(
    st.builds(Packet, st.integers(0, 255), st.binary(max_size=300)
              | st.integers(0, MAX_BYTES).map(bytes)), max_size=5)


@given(some_packets, st.lists(st.integers(0, 2_000), max_size=30))
def test_a_stream_cut_anywhere_is_the_same_packets(packets, cuts):
    stream, found = b"".join(mqtt_packets.pack(packet) for packet in packets), []
    splitter = PacketParser(MAX_BYTES)
    for cut in [*cuts, len(stream)]:
        found += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == packets


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_packets_or_an_error(data, is_v5):
    try:
        packets = PacketParser(MAX_BYTES).feed(data)
    except MalformedPacket:
        return
    for packet in packets:
        with suppress(MalformedPacket):
            mqtt_packets.refusal(packet, is_v5)
    with suppress(MalformedPacket):
        messages, others = PacketParser(MAX_BYTES).messages(data, is_v5)
        assert len(messages) + len(others) == len(packets)


@given(st.binary(max_size=100), st.binary(max_size=300), st.integers(1, 65_535),
       st.binary(max_size=127))
def test_a_message_comes_as_it_was_sent(topic, payload, mid, properties):
    for is_v5 in (False, True):
        packet = publish(topic, payload, mid, properties if is_v5 else None)
        found = PacketParser(MAX_BYTES).messages(mqtt_packets.pack(packet), is_v5)
        assert found == ([(topic, payload, mid, 0x32)], [])


@given(st.binary(max_size=100), st.integers(1, 65_535), st.binary(max_size=20), st.data())
def test_a_message_cut_off_is_an_error_and_never_another_message(topic, mid, properties, data):
    for is_v5 in (False, True):
        first, body = publish(topic, b"", mid, properties if is_v5 else None)
        cut = Packet(first, body[:data.draw(st.integers(0, len(body) - 1))])
        with pytest.raises(MalformedPacket):
            PacketParser(MAX_BYTES).messages(mqtt_packets.pack(cut), is_v5)


@given(st.text(max_size=40), st.binary(max_size=300), st.booleans())
def test_what_we_say_is_what_we_would_read(topic, payload, is_v5):
    found = PacketParser(MAX_BYTES).messages(mqtt_packets.publish(topic, payload, is_v5), is_v5)
    assert found == ([(topic.encode(), payload, 0, 0x30)], [])


def test_a_packet_without_end_is_refused():
    with pytest.raises(MalformedPacket, match="invalid variable byte"):
        PacketParser(MAX_BYTES).feed(b"\x30\xff\xff\xff\xff\x7f")
    with pytest.raises(MalformedPacket, match="70001 bytes"):
        PacketParser(MAX_BYTES).feed(mqtt_packets.pack(Packet(0x30, bytes(MAX_BYTES + 1))))


@pytest.mark.parametrize(("first", "body", "is_v5", "why"), [
    (0x20, b"\0\0", False, None), (0x20, b"\0\x05", False, "not authorized"),
    (0x20, b"\0\0\0", True, None), (0x20, b"\0\x87\0", True, "Not authorized"),
    (0x90, b"\0\1\0\1", True, None), (0x90, b"\0\1\0\x87", True, "Not authorized"),
    (0x90, b"\0\1\0\x87\1", True, "Not authorized"),
    (0x90, b"\0\1\x80\1", False, "Unspecified error"),
    (0xE0, b"\x8e\0", True, "Session taken over"), (0x20, b"\0\xfe\0", True, "reason code 254"),
])
def test_a_refusal_has_a_reason_text(first, body, is_v5, why):
    assert mqtt_packets.refusal(Packet(first, body), is_v5) == why


@given(st.lists(st.integers(1, 65_535), max_size=40))
def test_acknowledgements_are_packets_of_four_bytes(mids):
    packets = PacketParser(4).feed(mqtt_packets.pubacks(mids))
    assert packets == [Packet(0x40, struct.pack(">H", mid)) for mid in mids]
