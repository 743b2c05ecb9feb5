"""Line protocol: points to lines, with every escape. A field never changes its type.

sample,site=<site>,node=<node>,source=<source> <quantity>=<value>,... <unix ns>
event,site=<site>,node=<node>,kind=<kind> boot_id="..",seq=1i,detail="{json}",... <unix ns>

Quantities without decimals are integers (`12i`), all others floats with their exact decimals.
The detail of an event is whole in `detail`; its volume_ul and on_ms are fields of their own too,
for charts of doses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from idroserra import contract
from idroserra.errors import StoreRejected
from idroserra.store import EventPoint, SamplePoint

_NUMBERS_OF_DETAIL = ("volume_ul", "on_ms")


def sample_lines(site: str, samples: Sequence[SamplePoint]) -> list[str]:
    """Return one line for each node, source and instant. Raises StoreRejected: a bad channel.

    Of two values of a channel at one instant the later one stands, as in SQLite."""
    fields: dict[tuple[str, str, int], dict[str, str]] = {}
    for node, channel, unix_ms, value in samples:
        try:
            source, scale, template = _layout(channel)
            # Exact: a scaled integer divided by 10, 100 or 1,000 reads as the same decimals.
            scaled = round(value * scale)
            text = template % (scaled if scale == 1 else scaled / scale)
        except (contract.ProtocolError, OverflowError, ValueError) as error:
            raise StoreRejected(f"{channel}: {error}") from None
        key = (node, source, unix_ms)
        texts = fields.get(key)
        if texts is None:
            fields[key] = {channel: text}
        else:
            texts[channel] = text
    return [
        f"{_sample_head(site, node, source)} {','.join(texts.values())} {unix_ms}000000"
        for (node, source, unix_ms), texts in fields.items()
    ]


@lru_cache(maxsize=4_096)
def _layout(channel: str) -> tuple[str, int, str]:
    """Return (source, 10^decimals, template of the field). Raises ProtocolError."""
    source, quantity = contract.split_channel(channel)
    if quantity.decimals == 0:
        return source, 1, f"{quantity.key}=%di"
    return source, 10**quantity.decimals, f"{quantity.key}=%.{quantity.decimals}f"


@lru_cache(maxsize=16_384)
def _sample_head(site: str, node: str, source: str) -> str:
    return f"sample{_tags(site=site, node=node, source=source)}"


def event_line(site: str, event: EventPoint) -> str:
    """Return the line of one event."""
    fields = [
        f"boot_id={quoted(event.boot_id)}",
        f"seq={event.seq}i",
        f"detail={quoted(json.dumps(dict(event.detail)))}",
    ]
    for name in _NUMBERS_OF_DETAIL:
        value = event.detail.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            fields.append(f"{name}={value}i")
    tags = _tags(site=site, node=event.node, kind=event.kind)
    return f"event{tags} {','.join(fields)} {event.unix_us}000"


def quoted(text: str) -> str:
    """Return text as a string field; a control character becomes a space."""
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def tag_value(text: str) -> str:
    """Return text as a tag value.

    A backslash cannot be told from an escape there, nor a control character from the end of the
    line: they become / and a space.
    """
    plain = _printable(text).replace("\\", "/")
    return plain.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def query_text(text: str) -> str:
    """Return text as a string literal of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _printable(text: str) -> str:
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)


def _tags(**tags: str) -> str:
    """Return the tags; an empty one may not be written and is left out."""
    return "".join(f",{key}={tag_value(value)}" for key, value in tags.items() if value)
