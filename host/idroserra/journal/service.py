"""The journal service: checks who may change a note, and keeps notes and photos consistent."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path

from idroserra.core.errors import InvalidInput
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.journal.database import FILE, JournalDatabase
from idroserra.journal.errors import JournalError, JournalFull, NotNoteAuthor, UnknownNote
from idroserra.journal.models import MOST_PHOTOS, Author, Draft, Note, NoteFilter
from idroserra.journal.photos import Photos

FOREVER_UNIX_MS = 2**62


class BadNote(InvalidInput, JournalError):
    """The note is invalid; the message names the field."""


class Journal:
    """All notes. Every method may be called from any thread; raises StoreUnavailable."""

    def __init__(
        self, folder: Path, photos_max_bytes: int, now_unix_ms: Callable[[], int],
        on_change: Callable[[str | None], None] = lambda _node: None,
    ) -> None:
        """Open journal.db and the photos in the data folder. on_change(node): a note changed.

        Raises OSError, sqlite3.Error."""
        self._now_unix_ms = now_unix_ms
        self._on_change = on_change
        self._photos_max_bytes = photos_max_bytes
        self._changing = threading.Lock()  # serialises changes of notes and photos
        with ExitStack() as opened:
            self._database = opened.enter_context(closing(JournalDatabase(folder / FILE)))
            self.photos = Photos(folder)
            self.photos.sweep(self._database.photo_ids())
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def newest(
        self, *, about: NoteFilter | None = None, kind: str | None = None, from_unix_ms: int = 0,
        to_unix_ms: int = FOREVER_UNIX_MS, count: int = 1_000_000,
    ) -> list[Note]:
        """Return the newest notes of [from, to), newest first; about None: all of them."""
        return self._database.newest(from_unix_ms, to_unix_ms, about, kind, count)

    def rename_site(self, site: str, name: str) -> None:
        """Rename a site in the notes about it."""
        self._database.rename_site(site, name)
        self._on_change(None)

    def get(self, note: str) -> Note:
        """Return a note. Raises UnknownNote."""
        found = self._database.get(note)
        if found is None:
            raise UnknownNote(Text(N_("note: there is no {name}"), name=note[:40]))
        return found

    def add(self, draft: Draft, author: Author, by: str) -> Note:
        """Store a new note. Raises BadNote."""
        self._check(draft)
        note = Note(**asdict(draft), id=secrets.token_hex(8), by=by, author=author,
                    created_unix_ms=self._now_unix_ms())
        self._database.put(note)
        self._on_change(note.node)
        return note

    def change(self, note: str, draft: Draft, author: Author, by: str, *, is_admin: bool) -> Note:
        """Replace the content of a note. Raises BadNote, UnknownNote, NotNoteAuthor."""
        with self._changing:
            old = self._editable(note, author, is_admin=is_admin)
            self._check(draft)
            new = replace(old, **asdict(draft), changed_by=by, changed_unix_ms=self._now_unix_ms())
            self._database.put(new)
        self._on_change(new.node)
        return new

    def remove(self, note: str, author: Author, *, is_admin: bool) -> Note:
        """Delete a note with its photos; return it. Raises UnknownNote, NotNoteAuthor."""
        with self._changing:
            old = self._editable(note, author, is_admin=is_admin)
            self._database.remove(note)
        for photo in old.photos:
            self.photos.remove(photo.id)
        self._on_change(old.node)
        return old

    def check_photo(self, note: str, author: Author, *, is_admin: bool) -> None:
        """Raises UnknownNote, NotNoteAuthor, JournalFull: before an upload is read."""
        found = self._editable(note, author, is_admin=is_admin)
        if len(found.photos) >= MOST_PHOTOS:
            raise JournalFull(Text(N_("photos: a note has {most} at most"), most=MOST_PHOTOS))
        if self._database.photos_bytes() >= self._photos_max_bytes:
            raise JournalFull(Text(N_(
                "photos: the limit of {most} MB in journal.photos_max_mb is reached: delete some, "
                "or raise it"), most=self._photos_max_bytes // 1_000_000))

    def add_photo(self, note: str, upload: Path, author: Author, *, is_admin: bool) -> Note:
        """Add a photo to a note. Raises as check_photo(), PhotoRefused."""
        photo = self.photos.take(upload)
        is_added = False
        try:
            with self._changing:
                self.check_photo(note, author, is_admin=is_admin)
                self._database.add_photo(note, photo)
                is_added = True
        finally:
            if not is_added:
                self.photos.remove(photo.id)
        return self._changed(note)

    def remove_photo(self, note: str, photo: str, author: Author, *, is_admin: bool) -> Note:
        """Delete a photo of a note. Raises UnknownNote, NotNoteAuthor."""
        with self._changing:
            self._check_has(self._editable(note, author, is_admin=is_admin), photo)
            self._database.remove_photo(photo)
        self.photos.remove(photo)
        return self._changed(note)

    def photo_path(self, note: str, photo: str, *, small: bool) -> Path:
        """Return the file of a note's photo. Raises UnknownNote."""
        self._check_has(self.get(note), photo)
        return self.photos.path(photo, small=small)

    def _changed(self, note: str) -> Note:
        found = self.get(note)
        self._on_change(found.node)
        return found

    def _check_has(self, note: Note, photo: str) -> None:
        if photo not in [one.id for one in note.photos]:
            raise UnknownNote(N_("photo: no such photo"))

    def _editable(self, note: str, author: Author, *, is_admin: bool) -> Note:
        found = self.get(note)
        if found.author != author and not is_admin:
            raise NotNoteAuthor(found.by)
        return found

    def _check(self, draft: Draft) -> None:
        problem = draft.validate(self._now_unix_ms())
        if problem:
            raise BadNote(problem)
