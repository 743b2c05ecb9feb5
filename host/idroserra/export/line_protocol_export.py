"""Exports history as line protocol, in the schema of the InfluxDB store, for `influx write`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from idroserra.export.rows import Instant
from idroserra.history.line_protocol import event_line, sample_lines
from idroserra.history.models import EventPoint, SamplePoint


def readings_lines(site: str, node: str, instants: Iterable[Instant]) -> Iterator[str]:
    """Yield the lines of readings. Faults are events: see events_lines()."""
    for one in instants:
        points = [SamplePoint(node, channel, one.unix_ms, value)
                  for channel, value in one.values.items()]
        for line in sample_lines(site, points):
            yield f"{line}\n"


def events_lines(site: str, events: Iterable[EventPoint]) -> Iterator[str]:
    """Yield the lines of events."""
    for event in events:
        yield f"{event_line(site, event)}\n"
