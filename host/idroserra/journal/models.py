"""The data model of the journal: notes about a node, a site or all sites, and harvests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from idroserra.i18n.marker import N_

Kind = Literal["note", "water_change", "planting", "harvest", "pest", "maintenance"]
# Each with its label.
KINDS: dict[Kind, str] = {
    "note": N_("Note"),
    "water_change": N_("Water change"),
    "planting": N_("Planting"),
    "harvest": N_("Harvest"),
    "pest": N_("Pest or disease"),
    "maintenance": N_("Maintenance"),
}
# Kinds with a crop and a count.
WITH_CROP = ("planting", "harvest")
MOST_TEXT_CHARS = 4_000
MOST_CROP_CHARS = 40
MOST_WEIGHT_G = 1_000_000
MOST_COUNT = 100_000
MOST_PHOTOS = 8
EARLIEST_UNIX_MS = 946_684_800_000  # the year 2000
AHEAD_MS = 60_000  # tolerance for the clocks of phones


class NoteFilter(NamedTuple):
    """Selects the notes about these nodes, about this site, and about all sites."""

    nodes: tuple[str, ...]
    site: str | None


class Author(NamedTuple):
    """The author of a note. kind: session, token, local (as auth.identity.Identity) or host."""

    kind: str
    name: str


@dataclass(frozen=True)
class Photo:
    """A stored photo of a note: a re-encoded JPEG without the camera's metadata."""

    id: str
    width_px: int
    height_px: int
    size_bytes: int


@dataclass(frozen=True)
class Draft:
    """A note as written. node None: about a site, or about all sites if site is None too.
    crop, weight_g, count: of a harvest or a planting, else None."""

    node: str | None
    kind: Kind
    unix_ms: int
    text: str = ""
    crop: str | None = None
    weight_g: float | None = None
    count: int | None = None
    site: str | None = None

    def validate(self, now_unix_ms: int) -> str:
        """Return the first problem, with its field, or ""; `translate` translates it."""
        if not EARLIEST_UNIX_MS <= self.unix_ms <= now_unix_ms + AHEAD_MS:
            return N_("unix_ms: now or earlier, not before the year 2000")
        if self.node is not None and self.site is not None:
            return N_("site: a note is about a node or about a site")
        if self.kind not in WITH_CROP and (self.crop is not None or self.count is not None):
            return N_("crop, count: of a planting or a harvest only")
        if self.kind != "harvest" and self.weight_g is not None:
            return N_("weight_g: of a harvest only")
        if self.kind == "harvest" and self.weight_g is None and self.count is None:
            return N_("weight_g: a harvest needs its weight in g, or a count")
        if self.kind == "note" and not self.text.strip():
            return N_("text: a note needs one")
        return ""


@dataclass(frozen=True)
class Note(Draft):
    """A stored note. changed_unix_ms and changed_by: the newest change, or None and ""."""

    id: str = ""
    by: str = ""
    author: Author = Author("host", "host")
    created_unix_ms: int = 0
    changed_unix_ms: int | None = None
    changed_by: str = ""
    photos: tuple[Photo, ...] = ()


@dataclass(frozen=True)
class Harvest:
    """The total yield of a crop. weight_g None: none was weighed; count None: none was counted.

    `weighed`: how many of the `harvests` have a weight."""

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
    """Return the yields of the harvests in `notes`, by node or site, and crop."""
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
