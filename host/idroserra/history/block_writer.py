"""Writes blocks to a database, and finds the points that it refuses by halving the block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import NamedTuple

from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.history.models import EventPoint, Instant, SamplePoint

# A database that refuses this many points, and the newest instants of up to this many nodes, and
# accepts none is misconfigured: nothing is discarded.
HOPELESS_POINTS = 64

Point = SamplePoint | EventPoint
Write = Callable[[Sequence[Instant], Sequence[EventPoint]], Counter[str]]


class Outcome(NamedTuple):
    """What became of a block.

    refused: the permanently refused points, each with why; missing: {node: number of instants and
    events of which the database has nothing}."""

    refused: list[tuple[Point, str]]
    missing: Counter[str]


class BlockWriter:
    """Writes blocks of one caller."""

    def __init__(self, write: Write) -> None:
        """`write` is Store.write() or a function like it."""
        self._write = write
        self._has_accepted = False
        self._block_accepted = False
        self._newest: list[Instant] = []

    def write(self, instants: Sequence[Instant], events: Sequence[EventPoint]) -> Outcome:
        """Write a block. Raises StoreUnavailable; also if everything is refused."""
        self._block_accepted = False
        self._newest = _newest_of_nodes(instants)
        refused, missing = outcome = Outcome([], Counter())
        self._write_part(instants, events, outcome)
        if refused and not self._has_accepted:
            raise StoreUnavailable(f"the database has accepted nothing yet: {refused[0][1]}")
        values = Counter((point.node, point.unix_ms) for point, _ in refused
                         if isinstance(point, SamplePoint))
        missing.update(instant.node for instant in instants
                       if values[instant.node, instant.unix_ms] == len(instant.values))
        missing.update(point.node for point, _ in refused if isinstance(point, EventPoint))
        return outcome

    def _write_part(
        self, instants: Sequence[Instant], events: Sequence[EventPoint], outcome: Outcome
    ) -> None:
        refused = outcome.refused
        try:
            too_old = self._write(instants, events)
        except StoreRejected as error:
            if len(instants) == 1 and not events and len(instants[0].values) > 1:
                instants = _each_alone(instants[0])
            half = (len(instants) + len(events)) // 2
            if half == 0:
                refused.append((_point(instants[0]) if instants else events[0], error.why))
            else:
                of_events = max(0, half - len(instants))
                self._write_part(instants[:half], events[:of_events], outcome)
                self._write_part(instants[half:], events[of_events:], outcome)
            if len(refused) >= HOPELESS_POINTS and not self._accepts_any():
                raise StoreUnavailable(f"the database refuses everything: {error.why}") from error
        else:
            self._block_accepted = self._has_accepted = True
            outcome.missing.update(too_old)

    def _accepts_any(self) -> bool:
        """Return whether the database has accepted anything of the block, or accepts the newest
        instant of a node: what is refused may all be in hours that are damaged."""
        while self._newest and not self._block_accepted:
            with suppress(StoreRejected):
                if not self._write([self._newest.pop()], []):  # none that it does not keep
                    self._block_accepted = self._has_accepted = True
        return self._block_accepted


def _newest_of_nodes(instants: Sequence[Instant]) -> list[Instant]:
    newest = {one.node: one for one in sorted(instants, key=attrgetter("unix_ms"))}
    return list(newest.values())[:HOPELESS_POINTS]


def _point(instant: Instant) -> SamplePoint:
    (channel, value), = instant.values.items()
    return SamplePoint(instant.node, channel, instant.unix_ms, value)


def _each_alone(instant: Instant) -> list[Instant]:
    node, unix_ms, values = instant
    return [Instant(node, unix_ms, {channel: value}) for channel, value in values.items()]
