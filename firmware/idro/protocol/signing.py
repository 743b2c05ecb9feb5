"""Signing of messages to a node: a MAC as the last field, over all bytes before it."""

from idro.errors import ProtocolError
from idro.protocol import validation


def parse_signed(node, leaf, data, max_bytes):
    """Return (object, signed bytes, MAC), without checking the MAC. Raises ProtocolError."""
    obj = validation.parse_object(data, max_bytes, leaf)
    auth = _auth(obj)
    whole = str(data, "utf-8").strip()
    tail = _tail(auth)
    if not whole.endswith(tail):
        raise ProtocolError("auth: not 64 hex digits as the last field")
    return obj, head(node, leaf) + whole[: -len(tail)].encode(), auth


def parse_signed_pieces(node, leaf, pieces, max_bytes):
    """Like `parse_signed`, for a list of bytes that is never joined: (object, signed pieces, MAC).

    The message must be ASCII without surrounding white space. Raises ProtocolError."""
    size = sum([len(piece) for piece in pieces])
    if size > max_bytes:
        raise ProtocolError(f"{leaf}: {size} bytes, at most {max_bytes}")
    before = b""
    for piece in pieces:
        if not piece or max(piece) > 127:
            raise ProtocolError(f"{leaf}: not ASCII")
        before += piece
        if b"\\" in before and _has_surrogate(before):
            raise ProtocolError(f"{leaf}: escaped surrogate")
        before = before[-3:]
    if not pieces or not pieces[0].startswith(b"{"):
        raise ProtocolError(f"{leaf}: not a whole JSON object")
    obj = validation.load_object(pieces, leaf)
    auth = _auth(obj)
    signed = _without(pieces, _tail(auth).encode())
    signed.insert(0, head(node, leaf))
    return obj, signed, auth


def _auth(obj):
    validation.check_version(obj)
    auth = validation.identifier(obj, "auth", 64)
    if len(auth) != 64:
        raise ProtocolError("auth: not 64 hex digits as the last field")
    return auth


def _tail(auth):
    return f',"auth":"{auth}"}}'


def _without(pieces, tail):
    """Return `pieces` without `tail` at the end. Raises ProtocolError if it is missing."""
    left = list(pieces)
    while tail:
        last = left.pop()
        cut = max(0, len(last) - len(tail))
        if not tail.endswith(last[cut:]):
            raise ProtocolError("auth: not 64 hex digits as the last field")
        tail = tail[: len(tail) - len(last) + cut]
        if cut:
            left.append(last[:cut])
    return left


def _has_surrogate(data):
    return any([part and part[0] in b"89abcdef" for part in data.lower().split(b"\\ud")[1:]])


def head(node, leaf):
    """Return the bytes that a MAC covers before the message."""
    return b"idro/v1/%s/down/%s\n" % (node.encode(), leaf.encode())
