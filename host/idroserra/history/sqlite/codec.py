"""Lossless compression of the points and roll-ups of an hour: deflated columns of differences.

A column is a width (1, 2, 4 or 8 bytes) and its numbers as byte planes, lowest bytes first:
regular or small numbers become runs of zeros, which compress well. The first byte of a body is the
format version; the last four are a CRC-32 of the rest.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import add, mul, sub
from typing import NamedTuple

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# Largest number that can be packed: second-order differences fit in 64 bits.
MAX_NUMBER = 2**53
_FORM = 1
_LEVEL = 6
_CRC_BYTES = 4
_RAW_DEFLATE = -15
_WIDTHS = ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
_CODES = dict(_WIDTHS)


class Damaged(ValueError):
    """A body is corrupt, or of an unknown format version."""


class Roll(NamedTuple):
    """A roll-up: number of points, and scaled integers. unix_ms is the start of its span."""

    unix_ms: int
    points: int
    low: int
    high: int
    total: int
    last: int


class Points(NamedTuple):
    """Points of one channel as two columns: times in ms, and scaled values."""

    unix_ms: list[int]
    scaled: list[int]


def pack_points(points: Points, hour_unix_ms: int) -> bytes:
    """Return the points as bytes, in their order. Raises ValueError above MAX_NUMBER."""
    times, values = points
    _check(times)
    _check(values)
    head = _varints((len(times),))
    if not times:
        return _deflate(head)
    steps = list(map(sub, times[1:], times))
    first_step = steps[0] if steps else 0
    return _deflate(
        head + _varints((times[0] - hour_unix_ms, first_step, values[0]))
        + _column(list(map(sub, steps[1:], steps)))
        + _column(list(map(sub, values[1:], values)))
    )


def unpack_points(body: bytes, hour_unix_ms: int) -> Points:
    """Return the points of a body from pack_points(). Raises Damaged."""
    reader = _Reader(body)
    count = reader.varint()
    if count == 0:
        return Points([], [])
    first_ms, step_ms, first = hour_unix_ms + reader.varint(), reader.varint(), reader.varint()
    if count == 1:
        return Points([first_ms], [first])
    steps = accumulate(reader.column(count - 2), initial=step_ms)
    times = list(accumulate(steps, initial=first_ms))
    return Points(times, list(accumulate(reader.column(count - 1), initial=first)))


def pack_minutes(rolls: Sequence[Roll], hour_unix_ms: int) -> bytes:
    """Return the 1-minute roll-ups of an hour as bytes."""
    starts, counts, lows, highs, totals, lasts = (list(column) for column in zip(*rolls,
                                                                                  strict=True))
    minutes = [(start - hour_unix_ms) // MINUTE_MS for start in starts]
    return _deflate(
        _varints((len(rolls), lows[0]))
        + _column(minutes)
        + _column(counts)
        + _column(list(map(sub, lows[1:], lows)))
        + _column(list(map(sub, highs, lows)))
        + _column(list(map(sub, totals, map(mul, lows, counts))))
        + _column(list(map(sub, lasts, lows)))
    )


def unpack_minutes(body: bytes, hour_unix_ms: int) -> list[Roll]:
    """Return the roll-ups of a body from pack_minutes(). Raises Damaged."""
    reader = _Reader(body)
    count, low = reader.varint(), reader.varint()
    starts = [hour_unix_ms + minute * MINUTE_MS for minute in reader.column(count)]
    counts = reader.column(count)
    lows = list(accumulate(reader.column(count - 1), initial=low))
    highs = map(add, lows, reader.column(count))
    totals = map(add, map(mul, lows, counts), reader.column(count))
    lasts = map(add, lows, reader.column(count))
    return list(map(Roll, starts, counts, lows, highs, totals, lasts))


def roll_up(points: Points, width_ms: int) -> list[Roll]:
    """Return the roll-ups of points, which must be in order of time."""
    rolls = []
    at = 0
    for number, group in groupby(points.unix_ms, key=lambda unix_ms: unix_ms // width_ms):
        count = sum(1 for _ in group)
        values = points.scaled[at : at + count]
        at += count
        rolls.append(Roll(number * width_ms, count, min(values), max(values), sum(values),
                          values[-1]))
    return rolls


def better(known: Iterable[Roll], made: Iterable[Roll]) -> list[Roll]:
    """Merge roll-ups; for one span the one with more points wins, `made` in a tie.

    Points are never removed: a roll-up of fewer points was computed from incomplete data."""
    found = {roll.unix_ms: roll for roll in known}
    for roll in made:
        other = found.get(roll.unix_ms)
        if other is None or roll.points >= other.points:
            found[roll.unix_ms] = roll
    return sorted(found.values())


class _Reader:
    def __init__(self, body: bytes) -> None:
        if not body or body[0] != _FORM:
            raise Damaged(f"unknown format version {body[:1].hex()}")
        if zlib.crc32(body[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "big") != body[-_CRC_BYTES:]:
            raise Damaged("packed data is corrupt (CRC mismatch)")
        self._data = zlib.decompress(body[1:-_CRC_BYTES], _RAW_DEFLATE)
        self._at = 0

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number >> 1 if number % 2 == 0 else -(number >> 1) - 1

    def column(self, count: int) -> array[int]:
        width = self._data[self._at]
        start = self._at + 1
        self._at = start + width * count
        planes = self._data[start : self._at]
        numbers = array(_CODES[width])
        if width == 1:
            numbers.frombytes(planes)
            return numbers
        mixed = bytearray(width * count)
        for plane in range(width):
            mixed[plane::width] = planes[plane * count : (plane + 1) * count]
        numbers.frombytes(mixed)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers


def _column(numbers: list[int]) -> bytes:
    most = max(max(numbers), -1 - min(numbers)) if numbers else 0
    width, code = next(each for each in _WIDTHS if most < 1 << 8 * each[0] - 1)
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    data = packed.tobytes()
    return bytes((width,)) + b"".join(data[plane::width] for plane in range(width))


def _varints(numbers: Iterable[int]) -> bytes:
    return bytes(byte for number in numbers for byte in _varint(number))


def _varint(number: int) -> Iterator[int]:
    """Yield the zigzag varint of a number: seven bits per byte, the sign in the lowest bit."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    while rest > 0x7F:
        yield rest & 0x7F | 0x80
        rest >>= 7
    yield rest


def _check(numbers: list[int]) -> None:
    if numbers and (max(numbers) > MAX_NUMBER or min(numbers) < -MAX_NUMBER):
        raise ValueError(f"a number above {MAX_NUMBER} cannot be packed")


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    body = bytes((_FORM,)) + packer.compress(data) + packer.flush()
    return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "big")
