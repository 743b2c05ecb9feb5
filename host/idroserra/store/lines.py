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

from idro.protocol.quantities import format_scaled
from idroserra import contract
from idroserra.errors import StoreRejected
from idroserra.store import EventPoint, SamplePoint

_NUMBERS_OF_DETAIL = ("volume_ul", "on_ms")


def sample_lines(site: str, samples: Sequence[SamplePoint]) -> list[str]:
    """Return one line for each node, source and instant. Raises StoreRejected: a bad channel."""
    fields: dict[tuple[str, str, int], list[str]] = {}
    for sample in samples:
        try:
            source, quantity = contract.split_channel(sample.channel)
            text = format_scaled(quantity, contract.to_scaled(quantity, sample.value))
        except (contract.ProtocolError, OverflowError, ValueError) as error:
            raise StoreRejected(f"{sample.channel}: {error}") from None
        suffix = "i" if quantity.decimals == 0 else ""
        key = (sample.node, source, sample.unix_ms)
        fields.setdefault(key, []).append(f"{quantity.key}={text}{suffix}")
    return [
        f"sample{_tags(site=site, node=node, source=source)}"
        f" {','.join(texts)} {unix_ms}000000"
        for (node, source, unix_ms), texts in fields.items()
    ]


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
