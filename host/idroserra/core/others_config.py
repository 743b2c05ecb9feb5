"""Sections of the configuration about other machines: foreign sensors and the standby."""

from __future__ import annotations

from pathlib import Path
from posixpath import normpath
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from idroserra.core.config_section import Section, checked
from idroserra.core.validation import ValidationError

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


class StandbyConfig(Section, frozen=True):
    """[standby]: docs/standby.md. Two machines have the same section, each with the folder of the
    other as `url`: the one that serves sends to it, the other follows its own `folder`."""

    # sftp://USER@MACHINE/FOLDER, or file:///FOLDER for a mounted folder of the other machine.
    url: str | None = None
    key_file: Path | None = None
    # Its public host key, a line such as "ssh-ed25519 AAAA...".
    host_key: str | None = None
    # What this machine follows.
    folder: Path | None = None
    # Nodes send nothing new while eight messages wait for a confirmation, so this is short.
    alone_after_min: Annotated[int, Meta(ge=1, le=4_320)] = 10

    def __post_init__(self) -> None:
        """Raises ValidationError for an invalid URL or a key that is missing."""
        if self.url is None:
            return
        checked("url", _check_url, self.url)
        if self.is_sftp and (self.key_file is None or self.host_key is None):
            raise ValidationError([], "key_file and host_key are needed for sftp://")
        if self.host_key is not None and len(self.host_key.split()) < 2:  # noqa: PLR2004
            raise ValidationError(["host_key"], "must be a line such as ssh-ed25519 AAAA...")

    @property
    def is_sftp(self) -> bool:
        """Whether the copies go over SSH."""
        return self.url is not None and self.url.startswith("sftp://")


def _check_url(url: str) -> None:
    """Raises ValueError."""
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError for an invalid port
    is_file = parts.scheme == "file" and not parts.netloc
    is_sftp = parts.scheme == "sftp" and parts.hostname and parts.username and not parts.password
    if not (is_file or is_sftp) or parts.query or parts.fragment or parts.path.strip("/") == "":
        raise ValueError("must be sftp://USER@MACHINE/FOLDER or file:///FOLDER")
    # The folder is found in errors of Litestream, to see that the standby has taken over.
    if normpath(parts.path) != parts.path.rstrip("/") or parts.path[:2] == "//" or "%" in url:
        raise ValueError("must be without //, ., .. and % in the folder")
