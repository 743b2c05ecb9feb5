"""The store's interface and the records it takes and returns.

A write is idempotent: the same points again change nothing, so the spool may repeat any block
after a crash. Order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from idroserra.core.protocol import Detail

# Told how far long work is: (done_ms, total_ms) of the history.
ProgressCallback = Callable[[int, int], None]


class SamplePoint(NamedTuple):
    """One value of one channel at one instant; identity (node, channel, unix_ms)."""

    node: str
    channel: str
    unix_ms: int
    value: float


class Instant(NamedTuple):
    """What one node measured at one instant: {channel: value}, at least one."""

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
    """What one pixel column of a chart shows; unix_ms is where the column begins."""

    unix_ms: int
    min: float
    mean: float
    max: float


class ResolutionInfo(NamedTuple):
    """One resolution of a store: its points or roll-ups, and for how long it is kept.

    keep_days 0 is for ever; None is what nobody knows."""

    name: str
    entries: int | None
    oldest_unix_ms: int | None
    keep_days: int | None


class StoreInfo(NamedTuple):
    """What is in a store. size_bytes None: it does not tell."""

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


class Durability(Enum):
    """Whether what a store has taken is durable: not yet, or no more, where it was killed."""

    YES = "yes"
    NOT_YET = "not yet"
    NO = "no"


class Receipt(Protocol):
    """What a store gives for points that it took and may still lose."""

    def durability(self) -> Durability:
        """Say whether they are durable. Raises StoreUnavailable."""


class Store(Protocol):
    """What every store can do. All methods may be called from any thread."""

    def write(self, samples: Sequence[SamplePoint], events: Sequence[EventPoint]) -> None:
        """Make the points durable, or raise StoreUnavailable or StoreRejected."""

    def write_instants(
        self, instants: Sequence[Instant], events: Sequence[EventPoint]
    ) -> Receipt | None:
        """As write(), for what comes from the nodes. With a receipt it is not durable yet."""

    def series(
        self,
        node: str,
        channels: Sequence[str],
        from_unix_ms: int,
        to_unix_ms: int,
        columns: int,
    ) -> dict[str, list[Column]]:
        """Return at most `columns` (2 or more) a channel of [from, to), empty ones left out.

        Columns begin at multiples of their width. Every channel asked for is a key. Raises
        StoreUnavailable, StoreRejected."""

    def points(
        self, node: str, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int
    ) -> dict[str, list[tuple[int, float]]]:
        """Return {channel: [(unix_ms, value)]} of [from, to), oldest first.

        Every channel asked for is a key. Raises StoreUnavailable, StoreRejected."""

    def events(
        self,
        node: str,
        from_unix_ms: int,
        to_unix_ms: int,
        kinds: Sequence[str] | None = None,
    ) -> list[EventPoint]:
        """Return the events of [from, to), oldest first, of all kinds or of `kinds`."""

    def latest(self, node: str) -> dict[str, tuple[int, float]]:
        """Return {channel: (unix_ms, value)} of the newest value of each channel."""

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return {node: (oldest, newest)} in unix_ms of its points and events."""

    def info(self) -> StoreInfo:
        """Return what is in the store."""

    def init(self, tell: ProgressCallback) -> list[str]:
        """Set up retention and downsampling where the database does them; say what was done.

        tell(done_ms, total_ms) while the past is rolled up. May be repeated. Raises
        StoreUnavailable, StoreRejected."""

    def maintain(self, now_unix_ms: int) -> bool:
        """Do some upkeep, a fraction of a second of it; False when there is none to do."""

    def compact(self) -> None:
        """Be as small as can be; takes its time."""

    def close(self) -> None:
        """Release files and connections."""


def column_width_ms(from_unix_ms: int, to_unix_ms: int, columns: int) -> int:
    """Return a width whose multiples cut [from, to) into at most `columns`, 0 if it is empty."""
    return max(0, -(-(to_unix_ms - from_unix_ms) // max(columns - 1, 1)))
