"""The HTTP API of the journal: write, look, add photos, sum up the harvests."""

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
from idroserra.core.validation import string_pattern
from idroserra.export.csv_export import iso_utc
from idroserra.export.journal_export import journal_zip, notes_csv, notes_json
from idroserra.journal.errors import PhotoRefused
from idroserra.journal.models import (
    MOST_COUNT,
    MOST_CROP_CHARS,
    MOST_TEXT_CHARS,
    MOST_WEIGHT_G,
    About,
    Author,
    Draft,
    Kind,
    Note,
    yields_of,
)
from idroserra.journal.photos import MOST_UPLOAD_BYTES, TYPE, UPLOAD_TYPES
from idroserra.server.service import Service
from idroserra.web.api.export import LocalTime, zone_of
from idroserra.web.api.nodes import LATEST_UNIX_MS
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.routing import Param, Replies, Routes

MOST_NOTES = 500
YEAR_S = 31_536_000
_REFUSALS: Replies = {
    403: refused("Another's note."),
    404: refused("No such node, note or photo."),
    409: refused("No more photos fit."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The host's file does not answer."),
}
NoteId = Annotated[str, string_pattern(r"^[0-9a-f]{16}$", description="Of the note.")]
PhotoId = Annotated[str, string_pattern(r"^[0-9a-f]{32}$", description="Of the photo.")]
Node = Annotated[str, Meta(
    max_length=40, description="Notes about it and about its whole site.")] | None
Site = Annotated[str, Meta(
    max_length=MAX_CHARS, description="Notes about it and about its nodes.")] | None
OfKind = Annotated[Kind | None, Meta(description="Only these.")]
From = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="Start, UTC, in ms.")]
To = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="End (not included), in ms.")]
Form = Literal["csv", "json", "zip"]
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json",
          "zip": "application/zip"}


class NoteIn(AskedBy, kw_only=True):
    """What somebody writes, whole: a change puts it in place of what was there."""

    node: Annotated[str, Meta(
        max_length=40, description="A node; null: a whole site.")] | None = None
    site: Annotated[str, Meta(
        max_length=MAX_CHARS,
        description="Where node is null: the site; null: all sites.")] | None = None
    kind: Kind
    unix_ms: Annotated[int, Meta(
        ge=0, le=LATEST_UNIX_MS, description="When it was: now or earlier.")]
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
        """Return it without who asks."""
        return Draft(self.node, self.kind, self.unix_ms, self.text.strip(), self.crop,
                     self.weight_g, self.count, self.site)


class PhotoOut(Out):
    """A photo; GET .../photos/{id} has it, with ?size=small for a list."""

    id: str
    width_px: int
    height_px: int
    size_bytes: int


class NoteOut(Out):
    """A note. may_change: whether who asks may change and delete it."""

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
    photos: list[PhotoOut]


class NotesOut(Out):
    """Notes, newest first; is_more: older ones of the span were left out."""

    notes: list[NoteOut]
    is_more: bool


class YieldOut(Out):
    """What a crop gave in all; null is what nobody weighed or counted."""

    node: str | None
    site: str | None
    crop: str
    harvests: int
    weighed: Annotated[int, Meta(description="So many of the harvests say a weight.")]
    weight_g: float | None
    count: int | None
    first_unix_ms: int
    last_unix_ms: int


class YieldsOut(Out):
    """The yields by node and crop."""

    yields: list[YieldOut]


def journal_router(service: Service) -> Routes:
    """Return the routes under /api/journal."""
    router = Routes("/api/journal", _REFUSALS)
    _add_looking(router, service)
    _add_export(router, service)
    _add_writing(router, service)
    _add_photos(router, service)
    return router


