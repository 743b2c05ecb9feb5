"""Statistics of a channel over a range: daily values, time in band, gaps.

Computed from one-minute columns. A column holds until the next one; an interval longer than
MAX_HOLD_MS is a gap and counts as neither in nor out of the band. A reading is judged by the band
that was active at its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from idroserra.history.models import Column, Store
from idroserra.setpoints.bands import Band, BandStep

MINUTE_MS = 60_000
MAX_HOLD_MS = 15 * MINUTE_MS
Span = tuple[int, int]


class DayReadings(NamedTuple):
    """One day of a channel: extremes, time-weighted mean, and the time with readings."""

    from_unix_ms: int
    to_unix_ms: int
    low: float
    mean: float
    high: float
    read_ms: int


class BandReadings(NamedTuple):
    """A band from a time on, the time with readings until the next, and that in the band."""

    from_unix_ms: int
    band: Band | None
    read_ms: int
    in_band_ms: int

    @property
    def in_band_pct(self) -> float | None:
        """Time in band as % of the time with readings; None without a band or readings."""
        if self.band is None or not self.read_ms:
            return None
        return 100 * self.in_band_ms / self.read_ms


class Readings(NamedTuple):
    """A channel in a range. bands: oldest first. days: only days with readings."""

    channel: str
    bands: Sequence[BandReadings]
    days: Sequence[DayReadings]
    gaps: Sequence[Span]
    read_ms: int
    first_unix_ms: int | None

    @property
    def in_band_ms(self) -> int:
        """Time in band."""
        return sum(one.in_band_ms for one in self.bands)

    @property
    def in_band_pct(self) -> float | None:
        """Time in band as % of the time with readings and a band; None without either."""
        read_ms = sum(one.read_ms for one in self.bands if one.band is not None)
        return 100 * self.in_band_ms / read_ms if read_ms else None

    @property
    def whole(self) -> DayReadings | None:
        """The statistics of the whole range; None without readings."""
        if not self.days:
            return None
        read_ms = sum(day.read_ms for day in self.days)
        mean = sum(day.mean * day.read_ms for day in self.days) / read_ms
        return DayReadings(
            self.days[0].from_unix_ms, self.days[-1].to_unix_ms, min(day.low for day in self.days),
            mean, max(day.high for day in self.days), read_ms)


def read_channel(
    store: Store, node: str, channel: str, days: Sequence[Span], bands: Sequence[BandStep]
) -> Readings:
    """Return the statistics of a channel over consecutive `days`. Raises StoreUnavailable,
    StoreRejected."""
    found: list[DayReadings] = []
    gaps: list[Span] = []
    judge = _Judge(bands)
    first_unix_ms = None
    covered_ms = days[0][0]  # end of the newest column's hold
    for start, end in days:
        columns = _minutes(store, node, channel, start, end)
        if not columns:
            continue
        holds = [_hold_ms(after - column.unix_ms) for column, after in zip(
            columns, [*(column.unix_ms for column in columns[1:]), end], strict=True)]
        if first_unix_ms is None:
            first_unix_ms = columns[0].unix_ms
        for column, hold_ms in zip(columns, holds, strict=True):
            _add_gap(gaps, covered_ms, column.unix_ms)
            covered_ms = column.unix_ms + hold_ms
        judge.add(columns, holds)
        day_ms = sum(holds)
        mean = sum(one.mean * ms for one, ms in zip(columns, holds, strict=True)) / day_ms
        found.append(DayReadings(start, end, min(one.min for one in columns), mean,
                                 max(one.max for one in columns), day_ms))
    _add_gap(gaps, covered_ms, days[-1][1])
    return Readings(channel, judge.found(), found, gaps, sum(day.read_ms for day in found),
                    first_unix_ms)


class _Judge:
    """Adds up the time with readings and the time in band, of each band."""

    def __init__(self, bands: Sequence[BandStep]) -> None:
        self._bands = bands
        self._ends = [*(step.from_unix_ms for step in bands[1:]), inf]
        self._read_ms = [0] * len(bands)
        self._in_band_ms = [0] * len(bands)
        self._place = 0

    def add(self, columns: Sequence[Column], holds: Sequence[int]) -> None:
        """Add columns, each with the time it held. They come in the order of time."""
        if not self._bands:
            return
        for column, hold_ms in zip(columns, holds, strict=True):
            begin, value = column.unix_ms, column.mean
            while begin >= self._ends[self._place]:
                self._place += 1
            if begin + hold_ms <= self._ends[self._place]:
                self._count(self._place, value, hold_ms)
                continue
            place, end = self._place, begin + hold_ms
            while begin < end:  # the band changed meanwhile
                until = int(min(end, self._ends[place]))
                self._count(place, value, until - begin)
                begin, place = until, place + 1

    def _count(self, place: int, value: float, ms: int) -> None:
        self._read_ms[place] += ms
        band = self._bands[place].band
        if band is not None and band[0] <= value <= band[1]:
            self._in_band_ms[place] += ms

    def found(self) -> list[BandReadings]:
        """Return the sums."""
        return [BandReadings(*step, read_ms, in_band_ms) for step, read_ms, in_band_ms in zip(
            self._bands, self._read_ms, self._in_band_ms, strict=True)]


def _hold_ms(until_next_ms: int) -> int:
    return until_next_ms if until_next_ms <= MAX_HOLD_MS else MINUTE_MS


def _minutes(store: Store, node: str, channel: str, start: int, end: int) -> list[Column]:
    count = 1 - (start - end) // MINUTE_MS
    found = store.series(node, [channel], start, end, count)[channel]
    first = max(start, found[0].unix_ms) if found else start
    return [found[0]._replace(unix_ms=first), *found[1:]] if found else []


def _add_gap(gaps: list[Span], start: int, end: int) -> None:
    """Add [start, end) if it is long enough to be a gap."""
    if end - start >= MAX_HOLD_MS - MINUTE_MS:
        gaps.append((start, end))
