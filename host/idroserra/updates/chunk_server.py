"""Serves the chunks of a release that nodes request, within a rate limit for each node.

A node repeats a request without an answer, so a request beyond the limit is dropped and counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from idroserra.core import protocol
from idroserra.updates.release import MANIFEST, Release

ASKS_PER_S = 100  # of one node: 75 kB/s
BURST = 100
MOST_WAITING = 16  # of one node, not answered yet


@dataclass
class _Bucket:
    """The token bucket of one node: `tokens` grow with time up to BURST."""

    tokens: float
    unix_ms: int
    waiting: int = 0
    dropped: int = 0


class ChunkRateLimit:
    """Limits the requests of each node. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def take(self, node: str, now_unix_ms: int) -> bool:
        """Return True if a request of the node may be answered; done() must follow."""
        with self._lock:
            bucket = self._buckets.setdefault(node, _Bucket(BURST, now_unix_ms))
            grown = max(0, now_unix_ms - bucket.unix_ms) * ASKS_PER_S / 1_000
            bucket.tokens, bucket.unix_ms = min(BURST, bucket.tokens + grown), now_unix_ms
            if bucket.tokens < 1 or bucket.waiting >= MOST_WAITING:
                bucket.dropped += 1
                return False
            bucket.tokens -= 1
            bucket.waiting += 1
            return True

    def done(self, node: str) -> None:
        """Mark a request as answered or abandoned."""
        with self._lock:
            bucket = self._buckets.get(node)
            if bucket is not None and bucket.waiting:
                bucket.waiting -= 1

    def dropped(self, node: str) -> int:
        """Return how many requests of a node were dropped."""
        with self._lock:
            bucket = self._buckets.get(node)
            return 0 if bucket is None else bucket.dropped


def chunk_of(release: Release, ask: protocol.ChunkRequest) -> bytes | None:
    """Return down/update_data for a request, or None if the release has no such file."""
    whole = release.text if ask.path == MANIFEST else release.content.get(ask.path)
    if whole is None or ask.offset > len(whole):
        return None
    data = whole[ask.offset:ask.offset + ask.size]
    sha8 = bytes.fromhex(release.sha256[:16])
    return protocol.pack_chunk(protocol.Chunk(sha8, ask.number, data))


def reached_bytes(release: Release, ask: protocol.ChunkRequest) -> int:
    """Return the progress of a node from its request: bytes of the manifest and of earlier files.

    The node skips files it has already, so this may jump."""
    if ask.path == MANIFEST:
        return min(int(ask.offset), len(release.text))
    done = len(release.text)
    for file in release.manifest.files:
        if file.path == ask.path:
            return done + min(int(ask.offset), file.size)
        done += file.size
    return 0


def whole_bytes(release: Release) -> int:
    """Return the value of reached_bytes() at the end."""
    return len(release.text) + release.manifest.total_bytes
