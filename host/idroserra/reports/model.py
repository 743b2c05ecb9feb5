"""The content of a report, shared by the page and the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Text cells. Unless `is_words`, all columns but the first are right-aligned."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_words: bool = False


@dataclass(frozen=True)
class Picture:
    """A photo of a journal note; `note` and `photo` are ids."""

    note: str
    photo: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of the report. charts: SVG."""

    title: str
    lines: Sequence[str] = ()
    table: Table | None = None
    charts: Sequence[str] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    subtitle: str
    sections: Sequence[Section] = field(default_factory=list)
