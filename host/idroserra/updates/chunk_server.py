"""Answers what nodes ask of a release: piece by piece, each node within bounds.

A node asks again for what does not come, so an ask beyond the bounds is dropped and counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from idroserra.core import protocol
from idroserra.updates.release import MANIFEST, Release

ASKS_PER_S = 100  # of one node: 75 kB/s
BURST = 100
MOST_WAITING = 16  # of one node, not yet answered


@dataclass
class _Share:
    """What one node may still ask. `asks` grows with time up to BURST."""

    asks: float
    unix_ms: int
    waiting: int = 0
    dropped: int = 0


class ChunkRateLimit:
    """How much each node may ask. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}

    def take(self, node: str, now_unix_ms: int) -> bool:
        """True where one more ask of the node is answered; done() must follow."""
        with self._lock:
            share = self._shares.setdefault(node, _Share(BURST, now_unix_ms))
            grown = max(0, now_unix_ms - share.unix_ms) * ASKS_PER_S / 1_000
            share.asks, share.unix_ms = min(BURST, share.asks + grown), now_unix_ms
            if share.asks < 1 or share.waiting >= MOST_WAITING:
                share.dropped += 1
                return False
            share.asks -= 1
            share.waiting += 1
            return True

    def done(self, node: str) -> None:
        """An ask that was taken is answered, or never will be."""
        with self._lock:
            share = self._shares.get(node)
            if share is not None and share.waiting:
                share.waiting -= 1

    def dropped(self, node: str) -> int:
        """Return how many asks of a node went beyond its bounds."""
        with self._lock:
            share = self._shares.get(node)
            return 0 if share is None else share.dropped


def piece_of(release: Release, ask: protocol.ChunkRequest) -> bytes | None:
    """Return down/update_data for an ask, None where the release has no such file."""
    whole = release.text if ask.path == MANIFEST else release.content.get(ask.path)
    if whole is None or ask.offset > len(whole):
        return None
    data = whole[ask.offset:ask.offset + ask.size]
    sha8 = bytes.fromhex(release.sha256[:16])
    return protocol.pack_chunk(protocol.Chunk(sha8, ask.number, data))


def reached_bytes(release: Release, ask: protocol.ChunkRequest) -> int:
    """Return how far a node is that asks this: bytes of the manifest and the files before it.

    Files it has already are passed over by the node, so this may jump."""
    if ask.path == MANIFEST:
        return min(int(ask.offset), len(release.text))
    done = len(release.text)
    for file in release.manifest.files:
        if file.path == ask.path:
            return done + min(int(ask.offset), file.size)
        done += file.size
    return 0


def whole_bytes(release: Release) -> int:
    """Return what reached_bytes() counts up to."""
    return len(release.text) + release.manifest.total_bytes
