"""Formats points and events as InfluxDB line protocol. A field never changes its type.

sample,site=<site>,node=<node>,source=<source> <quantity>=<value>,... <unix ns>
event,site=<site>,node=<node>,kind=<kind> boot_id="..",seq=1i,detail="{json}",... <unix ns>

Quantities without decimals are integers (`12i`), others floats with their exact decimals. An
event's volume_ul and on_ms are in `detail` and also separate fields, for charts of doses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isfinite
from operator import itemgetter

from idroserra.core import protocol
from idroserra.core.errors import StoreRejected
from idroserra.history.models import EventPoint, Instant

_NUMBERS_OF_DETAIL = ("volume_ul", "on_ms")


def instant_lines(site: str, instants: Iterable[Instant]) -> list[str]:
    """Return the lines of each instant, one per source. Raises StoreRejected: bad channel."""
    texts = []
    for node, unix_ms, values in instants:
        numbers = values.values()
        try:
            template, pick = _layout(site, node, tuple(values))
            if not isfinite(sum(numbers)):
                raise ValueError("not a number")
            texts.append(template % pick((*numbers, unix_ms)))
        except (protocol.ProtocolError, OverflowError, ValueError) as error:
            raise StoreRejected(f"{node}: {', '.join(values)}: {error}") from None
    return texts


@lru_cache(maxsize=16_384)
def _layout(
    site: str, node: str, channels: tuple[str, ...]
) -> tuple[str, Callable[[tuple[float, ...]], tuple[float, ...]]]:
    """Return the template of an instant's lines and a function that selects its arguments from
    (*values, unix_ms). Raises ProtocolError."""
    fields: dict[str, list[str]] = {}
    places: dict[str, list[int]] = {}
    for place, channel in enumerate(channels):
        source, quantity = protocol.split_channel(channel)
        kind = "i" if quantity.decimals == 0 else ""
        fields.setdefault(source, []).append(f"{quantity.key}=%.{quantity.decimals}f{kind}")
        places.setdefault(source, []).append(place)
    lines = []
    picked: list[int] = []
    for source, texts in fields.items():
        head = f"sample{_tags(site=site, node=node, source=source)}".replace("%", "%%")
        lines.append(f"{head} {','.join(texts)} %d000000")
        picked += [*places[source], len(channels)]
    return "\n".join(lines), itemgetter(*picked)


def event_line(site: str, event: EventPoint) -> str:
    """Return the line of one event."""
    fields = [
        f"boot_id={quoted(event.boot_id)}", f"seq={event.seq}i",
        f"detail={quoted(json.dumps(dict(event.detail)))}"]
    for name in _NUMBERS_OF_DETAIL:
        value = event.detail.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            fields.append(f"{name}={value}i")
    tags = _tags(site=site, node=event.node, kind=event.kind)
    return f"event{tags} {','.join(fields)} {event.unix_us}000"


def quoted(text: str) -> str:
    """Return a string field; control characters become spaces."""
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def tag_value(text: str) -> str:
    """Return a tag value. A backslash becomes /, as it would be ambiguous with an escape; control
    characters become spaces."""
    plain = _printable(text).replace("\\", "/")
    return plain.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def query_text(text: str) -> str:
    """Return a string literal of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _printable(text: str) -> str:
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)


def _tags(**tags: str) -> str:
    """Return the tags without empty ones, which line protocol forbids."""
    return "".join(f",{key}={tag_value(value)}" for key, value in tags.items() if value)