def note_json(note: Note) -> dict[str, Any]:
    """Return a note as the API gives it."""
    author, _, is_admin = _asker()
    return {
        "id": note.id, "node": note.node, "site": note.site, "kind": note.kind,
        "unix_ms": note.unix_ms,
        "text": note.text, "crop": note.crop, "weight_g": note.weight_g, "count": note.count,
        "by": note.by, "created_unix_ms": note.created_unix_ms,
        "changed_unix_ms": note.changed_unix_ms, "changed_by": note.changed_by,
        "may_change": is_admin or note.author == author,
        "photos": [vars(photo) for photo in note.photos],
    }


def _asker() -> tuple[Author, str, bool]:
    """Return who asks, the name people read, and whether they are an admin."""
    who = current_identity()
    if who is None:
        return Author("host", "host"), "host", True
    return Author(who.kind, who.name), who.name, who.role >= Role.ADMIN


def _add_looking(router: Routes, service: Service) -> None:
    @router.get("", answer=NotesOut)
    def notes(
        node: Node = None, site: Site = None, kind: OfKind = None, from_unix_ms: From = 0,
        to_unix_ms: To = LATEST_UNIX_MS,
        limit: Annotated[int, Meta(ge=1, le=MOST_NOTES, description="Newest so many.")] = 100,
    ) -> dict[str, Any]:
        """Notes, newest first."""
        found = service.journal.newest(
            about=_about(service, node, site), kind=kind, from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms, count=limit + 1)
        return {"notes": [note_json(note) for note in found[:limit]],
                "is_more": len(found) > limit}

    @router.get("/yields", answer=YieldsOut)
    def yields(
        node: Node = None, site: Site = None, from_unix_ms: From = 0,
        to_unix_ms: To = LATEST_UNIX_MS,
    ) -> dict[str, Any]:
        """What the harvests gave in all, by node and crop."""
        harvests = service.journal.newest(
            about=_about(service, node, site), kind="harvest", from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms)
        return {"yields": [vars(one) for one in yields_of(harvests)]}


