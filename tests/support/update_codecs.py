"""Codecs of update messages for test_protocol_fuzz, with signatures in hexadecimal for JSON."""

from idro.protocol import messages, messages_host, update_messages

NODE = "bench-1"
MAC = "f" * 64


def pack_update(message):
    """Return the packed offer; its signature is given in hexadecimal."""
    offer = update_messages.Offer(*message.args)
    offer = offer._replace(signature=bytes.fromhex(offer.signature))
    return messages_host.pack_update(NODE, message._replace(args=offer), lambda signed: MAC)


def unpack_update(data):
    message = update_messages.unpack_update(NODE, data).message
    if message.args is None:
        return message
    return message._replace(args=message.args._replace(signature=message.args.signature.hex()))


CODECS = {
    "update": (
        pack_update, unpack_update, messages.Command("u", "offer", update_messages.Offer(
            "ab" * 32, 9_000, "5a" * 384, "0f" * 8, "0.3.0"), "b-1", 9, "anna"),
    ),
    "update_ask": (
        update_messages.pack_chunk_request, messages_host.unpack_chunk_request,
        update_messages.ChunkRequest("ab" * 32, 7, "idro/app/node.mpy", 768, 768),
    ),
}
