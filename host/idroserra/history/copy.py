"""Copies history from one store to another, a day of a node at a time.

A copy may be repeated: both stores identify a point by node, channel and time, and an event by
node, boot_id and seq. A progress file lets an interrupted copy resume.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.core.errors import HostError
from idroserra.history.models import Store
from idroserra.history.paging import event_pages, instant_pages

DAY_MS = 86_400_000

CopyCallback = Callable[[str, int, int], None]  # (node, done_ms, total_ms) of all nodes together


class CopyError(HostError):
    """The progress file cannot be read or written, or belongs to another copy."""


class Copied(NamedTuple):
    """Totals of a copy, including an interrupted run that it resumed.

    too_old: points and events that the target did not take, older than its retention or too many
    in a quarter of an hour."""

    nodes: int
    points: int
    events: int
    too_old: int


class CopyProgress:
    """Progress of a copy, stored in a file if `path` is set. `done` is {node: unix_ms}."""

    def __init__(self, path: Path | None, name: str) -> None:
        """Read the file if it exists. Raises CopyError if it is invalid or of another copy."""
        self._path = path
        self._name = name
        self.done: dict[str, int] = {}
        self.points = self.events = self.too_old = 0
        if path is None or not path.exists():
            return
        try:
            stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
            is_same = stored["copy"] == name
            self.done = {str(node): int(unix_ms) for node, unix_ms in stored["done"].items()}
            self.points, self.events = int(stored["points"]), int(stored["events"])
            self.too_old = int(stored.get("too_old", 0))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CopyError(f"{path}: cannot be read: {error}") from None
        if not is_same:
            raise CopyError(f"{path}: belongs to another copy: {stored['copy']}")

    def write(self) -> None:
        """Replace the file atomically. Raises CopyError."""
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            part.write_text(json.dumps({"copy": self._name, "done": self.done,
                                        "points": self.points, "events": self.events,
                                        "too_old": self.too_old}))
            os.replace(part, self._path)
        except OSError as error:
            raise CopyError(f"{self._path}: {error.strerror or error}") from None


def copy(
    source: Store, target: Store, progress: CopyProgress, on_progress: CopyCallback,
    nodes: Collection[str] | None = None,
) -> Copied:
    """Copy all raw points and events, of all nodes or of some.

    Roll-ups are not copied: the target computes its own. Raises StoreUnavailable, StoreRejected,
    CopyError."""
    spans = {node: span for node, span in source.spans().items()
             if nodes is None or node in nodes}
    starts = {node: oldest // DAY_MS * DAY_MS for node, (oldest, _) in spans.items()}
    total_ms = sum(newest + 1 - starts[node] for node, (_, newest) in spans.items())
    done_ms = 0
    total = Copied(len(spans), progress.points, progress.events, progress.too_old)
    for node, (_, newest) in sorted(spans.items()):
        start = max(starts[node], progress.done.get(node, 0))
        done_ms += start - starts[node]
        while start <= newest:
            on_progress(node, done_ms, total_ms)
            end = min(start + DAY_MS, newest + 1)
            points, events, too_old = _copy_span(source, target, node, start, end)
            total = Copied(len(spans), total.points + points, total.events + events,
                           total.too_old + too_old)
            if end <= newest:  # the last day is incomplete: the next run copies it again
                progress.done[node] = end
                progress.points += points
                progress.events += events
                progress.too_old += too_old
                progress.write()
            done_ms += end - start
            start = end
    on_progress("", total_ms, total_ms)
    return total


def _copy_span(
    source: Store, target: Store, node: str, start: int, end: int
) -> tuple[int, int, int]:
    """Copy a node's history of [start, end); return the number of points and events that the
    target took, and of those that it did not."""
    points = events = old_points = old_events = 0
    for instants in instant_pages(source, node, start, end):
        dropped = target.write(instants, [])[node]  # the oldest ones, or any of a flood
        old_points += sum(len(instant.values) for instant in instants[:dropped])
        points += sum(len(instant.values) for instant in instants)
    for page in event_pages(source, node, start, end):
        old_events += target.write([], page)[node]
        events += len(page)
    return points - old_points, events - old_events, old_points + old_events