def _add_export(router: Routes, service: Service) -> None:
    @router.get("/export", replies={
        200: {"content": {"text/csv": {}, "application/json": {}, "application/zip": {}},
              "description": "The whole file; a ZIP has the notes and their photos."}})
    def export(
        form: Annotated[Form, Meta(description="Of the file."), Param("format")] = "csv",
        node: Node = None, site: Site = None, kind: OfKind = None, from_unix_ms: From = 0,
        to_unix_ms: To = LATEST_UNIX_MS,
        time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """The journal as a file, oldest note first."""
        zone = zone_of(time_zone)
        found = service.journal.newest(
            about=_about(service, node, site), kind=kind, from_unix_ms=from_unix_ms,
            to_unix_ms=to_unix_ms)[::-1]
        places = {one.node: one.site for one in service.nodes.all()}
        found = [note if note.node is None else replace(note, site=places.get(note.node))
                 for note in found]
        day = f"_{iso_utc(found[-1].unix_ms)[:10]}" if found else ""
        name = f"journal{f'_{node}' if node in _names(service) else ''}{day}.{form}"
        return StreamingResponse(_pieces(service, found, form, zone), media_type=_TYPES[form],
                                 headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _names(service: Service) -> list[str]:
    return [node.node for node in service.nodes.all()]


def _about(service: Service, node: str | None, site: str | None) -> About | None:
    """Return which notes a request asks for; those of a node that is gone are still there."""
    if node is not None:
        known = {one.node: one.site for one in service.nodes.all()}
        return About((node,), known.get(node))
    if site is not None:
        return About(tuple(one.node for one in service.nodes.all() if one.site == site), site)
    return None


def _pieces(
    service: Service, notes: list[Note], form: Form, zone: ZoneInfo | None
) -> Iterator[str] | Iterator[bytes]:
    if form == "csv":
        return notes_csv(notes, zone)
    if form == "json":
        return notes_json(notes)
    return journal_zip(notes, zone, lambda photo: service.journal.photos.path(photo, small=False))


def _add_writing(router: Routes, service: Service) -> None:
    def checked(body: NoteIn) -> Draft:
        if body.node is not None:
            service.nodes.get(body.node)
        if body.site is not None:
            service.nodes.at(body.site)
        return body.draft()

    @router.post("", status=201, answer=NoteOut)
    def write(body: NoteIn) -> dict[str, Any]:
        """Write a note. Photos are added to it afterwards, one by one."""
        return note_json(service.journal.add(checked(body), _asker()[0], body.by))

    @router.get("/{note}", answer=NoteOut)
    def show(note: NoteId) -> dict[str, Any]:
        """One note."""
        return note_json(service.journal.get(note))

    @router.put("/{note}", answer=NoteOut)
    def change(note: NoteId, body: NoteIn) -> dict[str, Any]:
        """Change a note; its author and admins may."""
        author, _, is_admin = _asker()
        return note_json(service.journal.change(
            note, checked(body), author, body.by, is_admin=is_admin))

    @router.delete("/{note}", answer=NoteOut)
    def delete(note: NoteId) -> dict[str, Any]:
        """Delete a note with its photos; its author and admins may. Returns what it was."""
        author, _, is_admin = _asker()
        return note_json(service.journal.remove(note, author, is_admin=is_admin))


def _add_photos(router: Routes, service: Service) -> None:
    journal = service.journal
    images: dict[str, Any] = {kind: {"schema": {"type": "string", "format": "binary"}}
                              for kind in UPLOAD_TYPES}

    @router.post("/{note}/photos", status=201, answer=NoteOut, takes=images)
    async def add_photo(note: NoteId, request: Request) -> dict[str, Any]:
        """Add a photo: the file itself is the body. It is made smaller, and what the camera
        wrote into it (place, time) is left out."""
        author, _, is_admin = _asker()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in UPLOAD_TYPES:
            raise HTTPException(415, f"Content-Type: {' or '.join(UPLOAD_TYPES)} needed")
        await run_in_threadpool(journal.check_photo, note, author, is_admin=is_admin)
        part = journal.photos.part()
        try:
            await _receive(request, part)
            found = await run_in_threadpool(
                journal.add_photo, note, part, author, is_admin=is_admin)
        finally:
            await run_in_threadpool(part.unlink, missing_ok=True)
        return note_json(found)

    @router.get("/{note}/photos/{photo}", replies={
        200: {"content": {TYPE: {}}, "description": "The photo, a JPEG."}})
    def photo(
        note: NoteId, photo: PhotoId,
        size: Annotated[
            Literal["full", "small"], Meta(description="small: for a list.")] = "full",
    ) -> FileResponse:
        """A photo, for who is logged in."""
        path = journal.photo_path(note, photo, small=size == "small")
        return FileResponse(path, media_type=TYPE, headers={
            "Cache-Control": f"private, max-age={YEAR_S}, immutable",
            "Content-Disposition": f'inline; filename="{photo}.jpg"'})

    @router.delete("/{note}/photos/{photo}", answer=NoteOut)
    def delete_photo(note: NoteId, photo: PhotoId) -> dict[str, Any]:
        """Delete a photo; the author of the note and admins may."""
        author, _, is_admin = _asker()
        return note_json(journal.remove_photo(note, photo, author, is_admin=is_admin))


async def _receive(request: Request, part: Path) -> None:
    """Write the body of a request to a file as it comes. Raises PhotoRefused, StoreUnavailable."""
    size_bytes = 0
    try:
        with part.open("xb") as file:
            async for piece in request.stream():
                size_bytes += len(piece)
                if size_bytes > MOST_UPLOAD_BYTES:
                    raise PhotoRefused(
                        f"photo: larger than {MOST_UPLOAD_BYTES // 1_048_576} MB")
                await run_in_threadpool(file.write, piece)
    except OSError as error:
        raise StoreUnavailable(f"the photo was not kept: {error.strerror or error}") from error
