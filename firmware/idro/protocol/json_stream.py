"""JSON read and written in pieces, for a fragmented heap without a free block of 1 kB."""

import io
import json

PIECE_BYTES = 200  # slightly exceeded: members are not split


class PieceStream(io.IOBase):
    """Stream over `pieces`, an iterable of bytes, for json.load."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0

    def readinto(self, buffer):
        """Read the next byte, for json.load of MicroPython, which reads one at a time."""
        while self._at == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = piece
            self._at = 0
        buffer[0] = self._piece[self._at]
        self._at += 1
        return 1

    def read(self, size=-1):
        """Return the whole text, for json.load of CPython. Raises ValueError."""
        return str(b"".join(self._pieces), "utf-8")


def dump_pieces(obj):
    """Yield json.dumps(obj) as pieces of bytes; strings and numbers are never split."""
    text = ""
    for part in _parts(obj):
        text += part
        if len(text) >= PIECE_BYTES:
            yield text.encode()
            text = ""
    if text:
        yield text.encode()


def _parts(obj):
    if isinstance(obj, dict):
        lead = "{"
        for key in obj:
            yield f"{lead}{json.dumps(key)}: "
            yield from _parts(obj[key])
            lead = ", "
        yield "}" if obj else "{}"
    elif isinstance(obj, (list, tuple)):
        lead = "["
        for item in obj:
            yield lead
            yield from _parts(item)
            lead = ", "
        yield "]" if obj else "[]"
    else:
        yield json.dumps(obj)
