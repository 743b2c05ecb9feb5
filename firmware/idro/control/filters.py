"""Median, spread and the median window of a channel."""

from collections import namedtuple

# Exactly one of value (filtered) and fault is not None.
Reading = namedtuple("Reading", ("value", "fault"))


def median(values):
    """Return the median of a non-empty sequence, the lower one of an even count."""
    return sorted(values)[(len(values) - 1) // 2]


def milli(value):
    """Return `value` in thousandths, rounded to an integer."""
    return int(round(value * 1_000))


def deci(value):
    """Return `value` in tenths, rounded to an integer."""
    return int(round(value * 10))


def spread(values):
    """Return max - min of a non-empty sequence."""
    return max(values) - min(values)


class Window:
    """The last `size` accepted values, and when the newest was measured."""

    def __init__(self, size=5):
        self._size = size
        self._values = []
        self._at_ms = None

    def add(self, value, at_ms):
        """Add an accepted value."""
        self._values.append(value)
        if len(self._values) > self._size:
            self._values.pop(0)
        self._at_ms = at_ms

    def clear(self):
        """Remove all values."""
        self._values.clear()
        self._at_ms = None

    def reading(self, fault, now_ms, stale_ms):
        """Return the median as a Reading, or the fault. A jump fault keeps the median."""
        if fault is not None and fault != "jump":
            return Reading(None, fault)
        if self._at_ms is None or now_ms - self._at_ms > stale_ms:
            return Reading(None, fault or "stale")
        return Reading(median(self._values), None)
