"""The received sequence numbers of one boot, as ranges: nearly all arrive in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class SequenceRanges:
    """A set of integers, stored as disjoint, non-adjacent ranges (first, last)."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            self._firsts.append(first)
            self._lasts.append(last)
        self._changed: set[int] = set()

    def add(self, number: int) -> bool:
        """Add a number; return False if it was in the set."""
        if self._lasts and number == self._lasts[-1] + 1:  # the usual case
            self._lasts[-1] = number
            self._changed.add(self._firsts[-1])
            return True
        at = bisect_right(self._firsts, number)
        if at and number <= self._lasts[at - 1]:
            return False
        joins_left = at > 0 and self._lasts[at - 1] == number - 1
        joins_right = at < len(self._firsts) and self._firsts[at] == number + 1
        if joins_left and joins_right:
            self._changed |= {self._firsts[at - 1], self._firsts[at]}
            self._lasts[at - 1] = self._lasts[at]
            del self._firsts[at], self._lasts[at]
        elif joins_left:
            self._changed.add(self._firsts[at - 1])
            self._lasts[at - 1] = number
        elif joins_right:
            self._changed |= {number, self._firsts[at]}
            self._firsts[at] = number
        else:
            self._changed.add(number)
            self._firsts.insert(at, number)
            self._lasts.insert(at, number)
        return True

    def extend(self, first: int, last: int) -> bool:
        """Add first..last and return True if it is above the highest number, else False."""
        if not self._lasts or first > self._lasts[-1] + 1:
            self._firsts.append(first)
            self._lasts.append(last)
        elif first == self._lasts[-1] + 1:
            self._lasts[-1] = last
        else:
            return False
        self._changed.add(self._firsts[-1])
        return True

    def prefix(self, floor: int) -> int:
        """Return the highest n such that the set contains floor+1..n, or `floor`."""
        at = bisect_right(self._firsts, floor + 1)
        return max(floor, self._lasts[at - 1]) if at else floor

    def missing_upto(self, number: int) -> int:
        """Return how many of 1..number are not in the set."""
        count = 0
        for first, last in zip(self._firsts, self._lasts, strict=True):
            if first > number:
                break
            count += min(last, number) - first + 1
        return number - count

    def close_gaps(self, number: int) -> int:
        """Add all of 1..number; return how many were missing."""
        added = self.missing_upto(number)
        joined = bisect_right(self._firsts, number + 1)
        last = max(number, self._lasts[joined - 1]) if joined else number
        self._changed.update(self._firsts[:joined], (1,))
        self._firsts[:joined] = [1]
        self._lasts[:joined] = [last]
        return added

    @property
    def highest(self) -> int:
        """The highest number, 0 for an empty set."""
        return self._lasts[-1] if self._lasts else 0

    def first_of(self, place: int) -> int:
        """Return the lowest number of a range, by its place in ascending order."""
        return self._firsts[place]

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self._firsts)

    def pop_changes(self) -> list[tuple[int, int | None]]:
        """Return (first, last) of each range changed since the last call; last None: removed."""
        changes: list[tuple[int, int | None]] = []
        for first in sorted(self._changed):
            at = bisect_right(self._firsts, first) - 1
            is_here = at >= 0 and self._firsts[at] == first
            changes.append((first, self._lasts[at] if is_here else None))
        self._changed.clear()
        return changes

    def ranges(self) -> list[tuple[int, int]]:
        """Return the ranges in ascending order."""
        return list(zip(self._firsts, self._lasts, strict=True))
