"""What a channel measured in a range: by day, how long in its band, and where nothing was read.

Read in columns of a minute. A column counts until the next one; where that is more than HOLD_MS
away there is a gap, which counts as neither in nor out of the band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from idroserra.history.models import Column, Store

MINUTE_MS = 60_000
HOLD_MS = 15 * MINUTE_MS
Span = tuple[int, int]


class DayReadings(NamedTuple):
    """One day of a channel: extremes, mean over the time with readings, and that time."""

    from_unix_ms: int
    to_unix_ms: int
    low: float
    mean: float
    high: float
    read_ms: int


class Readings(NamedTuple):
    """A channel in a range. days: those with a reading. in_band_ms: None without a band."""

    channel: str
    band: tuple[float, float] | None
    days: Sequence[DayReadings]
    gaps: Sequence[Span]
    read_ms: int
    in_band_ms: int | None

    @property
    def in_band_pct(self) -> float | None:
        """Share of the time with readings in the band; None where there is none of either."""
        if self.in_band_ms is None or not self.read_ms:
            return None
        return 100 * self.in_band_ms / self.read_ms

    @property
    def whole(self) -> DayReadings | None:
        """The days as one; None where nothing was read."""
        if not self.days:
            return None
        read_ms = sum(day.read_ms for day in self.days)
        mean = sum(day.mean * day.read_ms for day in self.days) / read_ms
        return DayReadings(
            self.days[0].from_unix_ms, self.days[-1].to_unix_ms, min(day.low for day in self.days),
            mean, max(day.high for day in self.days), read_ms)


def readings_of(
    store: Store, node: str, channel: str, days: Sequence[Span], band: tuple[float, float] | None
) -> Readings:
    """Return what a channel measured in `days`, one after the other. Raises StoreUnavailable,
    StoreRejected."""
    found: list[DayReadings] = []
    gaps: list[Span] = []
    read_ms = in_band_ms = 0
    seen_ms = days[0][0]  # until when the newest column counts
    for start, end in days:
        columns = _minutes(store, node, channel, start, end)
        if not columns:
            continue
        held = [_held(after - column.unix_ms) for column, after in zip(
            columns, [*(column.unix_ms for column in columns[1:]), end], strict=True)]
        for column, hold_ms in zip(columns, held, strict=True):
            _note_gap(gaps, seen_ms, column.unix_ms)
            seen_ms = column.unix_ms + hold_ms
            if band is not None and band[0] <= column.mean <= band[1]:
                in_band_ms += hold_ms
        day_ms = sum(held)
        read_ms += day_ms
        mean = sum(one.mean * ms for one, ms in zip(columns, held, strict=True)) / day_ms
        found.append(DayReadings(start, end, min(one.min for one in columns), mean,
                                 max(one.max for one in columns), day_ms))
    _note_gap(gaps, seen_ms, days[-1][1])
    return Readings(channel, band, found, gaps, read_ms, None if band is None else in_band_ms)


def _held(until_next_ms: int) -> int:
    return until_next_ms if until_next_ms <= HOLD_MS else MINUTE_MS


def _minutes(store: Store, node: str, channel: str, start: int, end: int) -> list[Column]:
    count = 1 - (start - end) // MINUTE_MS
    found = store.series(node, [channel], start, end, count)[channel]
    first = max(start, found[0].unix_ms) if found else start
    return [found[0]._replace(unix_ms=first), *found[1:]] if found else []


def _note_gap(gaps: list[Span], start: int, end: int) -> None:
    """Keep [start, end) where it is long enough to be one."""
    if end - start >= HOLD_MS - MINUTE_MS:
        gaps.append((start, end))
