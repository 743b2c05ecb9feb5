"""What a report says, ready to be set: the same for the page and the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Cells are texts; of figures all columns but the first are set to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_words: bool = False


@dataclass(frozen=True)
class Picture:
    """A photo of a note: `note` and `photo` are its ids."""

    note: str
    photo: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the report. charts: SVG."""

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
