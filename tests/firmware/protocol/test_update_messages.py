"""Tests of update messages: round trip, and refusal with the wrong field."""

import binascii
import json

from idro.errors import ProtocolError
from idro.protocol import messages_host, release_layout
from idro.protocol import update_messages as messages
from idro.protocol.messages import Command
from support.portable_fakes import refusal_of

NODE = "bench-1"
MAC = "0123456789abcdef" * 4
OFFER = messages.Offer("ab" * 32, 9_000, bytes(range(256)) + bytes(128), "0f" * 8, "0.3.0")
OFFERED = Command("u-1", "offer", OFFER, "0a1b2c3d", 90_000, "anna")
ASK = messages.ChunkRequest("ab" * 32, 65_535, "idro/app/node.mpy", 768, 768)


def mac(signed):
    assert signed.startswith(b"idro/v1/bench-1/down/update\n")
    return MAC


def offered(**changed):
    """Return an offer with other arguments, as another sender might encode it."""
    data = messages_host.pack_update(NODE, OFFERED, mac)
    obj = json.loads(data)
    obj["args"].update(changed)
    obj.pop("auth")
    return (json.dumps(obj)[:-1] + ',"auth":"' + MAC + '"}').encode()


def test_offer_round_trip():
    data = messages_host.pack_update(NODE, OFFERED, mac)
    assert len(data) <= messages.MAX_UPDATE_BYTES
    signed = messages.unpack_update(NODE, data)
    assert signed.message == OFFERED
    assert signed.auth == MAC


def test_the_longest_offer_fits():
    offer = messages.Offer("ab" * 32, 32_768, OFFER.signature, "0f" * 8, "v" * 40)
    command = Command("i" * 40, "offer", offer, "b" * 40, 2**53 - 1, "n" * 40)
    data = messages_host.pack_update(NODE * 3, command, lambda signed: MAC)
    assert len(data) <= messages.MAX_UPDATE_BYTES


def test_cancel_round_trip():
    command = Command("u-2", "cancel", None, "0a1b2c3d", 90_000, "anna")
    data = messages_host.pack_update(NODE, command, mac)
    assert messages.unpack_update(NODE, data).message == command


def test_request_round_trip():
    assert messages_host.unpack_chunk_request(messages.pack_chunk_request(ASK)) == ASK
    manifest = messages.ChunkRequest("ab" * 32, 0, "manifest", 0, 1)
    assert messages_host.unpack_chunk_request(messages.pack_chunk_request(manifest)) == manifest


def test_chunk_round_trip():
    for data in (b"", b"x", bytes(messages.MAX_CHUNK_BYTES)):
        piece = messages.Chunk(bytes(range(8)), 513, data)
        assert messages.unpack_chunk(messages_host.pack_chunk(piece)) == piece
    for wrong in (b"", bytes(9), bytes(10 + messages.MAX_CHUNK_BYTES + 1)):
        assert "update data" in refusal_of(ProtocolError, messages.unpack_chunk, wrong)


def test_a_wrong_offer_is_refused_with_its_field():
    for key, value in (
        ("sha256", "AB" * 32), ("sha256", "ab"), ("sha256", 4), ("size", 0), ("size", 32_769),
        ("signature", "*" * 512), ("signature", "AAAA"), ("signature", None), ("key_id", "0f"),
        ("version", 3), ("extra", 1),
    ):
        why = refusal_of(ProtocolError, messages.unpack_update, NODE, offered(**{key: value}))
        assert key in why, (key, why)
    padded = str(binascii.b2a_base64(bytes(383)), "ascii").strip()
    assert "signature" in refusal_of(
        ProtocolError, messages.unpack_update, NODE, offered(signature=padded))


def test_a_request_cannot_leave_the_release():
    for path in ("../boot.py", "idro/../boot.mpy", "/idro/app/node.mpy", "idro//node.mpy",
                 "idro/./node.mpy", "boot.py", "signature", "idro/app/Node.mpy", "idro/a b.mpy",
                 "idro/app/node.py", "idro/" + "x" * 60 + ".mpy", "idro/.mpy", "",
                 "idro/safety/gate.mpy", "idro/update/slots.mpy", "idro/board.mpy"):
        data = messages.pack_chunk_request(messages.ChunkRequest("ab" * 32, 1, path, 0, 1))
        assert "path" in refusal_of(ProtocolError, messages_host.unpack_chunk_request, data), path


def test_a_request_has_bounds():
    for ask, field in (
        (messages.ChunkRequest("ab" * 32, 65_536, "manifest", 0, 1), "number"),
        (messages.ChunkRequest("ab" * 32, 1, "manifest", 0, 769), "size"),
        (messages.ChunkRequest("ab" * 32, 1, "manifest", 0, 0), "size"),
        (messages.ChunkRequest("ab" * 32, 1, "manifest", -1, 1), "offset"),
        (messages.ChunkRequest("ab", 1, "manifest", 0, 1), "sha256"),
    ):
        data = messages.pack_chunk_request(ask)
        why = refusal_of(ProtocolError, messages_host.unpack_chunk_request, data)
        assert field in why, why


def test_a_release_never_contains_the_kernel():
    for path in ("boot.py", "main.py", "idro/board.mpy", "idro/safety/limits.mpy",
                 "idro/safety/__init__.mpy", "idro/update/slots.mpy", "idro/errors.mpy",
                 "idro/protocol/reason.mpy"):
        assert release_layout.is_kernel(path), path
    for path in ("idro/app/node.mpy", "idro/control/dosing.mpy", "idro/protocol/messages.mpy"):
        assert not release_layout.is_kernel(path), path
        assert release_layout.is_path(path), path
