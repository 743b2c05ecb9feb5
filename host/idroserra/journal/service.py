"""The journal of a host: who may write what, and that photos and notes stay together."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from idroserra.journal.database import FILE, JournalBook
from idroserra.journal.errors import JournalError, JournalFull, NotNoteAuthor, UnknownNote
from idroserra.journal.models import MOST_PHOTOS, About, Author, Draft, Note
from idroserra.journal.photos import Photos

FOREVER_UNIX_MS = 2**62


class BadNote(JournalError):
    """A note that means nothing. The message names the field."""


class Journal:
    """All notes. Every method may be called from any thread; raises StoreUnavailable."""

    def __init__(
        self, folder: Path, photos_max_bytes: int, now_unix_ms: Callable[[], int],
        tell: Callable[[str | None], None] = lambda _node: None,
    ) -> None:
        """Open journal.db and the photos in the data folder. tell(node): it has changed.

        Raises OSError, sqlite3.Error."""
        self._now_unix_ms = now_unix_ms
        self._tell = tell
        self._photos_max_bytes = photos_max_bytes
        self._changing = threading.Lock()  # a note and its photos change together
        with ExitStack() as opened:
            self._book = JournalBook(folder / FILE)
            opened.callback(self._book.close)
            self.photos = Photos(folder)
            self.photos.sweep(self._book.photo_ids())
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def newest(
        self, *, about: About | None = None, kind: str | None = None, from_unix_ms: int = 0,
        to_unix_ms: int = FOREVER_UNIX_MS, count: int = 1_000_000,
    ) -> list[Note]:
        """Return the newest notes of [from, to), newest first; about None: all of them."""
        return self._book.newest(from_unix_ms, to_unix_ms, about, kind, count)

    def rename_site(self, site: str, name: str) -> None:
        """Call a site otherwise in the notes about it."""
        self._book.rename_site(site, name)
        self._tell(None)

    def get(self, note: str) -> Note:
        """Return a note. Raises UnknownNote."""
        found = self._book.get(note)
        if found is None:
            raise UnknownNote(f"note: there is no {note[:40]}")
        return found

    def add(self, draft: Draft, author: Author, by: str) -> Note:
        """Keep a new note. Raises BadNote."""
        self._check(draft)
        note = Note(**asdict(draft), id=secrets.token_hex(8), by=by, author=author,
                    created_unix_ms=self._now_unix_ms())
        self._book.put(note)
        self._tell(note.node)
        return note

    def change(
        self, note: str, draft: Draft, author: Author, by: str, *, is_admin: bool
    ) -> Note:
        """Put `draft` in place of what a note says. Raises BadNote, UnknownNote, NotYours."""
        with self._changing:
            old = self._mine(note, author, is_admin=is_admin)
            self._check(draft)
            new = replace(old, **asdict(draft), changed_by=by,
                          changed_unix_ms=self._now_unix_ms())
            self._book.put(new)
        self._tell(new.node)
        return new

    def remove(self, note: str, author: Author, *, is_admin: bool) -> Note:
        """Delete a note with its photos; return what it was. Raises UnknownNote, NotYours."""
        with self._changing:
            old = self._mine(note, author, is_admin=is_admin)
            self._book.remove(note)
        for photo in old.photos:
            self.photos.remove(photo.id)
        self._tell(old.node)
        return old

    def check_photo(self, note: str, author: Author, *, is_admin: bool) -> None:
        """Raises UnknownNote, NotYours, JournalFull: before an upload is read."""
        found = self._mine(note, author, is_admin=is_admin)
        if len(found.photos) >= MOST_PHOTOS:
            raise JournalFull(f"photos: a note has {MOST_PHOTOS} at most")
        if self._book.photos_bytes() >= self._photos_max_bytes:
            raise JournalFull(
                f"photos: all of them take {self._photos_max_bytes // 1_000_000} MB, which is "
                "journal.photos_max_mb: delete some, or raise it")

    def add_photo(self, note: str, upload: Path, author: Author, *, is_admin: bool) -> Note:
        """Add a photo to a note. Raises as check_photo(), PhotoRefused."""
        photo = self.photos.take(upload)
        is_kept = False
        try:
            with self._changing:
                self.check_photo(note, author, is_admin=is_admin)
                self._book.add_photo(note, photo)
                is_kept = True
        finally:
            if not is_kept:
                self.photos.remove(photo.id)
        return self._told(note)

    def remove_photo(self, note: str, photo: str, author: Author, *, is_admin: bool) -> Note:
        """Delete a photo of a note. Raises UnknownNote, NotYours."""
        with self._changing:
            self._of(self._mine(note, author, is_admin=is_admin), photo)
            self._book.remove_photo(photo)
        self.photos.remove(photo)
        return self._told(note)

    def photo_path(self, note: str, photo: str, *, small: bool) -> Path:
        """Return the file of a note's photo. Raises UnknownNote."""
        self._of(self.get(note), photo)
        return self.photos.path(photo, small=small)

    def _told(self, note: str) -> Note:
        found = self.get(note)
        self._tell(found.node)
        return found

    def _of(self, note: Note, photo: str) -> None:
        if photo not in [one.id for one in note.photos]:
            raise UnknownNote("photo: no such photo")

    def _mine(self, note: str, author: Author, *, is_admin: bool) -> Note:
        found = self.get(note)
        if found.author != author and not is_admin:
            raise NotNoteAuthor(found.by)
        return found

    def _check(self, draft: Draft) -> None:
        flaw = draft.flaw(self._now_unix_ms())
        if flaw:
            raise BadNote(flaw)
