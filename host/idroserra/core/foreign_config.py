"""The section [foreign]: the MQTT topics of sensors that are not nodes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from idroserra.core.config_section import Section, checked

MAX_TOPIC_CHARS = 200
# Of the nodes and of Home Assistant. The broker's own topics begin with $.
_OTHERS = ("idro", "homeassistant")


class ForeignConfig(Section, frozen=True):
    """[foreign]: topic filters to read foreign readings from: docs/integrations.md."""

    topics: Annotated[tuple[str, ...], Meta(max_length=20)] = ()

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid filter, or one that covers topics of nodes."""
        for topic in self.topics:
            checked("topics", _check_filter, topic)


def _check_filter(topic: str) -> None:
    """Check a topic filter of MQTT 3.1.1, section 4.7. Raises ValueError."""
    levels = topic.split("/")
    if not topic.isprintable() or not 0 < len(topic) <= MAX_TOPIC_CHARS:
        raise ValueError(f"{topic[:40]!r} is not 1 to {MAX_TOPIC_CHARS} printable characters")
    if any(("#" in level or "+" in level) and len(level) > 1 for level in levels) or (
            "#" in levels[:-1]):
        raise ValueError(f"{topic!r} is not a topic filter: + is a whole level, # the last one")
    if levels[0] in ("", "#", "+", *_OTHERS) or topic.startswith("$"):
        raise ValueError(f"{topic!r} must begin with the name of a level, such as foreign/#, and "
                         f"not with {' or '.join(_OTHERS)}")
