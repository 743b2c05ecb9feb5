"""A note of the journal: what somebody did or saw, about a node, a site or all sites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from idroserra.i18n.marker import N_

Kind = Literal["note", "water_change", "planting", "harvest", "pest", "maintenance"]
# Each with the word people read.
KINDS: dict[Kind, str] = {
    "note": N_("Note"),
    "water_change": N_("Water change"),
    "planting": N_("Planting"),
    "harvest": N_("Harvest"),
    "pest": N_("Pest or disease"),
    "maintenance": N_("Maintenance"),
}
# What a harvest and a planting may say beside the text.
WITH_CROP = ("planting", "harvest")
MOST_TEXT_CHARS = 4_000
MOST_CROP_CHARS = 40
MOST_WEIGHT_G = 1_000_000
MOST_COUNT = 100_000
MOST_PHOTOS = 8
EARLIEST_UNIX_MS = 946_684_800_000  # the year 2000
AHEAD_MS = 60_000  # clocks of phones differ that much


class About(NamedTuple):
    """Which notes are asked for: those about these nodes, about this site, and about all sites."""

    nodes: tuple[str, ...]
    site: str | None


class Author(NamedTuple):
    """Who wrote a note. kind: session, token, local (as access.who.Who) or host."""

    kind: str
    name: str


@dataclass(frozen=True)
class Photo:
    """A photo of a note, as it is kept: re-encoded JPEG, nothing of the camera's data in it."""

    id: str
    width_px: int
    height_px: int
    size_bytes: int


@dataclass(frozen=True)
class Draft:
    """What somebody writes. node None: a whole site, and all of them where site is None too.
    crop, weight_g, count: of a harvest or a planting, None where nobody said."""

    node: str | None
    kind: Kind
    unix_ms: int
    text: str = ""
    crop: str | None = None
    weight_g: float | None = None
    count: int | None = None
    site: str | None = None

    def flaw(self, now_unix_ms: int) -> str:
        """Return what is wrong with it, naming the field; "" where nothing is."""
        if not EARLIEST_UNIX_MS <= self.unix_ms <= now_unix_ms + AHEAD_MS:
            return "unix_ms: now or earlier, not before the year 2000"
        if self.node is not None and self.site is not None:
            return "site: a note is about a node or about a site"
        if self.kind not in WITH_CROP and (self.crop is not None or self.count is not None):
            return "crop, count: of a planting or a harvest only"
        if self.kind != "harvest" and self.weight_g is not None:
            return "weight_g: of a harvest only"
        if self.kind == "harvest" and self.weight_g is None and self.count is None:
            return "weight_g: a harvest needs its weight in g, or a count"
        if self.kind == "note" and not self.text.strip():
            return "text: a note needs one"
        return ""


@dataclass(frozen=True)
class Note(Draft):
    """A note that is kept. changed_unix_ms and changed_by: the newest change after it was
    written, None and "" before the first."""

    id: str = ""
    by: str = ""
    author: Author = Author("host", "host")
    created_unix_ms: int = 0
    changed_unix_ms: int | None = None
    changed_by: str = ""
    photos: tuple[Photo, ...] = ()


@dataclass(frozen=True)
class Harvest:
    """What a crop gave in all. weight_g None: no harvest of it was weighed; count None: counted.

    `weighed` of its `harvests` say a weight."""

    node: str | None
    site: str | None
    crop: str
    harvests: int
    weighed: int
    weight_g: float | None
    count: int | None
    first_unix_ms: int
    last_unix_ms: int


def yields_of(notes: Iterable[Note]) -> list[Harvest]:
    """Return the yields of the harvests among `notes`, by node or site, and crop."""
    found: dict[tuple[str, str, str], list[Note]] = {}
    for note in notes:
        if note.kind == "harvest":
            key = (note.node or "", note.site or "", note.crop or "")
            found.setdefault(key, []).append(note)
    return [_yield(found[key]) for key in sorted(found)]


def _yield(harvests: list[Note]) -> Harvest:
    weights = [note.weight_g for note in harvests if note.weight_g is not None]
    counts = [note.count for note in harvests if note.count is not None]
    times = [note.unix_ms for note in harvests]
    return Harvest(
        harvests[0].node, harvests[0].site, harvests[0].crop or "", len(harvests), len(weights),
        round(sum(weights), 1) if weights else None, sum(counts) if counts else None,
        min(times), max(times))
