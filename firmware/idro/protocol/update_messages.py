"""Messages of an update over the air: the host offers a release, the node asks for its bytes.

Apart from `messages`, for a node that does not update need not load them. An offer is a command
like any other: for one boot, in time, once, authenticated, answered by up/ack. What is asked for
comes as down/update_data without authentication: the hashes of the signed manifest judge it.
"""

import binascii
import json
import struct
from collections import namedtuple

from idro.errors import ProtocolError
from idro.protocol import signing, validation
from idro.protocol.messages import Command, Signed
from idro.protocol.release_layout import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MAX_PATH_CHARS,
    SIGNATURE_BYTES,
    is_path,
)

MAX_UPDATE_BYTES = 1_024
# Of a file in one answer. With its head and topic it stays under what any node takes.
MAX_PIECE_BYTES = 768
_HEAD = ">8sH"
HEAD_BYTES = 10
MAX_NUMBER = 65_535

# sha256 of the manifest in hex, its size, the signature over it (bytes), the id of the key, and
# the version in words. Everything but sha256 and signature is judged by the manifest again.
Offer = namedtuple("Offer", ("sha256", "size", "signature", "key_id", "version"))
# One question of the node: `number` names it in the answer.
Ask = namedtuple("Ask", ("sha256", "number", "path", "offset", "size"))
# sha8: the first eight bytes of the manifest's SHA-256. Fewer bytes than were asked for: the end.
Piece = namedtuple("Piece", ("sha8", "number", "data"))


def pack_offer(node, command_id, offer, boot_id, not_after_at_ms, by, mac):
    """Return down/update that offers a release. `mac` turns the signed bytes into 64 digits."""
    args = {
        "sha256": offer.sha256, "size": offer.size,
        "signature": str(binascii.b2a_base64(offer.signature), "ascii").strip(),
        "key_id": offer.key_id, "version": offer.version,
    }
    command = Command(command_id, "offer", args, boot_id, not_after_at_ms, by)
    return _pack(node, command, mac)


def pack_cancel(node, command_id, boot_id, not_after_at_ms, by, mac):
    """Return down/update that ends a download. `mac` as in pack_offer."""
    return _pack(node, Command(command_id, "cancel", {}, boot_id, not_after_at_ms, by), mac)


def unpack_update(node, data):
    """Return Signed(Command) of verb "offer", its args an Offer, or "cancel", its args None.

    Checked in form, not yet in authority. Raises ProtocolError.
    """
    obj, signed, auth = signing.unsign(node, "update", data, MAX_UPDATE_BYTES)
    validation.only(obj, ("v", "id", "verb", "args", "boot_id", "not_after_at_ms", "by", "auth"),
                "update")
    verb = validation.choice(obj, "verb", ("offer", "cancel"))
    args = validation.mapping(obj, "args", 8)
    offer = None
    if verb == "offer":
        offer = _offer(args)
    else:
        validation.only(args, (), "args of cancel")
    command = Command(
        validation.identifier(obj, "id"), verb, offer, validation.identifier(obj, "boot_id"),
        validation.integer(obj, "not_after_at_ms"), validation.text(obj, "by", 40),
    )
    return Signed(command, signed, auth)


def pack_ask(ask):
    """Return up/update."""
    return json.dumps({
        "v": 1, "sha256": ask.sha256, "number": ask.number, "path": ask.path,
        "offset": ask.offset, "size": ask.size,
    }).encode()


def unpack_ask(data):
    """Return an Ask; its path is safe to look up. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UPDATE_BYTES, "update ask")
    validation.check_version(obj)
    path = validation.text(obj, "path", MAX_PATH_CHARS)
    if path != MANIFEST and not is_path(path):
        raise ProtocolError("path: no file of a release")
    return Ask(
        validation.hex_digits(obj, "sha256", 64),
        validation.integer(obj, "number", 0, MAX_NUMBER),
        path,
        validation.integer(obj, "offset"),
        validation.integer(obj, "size", 1, MAX_PIECE_BYTES),
    )


def pack_piece(piece):
    """Return down/update_data."""
    return struct.pack(_HEAD, piece.sha8, piece.number) + piece.data


def unpack_piece(payload):
    """Return a Piece. Raises ProtocolError."""
    if not HEAD_BYTES <= len(payload) <= HEAD_BYTES + MAX_PIECE_BYTES:
        raise ProtocolError(f"update data: {len(payload)} bytes")
    sha8, number = struct.unpack(_HEAD, payload[:HEAD_BYTES])
    return Piece(sha8, number, payload[HEAD_BYTES:])


def _offer(args):
    validation.only(args, ("sha256", "size", "signature", "key_id", "version"), "args of offer")
    signature = args.get("signature")
    if not isinstance(signature, str) or len(signature) != SIGNATURE_BYTES * 4 // 3:
        raise ProtocolError("signature: not base64 of 384 bytes")
    try:
        signature = binascii.a2b_base64(signature)
    except ValueError:
        raise ProtocolError("signature: not base64 of 384 bytes") from None
    if len(signature) != SIGNATURE_BYTES:
        raise ProtocolError("signature: not base64 of 384 bytes")
    return Offer(
        validation.hex_digits(args, "sha256", 64),
        validation.integer(args, "size", 1, MAX_MANIFEST_BYTES),
        signature,
        validation.hex_digits(args, "key_id", 16),
        validation.text(args, "version", 40),
    )


def _pack(node, command, mac):
    obj = {
        "v": 1, "id": command.id, "verb": command.verb, "args": command.args,
        "boot_id": command.boot_id, "not_after_at_ms": command.not_after_at_ms, "by": command.by,
    }
    return signing.sign(node, "update", obj, mac)
