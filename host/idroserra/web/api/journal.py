"""The HTTP API of the journal: notes, photos, yields, export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse

from idroserra.auth.identity import current_identity
from idroserra.auth.roles import Role
from idroserra.core.errors import StoreUnavailable
from idroserra.core.sites import MAX_CHARS
from idroserra.core.text import Text
from idroserra.core.validation import string_pattern
from idroserra.export.csv_export import iso_utc
from idroserra.export.journal_export import journal_zip, notes_csv, notes_json
from idroserra.i18n.marker import N_
from idroserra.journal.errors import PhotoRefused
from idroserra.journal.models import (
    MOST_COUNT,
    MOST_CROP_CHARS,
    MOST_TEXT_CHARS,
    MOST_WEIGHT_G,
    Author,
    Draft,
    Harvest,
    Kind,
    Note,
    NoteFilter,
    Photo,
    yields_of,
)
from idroserra.journal.photos import MOST_UPLOAD_BYTES, TYPE, UPLOAD_TYPES
from idroserra.journal.service import Journal
from idroserra.nodes.registry import Nodes
from idroserra.web.api.ranges import LATEST_UNIX_MS, FromMs, LocalTime, ToMs, zone_of
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Param, Routes, in_reading_threads
from idroserra.web.threads import photo_threads, run_in_thread

MOST_NOTES = 500
YEAR_S = 31_536_000
_ERROR_REPLIES = error_replies({
    403: "The note of another user.", 404: "No such node, note or photo.",
    409: "No more photos fit.", 503: "The host's database does not answer.",
})
NoteId = Annotated[str, string_pattern(r"^[0-9a-f]{16}$", description="Of the note.")]
PhotoId = Annotated[str, string_pattern(r"^[0-9a-f]{32}$", description="Of the photo.")]
Node = Annotated[str, Meta(max_length=40, description="Notes about it and its site.")] | None
Site = Annotated[str, Meta(
    max_length=MAX_CHARS, description="Notes about it and its nodes.")] | None
OfKind = Annotated[Kind | None, Meta(description="Only this kind.")]
Form = Literal["csv", "json", "zip"]
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json",
          "zip": "application/zip"}


class NoteIn(AskedBy, kw_only=True):
    """A complete note; a change replaces the whole note."""

    node: Annotated[str, Meta(
        max_length=40, description="A node; null: a whole site.")] | None = None
    site: Annotated[str, Meta(
        max_length=MAX_CHARS,
        description="Where node is null: the site; null: all sites.")] | None = None
    kind: Kind
    unix_ms: Annotated[int, Meta(
        ge=0, le=LATEST_UNIX_MS, description="Time of the event: now or earlier.")]
    text: Annotated[str, Meta(max_length=MOST_TEXT_CHARS)] = ""
    crop: Annotated[str, Meta(
        min_length=1, max_length=MOST_CROP_CHARS,
        description="Of a planting or a harvest.")] | None = None
    weight_g: Annotated[float, Meta(
        gt=0, le=MOST_WEIGHT_G, description="Of a harvest, in g.")] | None = None
    count: Annotated[int, Meta(
        ge=1, le=MOST_COUNT,
        description="Plants or pieces of a planting or a harvest.")] | None = None

    def draft(self) -> Draft:
        """Return the note without its author."""
        return Draft(self.node, self.kind, self.unix_ms, self.text.strip(), self.crop,
                     self.weight_g, self.count, self.site)


class NoteOut(Out):
    """A note; may_change: the user may change and delete it. GET .../photos/{id} returns a photo,
    with ?size=small as a thumbnail."""

    id: str
    node: str | None
    site: str | None
    kind: str
    unix_ms: int
    text: str
    crop: str | None
    weight_g: float | None
    count: int | None
    by: str
    created_unix_ms: int
    changed_unix_ms: int | None
    changed_by: str
    may_change: bool
    photos: list[Photo]


class NotesOut(Out):
    """Notes, newest first; is_more: there are older ones in the range."""

    notes: list[NoteOut]
    is_more: bool


class YieldsOut(Out):
    """The yields by node and crop."""

    yields: list[Harvest]


def journal_router(journal: Journal, nodes: Nodes) -> Routes:
    """Return the routes under /api/journal."""
    router = Routes("/api/journal", _ERROR_REPLIES)
    _add_reads(router, journal, nodes)
    _add_export(router, journal, nodes)
    _add_writes(router, journal, nodes)
    _add_photos(router, journal)
    return router


def note_json(note: Note) -> dict[str, Any]:
    """Return NoteOut."""
    author, _, is_admin = _author()
    found = vars(note) | {"may_change": is_admin or note.author == author}
    del found["author"]
    return found


def _author() -> tuple[Author, str, bool]:
    """Return author, displayed name and whether the user is an admin."""
    who = current_identity()
    if who is None:
        return Author("host", "host"), "host", True
    return Author(who.kind, who.name), who.name, who.role >= Role.ADMIN


def _add_reads(router: Routes, journal: Journal, nodes: Nodes) -> None:
    @router.get("", answer=NotesOut)
    def notes(
        node: Node = None, site: Site = None, kind: OfKind = None, from_unix_ms: FromMs = 0,
        to_unix_ms: ToMs = LATEST_UNIX_MS,
        limit: Annotated[int, Meta(ge=1, le=MOST_NOTES, description="At most, newest.")] = 100,
    ) -> dict[str, Any]:
        """Return notes, newest first."""
        found = journal.newest(
            about=_about(nodes, node, site), kind=kind, from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms, count=limit + 1)
        return {"notes": [note_json(note) for note in found[:limit]],
                "is_more": len(found) > limit}

    @router.get("/yields", answer=YieldsOut)
    def yields(
        node: Node = None, site: Site = None, from_unix_ms: FromMs = 0,
        to_unix_ms: ToMs = LATEST_UNIX_MS,
    ) -> dict[str, Any]:
        """Return the yields by node and crop."""
        harvests = journal.newest(
            about=_about(nodes, node, site), kind="harvest", from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms)
        return {"yields": yields_of(harvests)}


def _add_export(router: Routes, journal: Journal, nodes: Nodes) -> None:
    @router.get("/export", replies={
        200: {"content": {"text/csv": {}, "application/json": {}, "application/zip": {}},
              "description": "The file; a ZIP contains notes and photos."}})
    def export(
        form: Annotated[Form, Meta(description="Format of the file."), Param("format")] = "csv",
        node: Node = None, site: Site = None, kind: OfKind = None, from_unix_ms: FromMs = 0,
        to_unix_ms: ToMs = LATEST_UNIX_MS,
        time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """Export the journal, oldest note first."""
        zone = zone_of(time_zone)
        found = journal.newest(
            about=_about(nodes, node, site), kind=kind, from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms)[::-1]
        places = {one.node: one.site for one in nodes.all()}
        found = [note if note.node is None else replace(note, site=places.get(note.node))
                 for note in found]
        day = f"_{iso_utc(found[-1].unix_ms)[:10]}" if found else ""
        name = f"journal{f'_{node}' if node in places else ''}{day}.{form}"
        parts = in_reading_threads(_parts(journal, found, form, zone))
        return StreamingResponse(parts, media_type=_TYPES[form], headers={
            "Content-Disposition": f'attachment; filename="{name}"'})


def _about(nodes: Nodes, node: str | None, site: str | None) -> NoteFilter | None:
    """Return the node or site of a filter; notes of forgotten nodes still match."""
    if node is not None:
        known = {one.node: one.site for one in nodes.all()}
        return NoteFilter((node,), known.get(node))
    if site is not None:
        return NoteFilter(tuple(one.node for one in nodes.all() if one.site == site), site)
    return None


def _parts(
    journal: Journal, notes: list[Note], form: Form, zone: ZoneInfo | None
) -> Iterator[str] | Iterator[bytes]:
    if form == "csv":
        return notes_csv(notes, zone)
    if form == "json":
        return notes_json(notes)
    return journal_zip(notes, zone, lambda photo: journal.photos.path(photo, small=False))


def _add_writes(router: Routes, journal: Journal, nodes: Nodes) -> None:
    def checked(body: NoteIn) -> Draft:
        if body.node is not None:
            nodes.get(body.node)
        if body.site is not None:
            nodes.at(body.site)
        return body.draft()

    @router.post("", status=201, answer=NoteOut)
    def write(body: NoteIn) -> dict[str, Any]:
        """Write a note. Photos are added afterwards, one by one."""
        return note_json(journal.add(checked(body), _author()[0], body.by))

    @router.get("/{note}", answer=NoteOut)
    def show(note: NoteId) -> dict[str, Any]:
        """Return one note."""
        return note_json(journal.get(note))

    @router.put("/{note}", answer=NoteOut)
    def change(note: NoteId, body: NoteIn) -> dict[str, Any]:
        """Change a note. Allowed for its author and admins."""
        author, _, is_admin = _author()
        return note_json(journal.change(note, checked(body), author, body.by, is_admin=is_admin))

    @router.delete("/{note}", answer=NoteOut)
    def delete(note: NoteId) -> dict[str, Any]:
        """Delete a note and its photos, and return it. Allowed for its author and admins."""
        author, _, is_admin = _author()
        return note_json(journal.remove(note, author, is_admin=is_admin))


def _add_photos(router: Routes, journal: Journal) -> None:
    images: dict[str, Any] = {kind: {"schema": {"type": "string", "format": "binary"}}
                              for kind in UPLOAD_TYPES}

    @router.post("/{note}/photos", status=201, answer=NoteOut, takes=images)
    async def add_photo(note: NoteId, request: Request) -> dict[str, Any]:
        """Add a photo; the file is the body. It is resized and its metadata (place, time) are
        removed."""
        author, _, is_admin = _author()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in UPLOAD_TYPES:
            raise HTTPException(415, Text(
                N_("Content-Type: one of {types} is needed"), types=", ".join(UPLOAD_TYPES)))
        await run_in_threadpool(journal.check_photo, note, author, is_admin=is_admin)
        part = journal.photos.part()
        try:
            await _receive(request, part)
            found = await run_in_thread(
                lambda: journal.add_photo(note, part, author, is_admin=is_admin), photo_threads())
        finally:
            await run_in_threadpool(part.unlink, missing_ok=True)
        return note_json(found)

    @router.get("/{note}/photos/{photo}", replies={
        200: {"content": {TYPE: {}}, "description": "The photo, a JPEG."}})
    def photo(
        note: NoteId, photo: PhotoId,
        size: Annotated[
            Literal["full", "small"], Meta(description="small: a thumbnail.")] = "full",
    ) -> FileResponse:
        """Return a photo."""
        path = journal.photo_path(note, photo, small=size == "small")
        return FileResponse(path, media_type=TYPE, headers={
            "Cache-Control": f"private, max-age={YEAR_S}, immutable",
            "Content-Disposition": f'inline; filename="{photo}.jpg"'})

    @router.delete("/{note}/photos/{photo}", answer=NoteOut)
    def delete_photo(note: NoteId, photo: PhotoId) -> dict[str, Any]:
        """Delete a photo. Allowed for the author of the note and admins."""
        author, _, is_admin = _author()
        return note_json(journal.remove_photo(note, photo, author, is_admin=is_admin))


async def _receive(request: Request, part: Path) -> None:
    """Stream the body of a request to a file. Raises PhotoRefused, StoreUnavailable."""
    size_bytes = 0
    try:
        with part.open("xb") as file:
            async for piece in request.stream():
                size_bytes += len(piece)
                if size_bytes > MOST_UPLOAD_BYTES:
                    raise PhotoRefused(Text(N_("photo: larger than {most} MB"),
                                            most=MOST_UPLOAD_BYTES // 1_048_576))
                await run_in_threadpool(file.write, piece)
    except OSError as error:
        raise StoreUnavailable(Text(
            N_("the photo was not saved: {why}"), why=error.strerror or str(error))) from error
