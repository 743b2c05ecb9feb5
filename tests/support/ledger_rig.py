"""Ledger records written independently of the firmware, and a node with a ledger."""

import binascii
import struct

from idro.safety.ledger import RECORD_BYTES, Ledger

HEAD, RESERVE, SETTLE, LATCH = 1, 2, 3, 4


def record(kind, number, entry_id, chain_ms, on_ms, volume_ul):
    """Return an encoded record."""
    body = struct.pack("<BBHIQII", kind, number, 0, entry_id, chain_ms, on_ms, volume_ul)
    return body + struct.pack("<I", binascii.crc32(body))


class Node:
    """Two copies of the ledger in a folder, and the chained uptime."""

    def __init__(self, folder, now_ms=1_000):
        self.paths = [folder / "ledger.a", folder / "ledger.b"]
        self.now_ms = now_ms

    def open(self, existed=True):
        paths = tuple(str(path) for path in self.paths)
        self.ledger = Ledger(paths, lambda: self.now_ms, existed)
        return self.ledger

    def put(self, *records, other=None):
        """Write records to both copies, or `other` ones to the second."""
        self.paths[0].write_bytes(b"".join(records))
        self.paths[1].write_bytes(b"".join(records if other is None else other))

    def flash(self):
        first, second = (path.read_bytes() for path in self.paths)
        assert first == second
        return [first[at : at + RECORD_BYTES] for at in range(0, len(first), RECORD_BYTES)]

    def give(self, channel="ph_down", on_ms=1_000, volume_ul=1_000):
        entry_id = self.ledger.reserve(channel, on_ms, volume_ul)
        self.ledger.settle(entry_id, on_ms, volume_ul)
        return entry_id


def head(count, next_id, chain_ms=0):
    return record(HEAD, 0, count, chain_ms, next_id, 0)


# A sound copy.
GOOD = (
    head(2, 9), record(LATCH, 0, 0, 0, 0, 0), record(SETTLE, 0, 3, 900, 5, 5),
)
