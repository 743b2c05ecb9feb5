"""Messages of over-the-air updates: the host offers a release, the node requests it in chunks.

Separate from `messages`, because a node loads them only during an update. An offer is a command:
authenticated, for one boot, with a deadline, executed once, answered by up/ack. Chunks arrive as
down/update_data without authentication; the hashes in the signed manifest verify them.
"""

import binascii
import json
import struct
from collections import namedtuple

from idro.errors import ProtocolError
from idro.protocol import signing, validation
from idro.protocol.messages import SignedMessage, command_of
from idro.protocol.release_layout import MAX_MANIFEST_BYTES, SIGNATURE_BYTES

MAX_UPDATE_BYTES = 1_024
# With header and topic it stays below the packet limit of every node.
MAX_CHUNK_BYTES = 768
CHUNK_HEAD = ">8sH"
HEAD_BYTES = 10
MAX_NUMBER = 65_535

# sha256 (hex), size and signature (bytes) of the manifest, id of its key, version text. The
# manifest repeats all but sha256 and signature, and is checked again.
Offer = namedtuple("Offer", ("sha256", "size", "signature", "key_id", "version"))
# `number` identifies the request in its Chunk.
ChunkRequest = namedtuple("ChunkRequest", ("sha256", "number", "path", "offset", "size"))
# sha8: first 8 bytes of the manifest's SHA-256. Fewer bytes than requested: end of file.
Chunk = namedtuple("Chunk", ("sha8", "number", "data"))


def unpack_update(node, data):
    """Return SignedMessage(Command), its MAC not checked. Raises ProtocolError.

    Verb "offer" has an Offer as args, "cancel" None.
    """
    obj, signed, auth = signing.parse_signed(node, "update", data, MAX_UPDATE_BYTES)
    command = command_of(obj, "update", ("offer", "cancel"), _checked_args)
    return SignedMessage(command, signed, auth)


def pack_chunk_request(ask):
    """Return up/update."""
    return json.dumps({
        "v": 1, "sha256": ask.sha256, "number": ask.number, "path": ask.path,
        "offset": ask.offset, "size": ask.size}).encode()


def unpack_chunk(payload):
    """Return a Chunk. Raises ProtocolError."""
    if not HEAD_BYTES <= len(payload) <= HEAD_BYTES + MAX_CHUNK_BYTES:
        raise ProtocolError(f"update data: {len(payload)} bytes")
    sha8, number = struct.unpack(CHUNK_HEAD, payload[:HEAD_BYTES])
    return Chunk(sha8, number, payload[HEAD_BYTES:])


def _checked_args(verb, args):
    if verb == "cancel":
        validation.check_keys(args, (), "args of cancel")
        return None
    keys = ("sha256", "size", "signature", "key_id", "version")
    validation.check_keys(args, keys, "args of offer")
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
        validation.integer(args, "size", 1, MAX_MANIFEST_BYTES), signature,
        validation.hex_digits(args, "key_id", 16), validation.text(args, "version", 40),
    )
