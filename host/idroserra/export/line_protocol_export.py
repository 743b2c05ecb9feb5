"""Exports history as line protocol, in the schema of the InfluxDB store, for `influx write`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from idroserra.export.rows import Instant
from idroserra.history import models
from idroserra.history.line_protocol import event_line, instant_lines
from idroserra.history.models import EventPoint


def readings_lines(site: str, node: str, instants: Iterable[Instant]) -> Iterator[str]:
    """Yield the lines of the readings of each instant. Faults are events: see events_lines()."""
    for one in instants:
        if one.values:
            [text] = instant_lines(site, [models.Instant(node, one.unix_ms, one.values)])
            yield f"{text}\n"


def events_lines(site: str, events: Iterable[EventPoint]) -> Iterator[str]:
    """Yield the lines of events."""
    for event in events:
        yield f"{event_line(site, event)}\n"
