"""Copies history from one store to another, a day of a node at a time.

What is there already is not there twice: both ends know a point by node, channel and time, an
event by node, boot_id and seq. A note of how far it is lets an interrupted copy go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.core.errors import HostError
from idroserra.history.models import SamplePoint, Store

DAY_MS = 86_400_000
BLOCK_POINTS = 5_000

CopyCallback = Callable[[str, int, int], None]  # (node, done_ms, total_ms) of all nodes together


class CopyError(HostError):
    """The note of an earlier copy cannot be used. Nothing was copied."""


class Copied(NamedTuple):
    """What a copy came to, what an interrupted run before it copied included."""

    nodes: int
    points: int
    events: int


class CopyProgress:
    """How far a copy is: kept in a file where one is given. `done` has {node: unix_ms}."""

    def __init__(self, path: Path | None, what: str) -> None:
        """Read the file where there is one. Raises CopyError: unreadable, or of another copy."""
        self._path = path
        self._what = what
        self.done: dict[str, int] = {}
        self.points = self.events = 0
        if path is None or not path.exists():
            return
        try:
            kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
            is_ours = kept["copy"] == what
            self.done = {str(node): int(unix_ms) for node, unix_ms in kept["done"].items()}
            self.points, self.events = int(kept["points"]), int(kept["events"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CopyError(f"{path}: cannot be read: {error}") from None
        if not is_ours:
            raise CopyError(f"{path}: is of another copy: {kept['copy']}")

    def write(self) -> None:
        """Write the file so that it is the old one or the new one. Raises CopyError."""
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            part.write_text(json.dumps({"copy": self._what, "done": self.done,
                                        "points": self.points, "events": self.events}))
            os.replace(part, self._path)
        except OSError as error:
            raise CopyError(f"{self._path}: {error.strerror or error}") from None


def copy(source: Store, target: Store, note: CopyProgress, tell: CopyCallback) -> Copied:
    """Copy every raw point and every event. Raises StoreUnavailable, StoreRejected, CopyError.

    Roll-ups are not copied: the target makes its own from the points."""
    spans = source.spans()
    starts = {node: oldest // DAY_MS * DAY_MS for node, (oldest, _) in spans.items()}
    total_ms = sum(newest + 1 - starts[node] for node, (_, newest) in spans.items())
    done_ms = 0
    all_points, all_events = note.points, note.events
    for node, (_, newest) in sorted(spans.items()):
        channels = sorted(source.latest(node))
        start = max(starts[node], note.done.get(node, 0))
        done_ms += start - starts[node]
        while start <= newest:
            tell(node, done_ms, total_ms)
            end = min(start + DAY_MS, newest + 1)
            points, events = _copy_span(source, target, node, channels, start, end)
            all_points += points
            all_events += events
            if end <= newest:  # the last day is not over: the next run copies it again
                note.done[node] = end
                note.points += points
                note.events += events
                note.write()
            done_ms += end - start
            start = end
    tell("", total_ms, total_ms)
    return Copied(len(spans), all_points, all_events)


def _copy_span(
    source: Store, target: Store, node: str, channels: list[str], start: int, end: int
) -> tuple[int, int]:
    """Copy what a node has of [start, end); return the number of points and of events."""
    found = source.points(node, channels, start, end) if channels else {}
    samples = sorted((
        SamplePoint(node, channel, unix_ms, value)
        for channel, points in found.items() for unix_ms, value in points),
        key=lambda sample: sample.unix_ms)
    for at in range(0, len(samples), BLOCK_POINTS):
        target.write(samples[at : at + BLOCK_POINTS], [])
    events = source.events(node, start, end)
    for at in range(0, len(events), BLOCK_POINTS):
        target.write([], events[at : at + BLOCK_POINTS])
    return len(samples), len(events)
