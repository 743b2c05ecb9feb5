"""Lossless text encoding of floats: MicroPython before 1.26 prints too few digits in JSON."""

import binascii
import struct


def pack_floats(values):
    """Return the floats as one hexadecimal text, 16 digits each (IEEE 754 double)."""
    return binascii.hexlify(struct.pack(f"<{len(values)}d", *values)).decode()


def unpack_floats(text):
    """Return the floats encoded by `pack_floats`. Raises ValueError on other text."""
    raw = binascii.unhexlify(text)
    return list(struct.unpack(f"<{len(raw) // 8}d", raw))
