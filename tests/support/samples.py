"""Single points of channels, to write to and read from a store in tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite

from idroserra.core import protocol
from idroserra.history.line_protocol import instant_lines
from idroserra.history.models import EventPoint, Instant, SamplePoint, Store


def instants_of(samples: Iterable[SamplePoint]) -> list[Instant]:
    """Return the instants of points, rounded to the decimals of the quantity, as nodes send them.

    Of two values of a channel at one instant the later wins."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    for node, channel, unix_ms, value in samples:
        found.setdefault((node, unix_ms), {})[channel] = _rounded(channel, value)
    return [Instant(node, unix_ms, values) for (node, unix_ms), values in found.items()]


def _rounded(channel: str, value: float) -> float:
    """Return a value as it is if it is none of a channel: the store rejects it."""
    quantity = protocol.QUANTITIES.get(channel.partition(".")[2])
    if quantity is None or not isfinite(value):
        return value
    scale = 10**quantity.decimals
    return round(value * scale) / scale


def sample_lines(site: str, samples: Iterable[SamplePoint]) -> list[str]:
    """Return the lines of points. Raises StoreRejected."""
    return [line for text in instant_lines(site, instants_of(samples))
            for line in text.split("\n")]


def write_samples(
    store: Store, samples: Iterable[SamplePoint], events: Sequence[EventPoint]
) -> Counter[str]:
    """Write points and events; return what is too old, as Store.write()."""
    return store.write(instants_of(samples), events)


def points_of(
    store: Store, node: str, channels: Iterable[str], from_unix_ms: int, to_unix_ms: int
) -> dict[str, list[tuple[int, float]]]:
    """Return {channel: [(unix_ms, value)]} of [from, to), oldest first."""
    instants = store.instants(node, from_unix_ms, to_unix_ms)
    return {channel: [(unix_ms, values[channel]) for _, unix_ms, values in instants
                      if channel in values] for channel in channels}
