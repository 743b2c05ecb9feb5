"""JSON in pieces: a crowded heap may have no hole left for a kilobyte in one."""

import io
import json

PIECE_BYTES = 200  # or little more: a member is not cut


class Stream(io.IOBase):
    """The bytes of `pieces`, an iterable, as json.load reads them."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0

    def readinto(self, buffer):
        """Give MicroPython the next byte: its json.load asks for one at a time."""
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
        """Give CPython, whose json.load asks for all at once, the text. Raises ValueError."""
        return str(b"".join(self._pieces), "utf-8")


def dumped(obj):
    """Yield json.dumps(obj), as bytes and piece by piece; texts and numbers are whole."""
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
