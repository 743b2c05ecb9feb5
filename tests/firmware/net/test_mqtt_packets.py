"""Tests of the MQTT packet decoder with arbitrary bytes and fragmentation."""

from hypothesis import given, settings
from hypothesis import strategies as st

from idro.errors import LinkError
from idro.net import mqtt_packets as packets


@settings(max_examples=1_000, deadline=None)
@given(pieces=st.lists(st.binary(max_size=300), max_size=20))
def test_the_decoder_survives_any_bytes(pieces):
    decoder = packets.Decoder()
    try:
        for piece in pieces:
            for first, body, _ in decoder.feed(piece):
                if first & 0xF0 == packets.PUBLISH:
                    packets.read_publish(first, body)
    except LinkError:
        pass


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=10),
    qos=st.integers(0, 1),
)
def test_the_decoder_finds_every_packet_of_a_fragmented_stream(sizes, cuts, qos):
    stream = b"".join(
        b"".join(packets.publish("t/ü", [bytes((7,)) * size], qos, True, 9)) for size in sizes
    )
    decoder = packets.Decoder()
    found = []
    position = turn = 0
    while position < len(stream):
        step = cuts[turn % len(cuts)]
        turn += 1
        found += decoder.feed(stream[position : position + step])
        position += step
    assert len(found) == len(sizes)
    for size, (first, body, whole) in zip(sizes, found, strict=True):
        topic, payload, got_qos, retain, packet_id = packets.read_publish(first, body)
        assert (topic, got_qos, retain) == ("t/ü", qos, True)
        assert packet_id == (9 if qos else None)
        assert whole == (size + 6 + 2 * qos <= packets.MAX_INBOUND_BYTES)
        is_in_pieces = isinstance(payload, list)
        assert is_in_pieces == (size + 6 + 2 * qos > packets.WHOLE_BYTES and whole)
        if is_in_pieces:
            assert max(map(len, payload)) <= 700
            assert len(payload) <= 2 + size // 512
        if whole:
            assert (b"".join(payload) if is_in_pieces else payload) == bytes((7,)) * size
