"""The interface of a store and its records.

Writes are idempotent and may come in any order, so the spool may repeat any block after a crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from idroserra.core.protocol import Detail

# Progress of long work: (done_ms, total_ms) of the history.
ProgressCallback = Callable[[int, int], None]


class SamplePoint(NamedTuple):
    """One value of one channel at one instant; identity (node, channel, unix_ms)."""

    node: str
    channel: str
    unix_ms: int
    value: float


class Instant(NamedTuple):
    """The values of one node at one instant: {channel: value}, not empty."""

    node: str
    unix_ms: int
    values: Mapping[str, float]


class EventPoint(NamedTuple):
    """One event; identity (node, boot_id, seq). unix_us = unix_ms * 1000 + seq % 1000."""

    node: str
    unix_us: int
    seq: int
    boot_id: str
    kind: str
    detail: Detail


class Column(NamedTuple):
    """One pixel column of a chart; unix_ms is its start."""

    unix_ms: int
    min: float
    mean: float
    max: float


class ResolutionInfo(NamedTuple):
    """One resolution of a store: its points or roll-ups and their retention.

    keep_days 0 is for ever, None unknown."""

    name: str
    entries: int | None
    oldest_unix_ms: int | None
    keep_days: int | None


class StoreInfo(NamedTuple):
    """Contents of a store. size_bytes is None if unknown."""

    kind: str
    where: str
    points: int
    events: int
    size_bytes: int | None
    oldest_unix_ms: int | None
    newest_unix_ms: int | None
    nodes: int
    resolutions: tuple[ResolutionInfo, ...]
    events_days: int | None


class Store(Protocol):
    """The interface of a store. All methods are thread-safe."""

    def write(
        self, instants: Sequence[Instant], events: Sequence[EventPoint]
    ) -> Counter[str]:
        """Make data of nodes durable; return {node: number of instants and events} that the store
        dropped, because they are older than it keeps, or too many in a short time. Raises
        StoreUnavailable, StoreRejected."""

    def series(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int, columns: int
    ) -> dict[str, list[Column]]:
        """Return up to `columns` (2 or more) per channel of [from, to), without empty ones.

        Columns start at multiples of their width. Every requested channel is a key. Raises
        StoreUnavailable, StoreRejected."""

    def instants(
        self, node: str, from_unix_ms: int, to_unix_ms: int, oldest: int | None = None
    ) -> list[Instant]:
        """Return the readings of all channels of [from, to), oldest first; `oldest` limits the
        number of instants. `paging` reads any number. Raises StoreUnavailable, StoreRejected."""

    def events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str] | None = None,
        newest: int | None = None, oldest: int | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first; `kinds` limits their kinds, `newest` or
        `oldest` their number. `paging` reads any number. Raises StoreUnavailable,
        StoreRejected."""

    def newest_events(
        self, node: str, from_unix_ms: int, to_unix_ms: int, kinds: Sequence[str], count: int
    ) -> list[EventPoint]:
        """Return the newest `count` events of each kind of [from, to), oldest first.

        Raises StoreUnavailable, StoreRejected."""

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""

    def span(self, node: str) -> tuple[int, int] | None:
        """Return (oldest, newest) in unix_ms of the points and events of a node; None without."""

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of points and events."""

    def info(self) -> StoreInfo:
        """Return the contents of the store."""

    def init(self, on_progress: ProgressCallback) -> list[str]:
        """Set up retention and downsampling in the database; return a line for each step.

        Calls on_progress while it computes past roll-ups. Idempotent. Raises StoreUnavailable,
        StoreRejected."""

    def maintain(self, now_unix_ms: int) -> bool:
        """Do one maintenance step of a fraction of a second; False if nothing was left to do."""

    def compact(self) -> None:
        """Reduce the store to its minimum size; this may take long."""

    def close(self) -> None:
        """Close files and connections."""


def column_width_ms(from_unix_ms: int, to_unix_ms: int, columns: int) -> int:
    """Return a width whose multiples divide [from, to) into at most `columns`; 0 if empty."""
    return max(0, -(-(to_unix_ms - from_unix_ms) // max(columns - 1, 1)))
